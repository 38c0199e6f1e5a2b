"""The files of a model folder: which count, their hashes, and the manifest that says what they must be.

A manifest is written last, so its existence means that the folder was complete once; the hashes say whether it still
is. Files that count are the visible files directly in the folder: that is where the engine reads from (a hub download
adds hidden folders, and sometimes the original weights in a subfolder that no engine opens).
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import HarnessError

Facts = dict[str, Any]  # one file: {"bytes", "sha256"}, for real weights also "mtime_ns"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def model_file_names(folder: Path, besides: str = "") -> list[str]:
    """Names of the files that count, sorted, without the one called ``besides``."""
    return sorted(p.name for p in folder.iterdir() if p.is_file() and p.name[0] != "." and p.name != besides)


def combined_sha256(files: Mapping[str, Facts]) -> str:
    """One hash over names and contents: the identity of a model's files."""
    lines = "".join(f"{name}\0{files[name]['sha256']}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def read_manifest(path: Path) -> Facts:
    """Read a manifest.

    Raises:
        HarnessError: it is not one; says how to have it made again.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        well_formed = all({"bytes", "sha256"} <= facts.keys() for facts in document["files"].values())
    except (ValueError, TypeError, KeyError, AttributeError):
        well_formed = False
    if not well_formed:
        raise HarnessError(f"{path}: not a manifest of model files; delete it to have it made again")
    return dict(document)


def verify(folder: Path, names: list[str], files: Mapping[str, Facts], cure: str) -> dict[str, Facts]:
    """Compare ``names``, the files in ``folder``, with the ``files`` of its manifest; return their present facts.

    A file whose manifest has the modification time is taken as unchanged while size and time are: real checkpoints
    have many gigabytes, and reading them at each start would cost more than the start. All others are hashed in full.

    Raises:
        HarnessError: a file is missing, added or has other content; names the first such file and ends with ``cure``.
    """
    if differing := sorted(set(names) ^ files.keys()):
        state = "is missing" if differing[0] in files else "was added by hand"
        raise HarnessError(f"{folder / differing[0]} {state}; {cure}")
    present: dict[str, Facts] = {}
    for name, facts in sorted(files.items()):
        status = (folder / name).stat()
        unchanged = facts.get("mtime_ns") == status.st_mtime_ns and facts["bytes"] == status.st_size
        if not unchanged and file_sha256(folder / name) != facts["sha256"]:
            raise HarnessError(f"{folder / name} was changed by hand (its sha256 is not the recorded one); {cure}")
        present[name] = facts | {"mtime_ns": status.st_mtime_ns} if "mtime_ns" in facts else facts
    return present


def describe(folder: Path, names: list[str], with_time: bool) -> dict[str, Facts]:
    """Size and hash of each file, with the modification time where ``verify`` may rely on it."""
    facts: dict[str, Facts] = {}
    for name in names:
        status = (folder / name).stat()
        facts[name] = {"bytes": status.st_size, "sha256": file_sha256(folder / name)}
        if with_time:
            facts[name]["mtime_ns"] = status.st_mtime_ns
    return facts
