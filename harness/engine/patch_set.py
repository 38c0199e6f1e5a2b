"""The patch set of a pin as plain bytes: what applying it puts where. Nothing here touches an engine.

A patch set is
    the pin's diffs inside ``vllm/``,
    the tracer package, copied to ``coldstart_tracer/`` beside ``vllm/``,
    the pin's hook table as ``coldstart_tracer/hook_table.py``,
    ``coldstart_tracer.pth``, which loads the tracer before ``import vllm``,
    ``coldstart_tracer/installed.json``, the record of all of this: with it a later version of the patch set can take an
    earlier one back.
Paths are relative to the folder that holds ``vllm/``, with forward slashes.
"""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.errors import HarnessError
from harness.spec import pin as pins
from harness.spec.hooks import load_hooks
from harness.spec.pin import Pin

PACKAGE = "coldstart_tracer"
PTH = f"{PACKAGE}.pth"
RECORD = f"{PACKAGE}/installed.json"
PTH_TEXT = b'import os; os.environ.get("COLDSTART_TRACE_DIR") and __import__("coldstart_tracer")\n'


class Installed(BaseModel):
    """What one version of a patch set put into an engine, and how to take it back."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    pin: str
    patches_sha256: str
    pristine: dict[str, str]  # path → sha256 of a patched file before patching
    files: dict[str, str]  # path → sha256 as installed: patched and added files
    diffs: dict[str, str]  # file name → text


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


def tracer_sources() -> dict[str, bytes]:
    """The tracer package's own files."""
    folder = pins.PATCHES / "tracer" / PACKAGE
    sources = {f"{PACKAGE}/{path.name}": path.read_bytes() for path in sorted(folder.glob("*.py"))}
    if not sources:
        raise HarnessError(f"{folder}: the tracer package has no files; restore it from version control")
    return sources


def hook_table(pin: Pin) -> bytes:
    """The hook table as a module for the tracer (``HOOKS``). Order is kept, since it carries meaning."""
    hooks = [hook.model_dump(exclude_defaults=True) for hook in load_hooks(pin.hooks).hook]
    title = f'"""Hook table of pin {pin.name}, written by apply_patches.py."""\n\n'
    return (title + "HOOKS = [\n" + "".join(f"    {hook!r},\n" for hook in hooks) + "]\n").encode()


def diff_texts(pin: Pin) -> dict[str, str]:
    """File name → text of the pin's diffs, in the order in which they apply."""
    return {path.name: path.read_text(encoding="utf-8") for path in pin.diffs}


def patches_sha256(pin: Pin) -> str:
    """Identity of the patch set, part of every run's record: diffs, tracer, hook table, ``.pth``."""
    parts = {name: text.encode() for name, text in diff_texts(pin).items()} | _added(pin)
    digest = hashlib.sha256()
    for name, data in sorted(parts.items()):
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def added_files(pin: Pin) -> dict[str, bytes]:
    """Every file that the patch set adds, in the order in which it is safe to add them: the record comes last."""
    added = _added(pin)
    files = {path: entry.patched_sha256 for path, entry in pin.files.items()}
    record = Installed(
        pin=pin.name,
        patches_sha256=patches_sha256(pin),
        pristine={path: entry.pristine_sha256 for path, entry in pin.files.items()},
        files=files | {path: sha256(data) for path, data in added.items()},
        diffs=diff_texts(pin),
    )
    return added | {RECORD: (record.model_dump_json(indent=1) + "\n").encode()}


def _added(pin: Pin) -> dict[str, bytes]:
    return {**tracer_sources(), f"{PACKAGE}/hook_table.py": hook_table(pin), PTH: PTH_TEXT}


def apply_diffs(diffs: Iterable[str], contents: Mapping[str, bytes], *, reverse: bool = False) -> dict[str, bytes]:
    """Run ``diffs`` over ``contents`` (path → bytes) in a scratch folder; other paths in the diffs are left out.

    Raises:
        HarnessError: a diff does not fit, or git is missing.
    """
    with tempfile.TemporaryDirectory(prefix="coldstart-patch-") as scratch:
        root = Path(scratch).resolve()
        for path, data in contents.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
        for diff in reversed(list(diffs)) if reverse else diffs:
            _git_apply(root, diff, list(contents), reverse)
        return {path: (root / path).read_bytes() for path in contents}


def _git_apply(root: Path, diff: str, paths: list[str], reverse: bool) -> None:
    # A surrounding repository, its ignore rules, a git hook's variables or the user's configuration (autocrlf,
    # whitespace) must not change what a diff does.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {
        "GIT_CEILING_DIRECTORIES": str(root.parent),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "LC_ALL": "C",
    }
    command = ["git", "apply", "--whitespace=nowarn", *(["--reverse"] if reverse else [])]
    command += [f"--include={path}" for path in paths]
    try:
        done = subprocess.run(
            command, input=diff, cwd=root, env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise HarnessError("patching the engine needs git, which is not on PATH; install git") from None
    if done.returncode:
        reason = done.stderr.strip().splitlines()[0] if done.stderr.strip() else f"exit code {done.returncode}"
        raise HarnessError(f"a diff of the patch set does not apply: {reason}")
