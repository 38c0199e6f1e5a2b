"""The slot of a figure that is not made of starts: tables and a manifest, small, self-contained, and it travels.

    data.csv, …    the study's tables (``tables.py``); same replays → same bytes
    others         CSVs for other programs that the study puts beside them; nothing here reads them back
    manifest.json  where the numbers come from, and the sha256 of every file

Manifest (schema 1), what the caller gives:
    figure, slot, study
    node       {"id": hash of the machine's fingerprint, …hardware facts}
    cases      [{"case": name, …}], everything that a table's column ``case`` may name
    and whatever else the study says of its data
and what is added: schema_version, files [{name, columns, units, sha256}]. A slot of starts is ``slot.py``'s.
No host name, no user name, no home folder: texts are written without them, and base names stand for absolute paths.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.record.bounded import UnreadableError, parse_json
from harness.record.folder import write_folder
from harness.record.plain import is_name
from harness.record.private import names_here, ties, without_private
from harness.record.slotcheck import ForeignSlotError, SlotError, read_bounded
from harness.record.tables import MAX_TABLE_BYTES, Cell, Table, parse_table, table_csv

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
_MAX_BYTES = 16 << 20
_FIELDS = {"figure": str, "slot": str, "study": str, "node": dict, "cases": list, "files": list}

Rows = Sequence[tuple[Cell, ...]]


@dataclass(frozen=True)
class StudySlot:
    """A slot as read: the manifest as a JSON object, and each table's rows by the table's name."""

    manifest: dict[str, Any]
    tables: dict[str, Rows]


def write_study_slot(
    folder: Path,
    tables: Sequence[tuple[Table, Iterable[Sequence[Cell]]]],
    manifest: dict[str, Any],
    others: Mapping[str, bytes] | None = None,
) -> None:
    """Write the slot folder under a temporary name, then put it in place in one step.

    ``others``: further CSVs by name, listed in the manifest with their sha256; they hold nobody's names already.

    Raises:
        ForeignSlotError: ``folder`` holds a slot of another node.
        SlotError: tables or manifest break the contract, ``folder`` is something else, or it cannot be written.
    """
    folder = folder.resolve() if folder.is_symlink() else folder  # replace what the link points to, not the link
    kinds = [table for table, _ in tables]
    files = {table.name: table_csv(table, rows) for table, rows in tables}
    facts = without_private(manifest, names_here(), ties(manifest))
    entries = [_entry(table, files) for table in kinds]
    entries += [_other_entry(name, content) for name, content in sorted((others or {}).items())]
    document = {"schema_version": SCHEMA_VERSION, **facts, "files": entries}
    files |= others or {}
    files[MANIFEST] = json.dumps(document, indent=1, allow_nan=False).encode() + b"\n"
    _parsed(files, kinds, str(manifest["study"]), folder)
    try:
        _refuse_other_owner(folder, document["node"]["id"])
        write_folder(folder, files)
    except OSError as error:
        raise SlotError(f"{folder}: cannot write the slot: {error.strerror}") from error


def read_study_slot(folder: Path, tables: Sequence[Table], study: str) -> StudySlot:
    """The slot in ``folder``, checked: schema, study, sha256, every cell, every row's case in the manifest.

    Raises:
        SlotError: one line that names the file and what is wrong with it.
    """
    files = {MANIFEST: read_bounded(folder / MANIFEST, _MAX_BYTES)}
    manifest = _manifest(files[MANIFEST], str(folder / MANIFEST))
    sums = {entry["name"]: entry["sha256"] for entry in manifest["files"]}
    for table in tables:
        path = folder / table.name
        files[table.name] = read_bounded(path, MAX_TABLE_BYTES)
        if hashlib.sha256(files[table.name]).hexdigest() != sums.get(table.name):
            raise SlotError(f"{path}: changed since it was written (sha256 differs from {MANIFEST})")
    return _parsed(files, tables, study, folder)


def _parsed(files: Mapping[str, bytes], tables: Sequence[Table], study: str, folder: Path) -> StudySlot:
    manifest = _manifest(files[MANIFEST], str(folder / MANIFEST))
    if manifest["study"] != study:
        raise SlotError(f"{folder / MANIFEST}: of the study {manifest['study'][:80]}, not of {study}")
    cases = {case["case"] for case in manifest["cases"]}
    found: dict[str, Rows] = {}
    for table in tables:
        where = str(folder / table.name)
        rows = parse_table(table, files[table.name], where)
        if "case" in table.columns:
            at = list(table.columns).index("case")
            if unknown := next((row[at] for row in rows if row[at] not in cases), None):
                raise SlotError(f"{where}: {MANIFEST} has no case {str(unknown)[:80]!r}")
        found[table.name] = rows
    return StudySlot(manifest, found)


def _entry(table: Table, files: Mapping[str, bytes]) -> dict[str, Any]:
    sha256 = hashlib.sha256(files[table.name]).hexdigest()
    return {"name": table.name, "columns": list(table.columns), "units": dict(table.units), "sha256": sha256}


def _other_entry(name: str, content: bytes) -> dict[str, Any]:
    columns = content.partition(b"\n")[0].decode().split(",")
    return {"name": name, "columns": columns, "units": {}, "sha256": hashlib.sha256(content).hexdigest()}


def _manifest(content: bytes, where: str) -> dict[str, Any]:
    try:
        document = parse_json(content)
    except UnreadableError as error:
        raise SlotError(f"{where}: {error}") from None
    if not isinstance(document, dict) or document.get("schema_version") != SCHEMA_VERSION:
        raise SlotError(f"{where}: no manifest of schema {SCHEMA_VERSION}")
    for name, kind in _FIELDS.items():
        if not isinstance(document.get(name), kind):
            raise SlotError(f"{where}: {name} is missing or of another type")
    wanted: list[tuple[Any, str]] = [(document["node"], "id"), *((case, "case") for case in document["cases"])]
    wanted += [(entry, key) for entry in document["files"] for key in ("name", "sha256")]
    for entry, key in wanted:
        if not isinstance(entry, dict) or not isinstance(entry.get(key), str):
            raise SlotError(f"{where}: an entry of node, cases or files lacks {key}")
    named = (document["figure"], document["slot"], document["study"], document["node"]["id"])
    if not all(is_name(name) for name in named):
        raise SlotError(f"{where}: figure, slot, study or node is no name")
    return document


def _refuse_other_owner(folder: Path, node_id: str) -> None:
    """Raise ForeignSlotError if ``folder`` holds a slot of another node than ``node_id``."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    path = folder / MANIFEST
    there = _manifest(read_bounded(path, _MAX_BYTES), str(path))["node"]["id"]  # what is no slot is not ours to delete
    if there != node_id:
        raise ForeignSlotError(f"{folder}: holds a slot of {there}, this machine is {node_id}; move it away first")
