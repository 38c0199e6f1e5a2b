"""What can be known of a vLLM and a model that this harness did not install: versions, identities, hooks."""

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.engine.installation import Installation
from harness.engine.twin import MANIFEST
from harness.measure.address import option


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
    """Python and torch of an interpreter; torch is None where it is not installed."""
    code = (
        "import importlib.metadata as m, platform\nprint(platform.python_version())\n"
        "print(next((d.version for d in m.distributions(name='torch')), ''))"
    )
    done = subprocess.run([str(python), "-I", "-c", code], capture_output=True, text=True, check=False)
    version, torch = [*done.stdout.splitlines(), "", ""][:2]
    return {"python": version or None, "torch": torch or None}


def _sources_sha256(vllm_dir: Path) -> str:
    """Identity of a vllm's code: a checkout or a nightly can change under one version."""
    digest = hashlib.sha256()
    found = (path for path in sorted(vllm_dir.rglob("*")) if path.suffix in (".py", ".so") and path.is_file())
    for path in found:
        digest.update(f"{path.relative_to(vllm_dir)}\0{path.stat().st_size}\0".encode())
        if path.suffix == ".py":
            digest.update(path.read_bytes())
    return digest.hexdigest()


def model_facts(arguments: Sequence[str]) -> dict[str, Any]:
    """What the command line says about the model: ``vllm serve MODEL`` or --model."""
    given = option(arguments, "model")
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
