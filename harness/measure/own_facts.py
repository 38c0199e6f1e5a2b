"""What can be known of a vLLM and a model that this harness did not install: versions, identities, hooks."""

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.engine.installation import Installation
from harness.engine.twin import MANIFEST
from harness.measure.address import config_file, option

FILE_BYTES = 1 << 20  # scripts and settings; what is larger is data


def engine_facts(installation: Installation) -> dict[str, Any]:
    """The engine's part of a record; ``unpinned``: not a build that a pin of ours describes."""
    tracer = installation.tracer
    assert tracer is not None
    pinned = tracer.mode == "pinned"
    return {
        "pin": tracer.pin if pinned else None,
        "unpinned": not pinned,
        "version": installation.version,
        "device": installation.device,
        "hook_table": tracer.pin,
        "hooks": f"{tracer.resolved} of {tracer.hooks}",
        "patches_sha256": tracer.patches_sha256,
        "sources_sha256": _sources_sha256(installation.vllm_dir),
        **_versions(installation.python),
    }


def _versions(python: Path) -> dict[str, Any]:
    """Python, torch (None where it is not installed), and one hash over all packages of an interpreter."""
    code = (
        "import importlib.metadata as m, platform\nprint(platform.python_version())\n"
        "for d in m.distributions(): print(d.name, d.version)"
    )
    done = subprocess.run([str(python), "-I", "-c", code], capture_output=True, text=True, check=False)
    version, *packages = done.stdout.splitlines() or [""]
    torch = next((line.split()[-1] for line in packages if line.lower().startswith("torch ")), None)
    digest = hashlib.sha256("\n".join(sorted(packages)).encode()).hexdigest()
    return {"python": version or None, "torch": torch, "packages_sha256": digest}


def _sources_sha256(vllm_dir: Path) -> str:
    """Identity of a vllm's code: a checkout or a nightly can change under one version."""
    digest = hashlib.sha256()
    found = (path for path in sorted(vllm_dir.rglob("*")) if path.suffix in (".py", ".so") and path.is_file())
    for path in found:
        digest.update(f"{path.relative_to(vllm_dir)}\0{path.stat().st_size}\0".encode())
        if path.suffix == ".py":
            digest.update(path.read_bytes())
    return digest.hexdigest()


def files_sha256(arguments: Sequence[str]) -> str:
    """Identity of the files that a command line names (a script, a ``--config``): they can change under one name."""
    digest = hashlib.sha256()
    for word in (part for argument in arguments for part in (argument, argument.partition("=")[2])):
        path = Path(word)
        try:
            if word and path.is_file() and path.stat().st_size <= FILE_BYTES:
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        except (OSError, ValueError):  # a name too long to be a file's, or one that may not be read
            continue
    return digest.hexdigest()


def model_facts(arguments: Sequence[str]) -> dict[str, Any]:
    """What the command line says about the model: ``vllm serve MODEL``, --model, or the --config file."""
    given = option(arguments, "model") or config_file(option(arguments, "config")).get("model")
    if given is None and "serve" in arguments:
        after = arguments[arguments.index("serve") + 1 :]
        given = after[0] if after and not after[0].startswith("-") else None
    folder = Path(given) if given and Path(given).is_dir() else None
    return {
        "name": (folder.resolve().name if folder else given) or "unnamed",
        "twin": (folder / MANIFEST).is_file() if folder else None,
        "revision": option(arguments, "revision"),
        "files_sha256": None,
        "folder": folder,
    }


def listing_sha256(folder: Path | None) -> str | None:
    """Identity of a model folder's files by name, size and time: reading them would warm the page cache."""
    if folder is None:
        return None
    stats = [(path.name, path.stat()) for path in sorted(folder.iterdir()) if path.is_file()]
    lines = "".join(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n" for name, stat in stats)
    return hashlib.sha256(lines.encode()).hexdigest()
