"""What must hold of a slot's manifest and files before anything in them is believed (they come from other machines)."""

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KINDS = ("warmup", "measured")
SOURCES = ("span", "log", "paper")
STATUSES = ("ok", "failed", "timeout", "killed")

_MANIFEST = {
    "schema_version": int,
    "figure": str,
    "slot": str,
    "node": dict,
    "cases": list,
    "runs": list,
    "certificates": dict,
    "outcomes": dict,
    "files": list,
}
_CASE = {"case": str, "session": str, "engine": dict, "model": dict, "parameters": dict}
_RUN = {"run_id": str, "case": str, "run": str, "kind": str, "status": str, "run_json_sha256": str}
_FILE = {"name": str, "columns": list, "units": dict, "sha256": str}
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.csv")  # no folder part: a slot never reaches outside itself


class SlotError(ValueError):
    """A slot folder breaks the contract, or cannot be read or written. The message is one line."""


class ForeignSlotError(SlotError):
    """The slot in this place was made on another node; it must not be overwritten."""


def check_manifest(document: Any, where: str) -> dict[str, Any]:
    """``document`` as a manifest of schema 1; raises SlotError naming the first field that is wrong."""
    version = document.get("schema_version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > 1:
        raise SlotError(f"{where}: schema_version {version} is newer than this program (1); update it")
    manifest = _fields(document, _MANIFEST, where)
    if version != 1:
        raise SlotError(f"{where}: schema_version must be 1 (got {version!r})")
    _fields(manifest["node"], {"id": str}, f"{where}: node")
    for number, case in enumerate(manifest["cases"]):
        _fields(case, _CASE, f"{where}: cases[{number}]")
    cases = {case["case"] for case in manifest["cases"]}
    for number, run in enumerate(manifest["runs"]):
        _fields(run, _RUN, f"{where}: runs[{number}]")
        for key, known in (("case", cases), ("kind", KINDS), ("status", STATUSES)):
            if run[key] not in known:
                raise SlotError(f"{where}: runs[{number}].{key} is unknown (got {run[key][:80]!r})")
    for number, entry in enumerate(manifest["files"]):
        _fields(entry, _FILE, f"{where}: files[{number}]")
        if not _FILE_NAME.fullmatch(entry["name"]):
            raise SlotError(f"{where}: files[{number}].name is not a plain CSV name (got {entry['name'][:80]!r})")
    if len({(run["case"], run["run"]) for run in manifest["runs"]}) != len(manifest["runs"]):
        raise SlotError(f"{where}: runs lists a run twice")
    if "data.csv" not in [entry["name"] for entry in manifest["files"]]:
        raise SlotError(f"{where}: files does not list data.csv")
    return manifest


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """The bytes of a regular file (no link, no device) of at most ``max_bytes``."""
    try:
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode):
            raise SlotError(f"{path}: not a regular file")
        if facts.st_size > max_bytes:
            raise SlotError(f"{path}: {facts.st_size} bytes, a slot's file has at most {max_bytes}")
        return path.read_bytes()
    except FileNotFoundError:
        raise SlotError(f"{path}: no such file; a slot folder holds data.csv and manifest.json") from None
    except OSError as error:
        raise SlotError(f"{path}: cannot read: {error.strerror}") from None


def _fields(document: Any, shape: Mapping[str, type], where: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise SlotError(f"{where}: expected an object, got {type(document).__name__}")
    for key, kind in shape.items():
        if not isinstance(document.get(key), kind):
            found = type(document[key]).__name__ if key in document else "nothing"
            raise SlotError(f"{where}: {key} must be {kind.__name__} (got {found})")
    return document
