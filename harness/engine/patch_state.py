"""Which version of a patch set is in an engine, file by file. Reads only."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.engine.patch_record import PACKAGE, RECORD, Installed, read_record
from harness.engine.patch_set import PatchSet, sha256
from harness.errors import HarnessError
from harness.spec.pin import Pin

LEFTOVER = ".coldstart-new"  # suffix of a file that was being written when its writer died

Condition = Literal["pristine", "applied", "outdated", "leftover", "foreign"]
# pristine: as the wheel has it, or not there if the patch set adds it. outdated: from an earlier version of the patch
# set. foreign: none of these, so somebody else's work.


@dataclass(frozen=True)
class PatchState:
    """The state of an engine's files towards one patch set."""

    conditions: dict[str, Condition]  # path relative to site-packages → condition
    record: Installed | None  # what the last complete application recorded

    @property
    def state(self) -> Literal["pristine", "applied", "partial", "foreign"]:
        """``partial``: interrupted, or from an earlier version of the patch set; applying it repairs both."""
        seen = set(self.conditions.values())
        if "foreign" in seen:
            return "foreign"
        if seen == {"pristine"}:
            return "pristine"
        return "applied" if seen == {"applied"} else "partial"

    def paths(self, *conditions: Condition) -> list[str]:
        """The paths in one of ``conditions``."""
        return [path for path, condition in self.conditions.items() if condition in conditions]


def installed_version(vllm_dir: Path, site: Path | None = None) -> str:
    """The version of an installed ``vllm`` package, without importing it.

    Args:
        vllm_dir: the package folder.
        site: where its dist-info lies, if not beside it (an editable checkout).

    Raises:
        HarnessError: the folder is not an installed vllm package.
    """
    if not (vllm_dir / "__init__.py").is_file():
        raise HarnessError(f"{vllm_dir}: not a vllm package folder (no __init__.py); give the folder that 'vllm' is")
    version_file = vllm_dir / "_version.py"
    if version_file.is_file():
        found = re.search(r"^__version__\s*=.*?['\"]([^'\"]+)['\"]", version_file.read_text(encoding="utf-8"), re.M)
        if found:
            return found[1]
    for info in sorted((site or vllm_dir.parent).glob("vllm*-*.dist-info")):
        return info.name.removesuffix(".dist-info").rpartition("-")[2].partition("+")[0]
    raise HarnessError(
        f"{vllm_dir}: has neither a version file nor a dist-info folder beside it: not an installed vllm"
    )


def require_version(pin: Pin, vllm_dir: Path) -> None:
    """Refuse a vllm that the pin's patch set was not made for."""
    version = installed_version(vllm_dir)
    if version != pin.vllm_version:
        raise HarnessError(
            f"{vllm_dir}: this is vllm {version}, but the patch set of pin '{pin.name}' is for {pin.vllm_version}; "
            f"choose the pin with --pin, or install the engine the pin names"
        )


def examine(patches: PatchSet, site: Path) -> PatchState:
    """Compare every file of the patch set with what is installed in ``site``, the site-packages folder."""
    added = {path: sha256(data) for path, data in patches.added().items()}
    record, record_condition = _record(site, added[RECORD])
    patched = {path: entry.patched_sha256 for path, entry in patches.files.items()}
    pristine = {path: entry.pristine_sha256 for path, entry in patches.files.items()}
    pristine = (record.pristine if record else {}) | pristine
    recorded = record.files if record else {}
    package = {f"{PACKAGE}/{file.name}" for file in (site / PACKAGE).glob("*") if file.is_file()}
    conditions: dict[str, Condition] = {}
    for path in {*pristine, *added, *recorded, *package}:
        after = patched.get(path) or added.get(path)
        conditions[path] = _condition(site / path, pristine.get(path), after, recorded.get(path))
    conditions[RECORD] = record_condition
    for folder in {(site / path).parent for path in conditions}:
        for leftover in folder.glob(f"*{LEFTOVER}"):
            conditions[leftover.relative_to(site).as_posix()] = "leftover"
    return PatchState(dict(sorted(conditions.items())), record)


def _condition(file: Path, before: str | None, after: str | None, recorded: str | None) -> Condition:
    """``before`` and ``after`` are content hashes; None means that there is no file."""
    try:
        content = sha256(file.read_bytes())
    except FileNotFoundError:
        return "pristine" if before is None else "foreign"
    if content == after:
        return "applied"
    if content == before:
        return "pristine"
    return "outdated" if content == recorded else "foreign"


def _record(site: Path, current: str) -> tuple[Installed | None, Condition]:
    try:
        record = read_record(site)
    except ValueError:
        return None, "foreign"
    if record is None:
        return None, "pristine"
    return record, "applied" if sha256((site / RECORD).read_bytes()) == current else "outdated"
