"""A patch set as plain bytes: what applying it puts where. Nothing here touches an engine.

A patch set is
    the pin's diffs inside ``vllm/`` (none if it is hooks-only: harness/engine/hooks_only.py),
    the tracer package, copied to ``coldstart_tracer/`` in site-packages, beside ``vllm/``,
    the hook table as ``coldstart_tracer/hook_table.py``, and that of serving, if the pin has one, as
    ``coldstart_tracer/serving_table.py``,
    ``coldstart_tracer.pth``, which loads the tracer before ``import vllm``,
    ``coldstart_tracer/installed.json``, the record of all of this: with it a later version of the patch set can take an
    earlier one back.
Paths are relative to site-packages, with forward slashes.
"""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from harness.engine.patch_record import PACKAGE, RECORD, HooksOnly, Installed
from harness.errors import HarnessError
from harness.spec import pin as pins
from harness.spec.hooks import Hook, load_hooks
from harness.spec.pin import PatchedFile, Pin
from harness.spec.serving_hooks import ServingTable, load_serving_hooks

PTH = f"{PACKAGE}.pth"
PTH_TEXT = b'import os; os.environ.get("COLDSTART_TRACE_DIR") and __import__("coldstart_tracer")\n'


@dataclass(frozen=True)
class PatchSet:
    """What is installed into one engine."""

    pin: str  # whose hook table, and whose diffs
    hooks: tuple[Hook, ...]
    diffs: Mapping[str, str]  # file name → text, in the order in which they apply
    files: Mapping[str, PatchedFile]  # what the diffs change
    serving: ServingTable | None = None
    hooks_only: HooksOnly | None = None  # what is recorded where there are no diffs

    @property
    def sha256(self) -> str:
        """Identity of the patch set, part of every run's record: diffs, tracer, hook table, ``.pth``."""
        parts = {name: text.encode() for name, text in self.diffs.items()} | self._added()
        digest = hashlib.sha256()
        for name, data in sorted(parts.items()):
            digest.update(f"{name}\0{len(data)}\0".encode() + data)
        return digest.hexdigest()

    def added(self) -> dict[str, bytes]:
        """Every file that the patch set adds, in the order in which it is safe to add them: the record comes last."""
        added = self._added()
        files = {path: entry.patched_sha256 for path, entry in self.files.items()}
        record = Installed(
            pin=self.pin,
            patches_sha256=self.sha256,
            pristine={path: entry.pristine_sha256 for path, entry in self.files.items()},
            files=files | {path: sha256(data) for path, data in added.items()},
            diffs=dict(self.diffs),
            hooks_only=self.hooks_only,
        )
        return added | {RECORD: record.as_bytes()}

    def _added(self) -> dict[str, bytes]:
        tables = {"hook_table": _table(self.pin, {"HOOKS": self.hooks})}
        if self.serving is not None:
            tables["serving_table"] = _table(self.pin, {"HOOKS": self.serving.hook, "TASKS": self.serving.task})
        written = {f"{PACKAGE}/{name}.py": text for name, text in tables.items()}
        return {**tracer_sources(), **written, PTH: PTH_TEXT}


def patch_set_of(pin: Pin) -> PatchSet:
    """The full patch set of a pin. Raises HarnessError for a release, which has none."""
    if not pin.traced:
        raise HarnessError(f"engine {pin.name} is a release: it is measured as it was published, without a patch set")
    serving = load_serving_hooks(pin.serving) if pin.serving.is_file() else None
    return PatchSet(pin.name, load_hooks(pin.hooks).hook, diff_texts(pin), pin.files, serving)


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


def _table(pin: str, arrays: Mapping[str, Iterable[BaseModel]]) -> bytes:
    text = f'"""Hook table of pin {pin}, written by apply_patches.py."""\n'
    for name, entries in arrays.items():
        rows = "".join(f"    {entry.model_dump(exclude_defaults=True)!r},\n" for entry in entries)
        text += f"\n{name} = [\n{rows}]\n"
    return text.encode()


def diff_texts(pin: Pin) -> dict[str, str]:
    """File name → text of the pin's diffs, in the order in which they apply."""
    return {path.name: path.read_text(encoding="utf-8") for path in pin.diffs}


def patches_sha256(pin: Pin) -> str:
    """Identity of the pin's full patch set; of nothing for a release."""
    return patch_set_of(pin).sha256 if pin.traced else sha256(b"")


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
