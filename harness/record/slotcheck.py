"""What must hold of a slot's manifest and files before anything in them is believed (they come from other machines)."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.record import bounded
from harness.record.plain import is_name, printable
from harness.record.runcheck import KINDS as KINDS
from harness.record.runcheck import MAX_MARK as MAX_MARK
from harness.record.runcheck import MAX_MARKS as MAX_MARKS
from harness.record.runcheck import MAX_SECONDS, is_gpus, is_graph, is_output
from harness.record.runcheck import STATUSES as STATUSES

SOURCES = ("span", "log", "paper")

MAX_CASES, MAX_RUNS, MAX_FILES, MAX_TEXT = 64, 10_000, 64, 10_000

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
# Facts that figures use where they are there.
_FACTS = {"cpu_model": str, "cpus": list, "memory_bytes": int, "gpus": list, "gpu_uuids": list}
_MODEL = {"name": str, "twin": bool}
_ENGINE = {"pin": str, "version": str}
_MORE = {"counts": bool, "round": str, "graph": dict, "output": dict, "marks": list, "gpus": list}  # of a run
_FILE = {"name": str, "columns": list, "units": dict, "sha256": str}
_GAP = {"engine": str, "version": str, "reason": str}
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.csv")  # no folder part: a slot never reaches outside itself
_NODE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # stored and shown under it: never a path


class SlotError(ValueError):
    """A slot folder breaks the contract, or cannot be read or written. The message is one printable line."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class ForeignSlotError(SlotError):
    """The slot in this place was made on another node; it must not be overwritten."""


def check_manifest(document: Any, where: str) -> dict[str, Any]:
    """``document`` as a manifest of schema 1; raises SlotError naming the first field that is wrong."""
    version = document.get("schema_version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > 1:
        raise SlotError(f"{where}: schema_version {version} is newer than this program (1); update it")
    manifest = _fields(document, _MANIFEST, where)
    if type(version) is not int or version != 1:
        raise SlotError(f"{where}: schema_version must be 1 (got {version!r:.40})")
    _check_size(manifest, where)
    _fields(manifest["node"], {"id": str}, f"{where}: node")
    _fields(manifest["node"], _FACTS, f"{where}: node", optional=True)
    for number, case in enumerate(manifest["cases"]):
        _fields(case, _CASE, f"{where}: cases[{number}]")
        _fields(case["model"], _MODEL, f"{where}: cases[{number}].model", optional=True)
        _fields(case["engine"], _ENGINE, f"{where}: cases[{number}].engine", optional=True)
        state = case.get("state", {})
        if not isinstance(state, dict) or not all(isinstance(value, str) for value in state.values()):
            raise SlotError(f"{where}: cases[{number}].state must be an object of texts")
    cases = {case["case"] for case in manifest["cases"]}
    for number, run in enumerate(manifest["runs"]):
        _fields(run, _RUN, f"{where}: runs[{number}]")
        _fields(run, _MORE, f"{where}: runs[{number}]", optional=True)
        for key, known in (("case", cases), ("kind", KINDS), ("status", STATUSES)):
            if run[key] not in known:
                raise SlotError(f"{where}: runs[{number}].{key} is unknown (got {run[key][:80]!r})")
        if run.get("graph") is not None and not is_graph(run["graph"]):
            raise SlotError(f"{where}: runs[{number}].graph must have nodes and code_bytes, both above 0")
        _check_marks(run.get("marks") or [], f"{where}: runs[{number}].marks")
        if not is_gpus(run.get("gpus") or []):
            raise SlotError(f"{where}: runs[{number}].gpus must be objects with name, uuid and not_told")
        first_token_s = run.get("first_token_s")
        if first_token_s is not None and not _is_duration(first_token_s):
            raise SlotError(f"{where}: runs[{number}].first_token_s must be seconds (got {str(first_token_s)[:40]!r})")
        if run.get("output") is not None and not is_output(run["output"]):
            raise SlotError(f"{where}: runs[{number}].output must have token_ids, a list of numbers")
    for number, entry in enumerate(manifest["files"]):
        _fields(entry, _FILE, f"{where}: files[{number}]")
        if not _FILE_NAME.fullmatch(entry["name"]):
            raise SlotError(f"{where}: files[{number}].name is not a plain CSV name (got {entry['name'][:80]!r})")
    if len(cases) != len(manifest["cases"]):
        raise SlotError(f"{where}: cases lists a case twice")
    if len({(run["case"], run["run"]) for run in manifest["runs"]}) != len(manifest["runs"]):
        raise SlotError(f"{where}: runs lists a run twice")
    _fields(manifest, {"gaps": list}, where, optional=True)
    for number, gap in enumerate(manifest.get("gaps") or ()):
        _fields(gap, _GAP, f"{where}: gaps[{number}]")
    names = [entry["name"] for entry in manifest["files"]]
    if "data.csv" not in names or len(set(names)) != len(names):
        raise SlotError(f"{where}: files does not list data.csv, or lists a file twice")
    return manifest


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """The bytes of a regular file (no link, no device) of at most ``max_bytes``, else SlotError."""
    try:
        return bounded.read_bounded(path, max_bytes)
    except FileNotFoundError:
        raise SlotError(f"{path}: no such file; a slot folder holds data.csv and manifest.json") from None
    except OSError as error:
        raise SlotError(f"{path}: cannot read: {error.strerror}") from None
    except bounded.UnreadableError as error:
        raise SlotError(f"{path}: {error}") from None


def _check_size(manifest: Mapping[str, Any], where: str) -> None:
    """Every text of the manifest may end in a title, a table or a caption, and every case is a panel of a figure."""
    for name, most in (("cases", MAX_CASES), ("runs", MAX_RUNS), ("files", MAX_FILES), ("gaps", MAX_CASES)):
        if isinstance(manifest.get(name), list) and len(manifest[name]) > most:
            raise SlotError(f"{where}: {len(manifest[name])} {name}, a slot has at most {most}")
    for text in _texts(manifest):
        if len(text) > MAX_TEXT or not text.isprintable():
            raise SlotError(f"{where}: holds text that cannot be printed: {printable(text, 60)}")
    for name in (manifest["figure"], manifest["slot"], manifest["node"].get("id")):
        if isinstance(name, str) and not is_name(name):
            raise SlotError(f"{where}: {printable(name, 60)!r} is no name")
    node = manifest["node"].get("id")
    if isinstance(node, str) and not _NODE_ID.fullmatch(node):
        raise SlotError(f"{where}: node: {printable(node, 60)!r} is no node's id (letters, digits, dots and dashes)")


def _is_duration(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= MAX_SECONDS


def _check_marks(marks: list[Any], where: str) -> None:
    """Lines ``kind: detail`` of what disturbed a run."""
    if len(marks) > MAX_MARKS:
        raise SlotError(f"{where}: {len(marks)} of them, a run has at most {MAX_MARKS}")
    for mark in marks:
        if not isinstance(mark, str) or not is_name(mark, MAX_MARK):
            raise SlotError(f"{where} must be short lines (got {printable(repr(mark), 60)})")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _fields(document: Any, shape: Mapping[str, type], where: str, optional: bool = False) -> dict[str, Any]:
    """``document`` as an object with these fields; ``optional``: those that are absent or null are fine."""
    if not isinstance(document, dict):
        raise SlotError(f"{where}: expected an object, got {type(document).__name__}")
    for key, kind in shape.items():
        value = document.get(key)
        if optional and value is None:
            continue
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            found = type(value).__name__ if key in document else "nothing"
            raise SlotError(f"{where}: {key} must be {kind.__name__} (got {found})")
    return document
