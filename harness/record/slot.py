"""The slot folder: the small, self-contained view of one node's runs that a figure is drawn from and that travels.

    data.csv       tidy rows (``rows.py``); same runs → same bytes
    cores.csv, gpu.csv, timeline.csv   further tables (``tables.py``) of cases whose cores or GPUs were sampled
    manifest.json  where the numbers come from, and the sha256 of every file

Manifest (schema 1), what the caller gives:
    figure, slot
    node          {"id": hash of the machine's fingerprint, …hardware facts}
    cases         [{"case", "session", "engine": {pin, version, lock_sha256, patches_sha256}, "model": {name, revision,
                    files_sha256, twin}, "parameters": {…}}]
    runs          [{"run_id", "case", "run", "kind", "status", "graph", "output", "marks", "gpus", "run_json_sha256"}],
                    failed ones included; marks: lines "kind: detail" of what disturbed it; gpus: as in run.json
    certificates  {run_id: certificate}
    gaps          [{"engine", "version", "reason"}], of a figure over all versions: engines without a start to show
and what ``write_slot`` adds: schema_version, outcomes {status: count}, files [{name, columns, units, sha256}].
No host name, no user name, no home folder: texts are written without them, and base names stand for absolute paths.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.record.bounded import UnreadableError, parse_json
from harness.record.folder import write_folder
from harness.record.private import Names, names_here, ties, without_private
from harness.record.rows import COLUMNS, Row, from_csv, to_csv
from harness.record.slotcheck import STATUSES, ForeignSlotError, SlotError, check_manifest, read_bounded
from harness.record.tables import MAX_TABLE_BYTES, SLOT_TABLES, parse_table

# 1: first version.
SCHEMA_VERSION = 1
DATA, MANIFEST = "data.csv", "manifest.json"
_MAX_BYTES = {DATA: 16 << 20, MANIFEST: 8 << 20}


@dataclass(frozen=True)
class Slot:
    """A slot as read from its folder: rows in file order, the manifest as a JSON object, the other files by name."""

    rows: tuple[Row, ...]
    manifest: dict[str, Any]
    tables: dict[str, bytes] = field(default_factory=dict)


def write_slot(
    folder: Path, rows: Iterable[Row], manifest: Mapping[str, Any], tables: Mapping[str, bytes] | None = None
) -> None:
    """Write the slot folder under a temporary name, then put it in place in one step.

    ``tables``: further files, each one of ``SLOT_TABLES``.

    Raises:
        ForeignSlotError: ``folder`` holds a slot of another node.
        SlotError: rows or manifest break the contract, ``folder`` is something else, or it cannot be written.
    """
    folder = folder.resolve() if folder.is_symlink() else folder  # replace what the link points to, not the link
    names = names_here()
    data = to_csv(replace(row, model=without_private(row.model, names)) for row in rows)
    tables = dict(sorted((tables or {}).items()))
    text = json.dumps(_complete(manifest, data, tables, names), indent=2, allow_nan=False).encode() + b"\n"
    document = _manifest(text, f"{folder / MANIFEST}")
    _check_together(from_csv(data, f"{folder / DATA}"), document, f"{folder / DATA}")
    for name, content in tables.items():
        _check_table(name, content, document, f"{folder / name}")
    try:
        refuse_other_owner(folder, document["node"]["id"])
        write_folder(folder, {DATA: data, **tables, MANIFEST: text})
    except OSError as error:
        raise SlotError(f"{folder}: cannot write the slot: {error.strerror}") from error


def read_slot(folder: Path) -> Slot:
    """The slot in ``folder``, checked: schema, sha256, columns, finite numbers, every row's run in the manifest.

    Raises:
        SlotError: one line that names the file and what is wrong with it.
    """
    manifest = _read_manifest(folder)
    rows: list[Row] = []
    tables: dict[str, bytes] = {}
    for entry in manifest["files"]:
        path = folder / entry["name"]
        content = read_bounded(path, _MAX_BYTES.get(entry["name"], MAX_TABLE_BYTES))
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise SlotError(f"{path}: changed since it was written (sha256 differs from {MANIFEST})")
        if entry["name"] == DATA:
            rows = from_csv(content, str(path))
        else:
            _check_table(entry["name"], content, manifest, str(path))
            tables[entry["name"]] = content
    _check_together(rows, manifest, str(folder / DATA))
    return Slot(tuple(rows), manifest, tables)


def find_slots(folder: Path) -> list[Path]:
    """Slot folders of ``folder``, by name: itself if it is one, else those directly in it; half copied ones too.

    A slot that lacks one of its two files is for ``read_slot`` to refuse: overlooked, it would be a missing one.
    """
    if any((folder / name).is_file() for name in (MANIFEST, DATA)):
        return [folder]
    found = {path.parent for name in (MANIFEST, DATA) for path in folder.glob(f"*/{name}")}
    return sorted(path for path in found if not path.name.startswith("."))  # a dot: it is still being written


def _check_together(rows: list[Row], manifest: dict[str, Any], where: str) -> None:
    """Every row belongs to this slot and to one run of the manifest, and states something only once."""
    runs = {(run["case"], run["run"]): (run["kind"], run["status"]) for run in manifest["runs"]}
    sessions = {case["case"]: case["session"] for case in manifest["cases"]}
    seen = set()
    for number, row in enumerate(rows, start=2):
        key = (row.case, row.run, row.source, row.phase)
        if (row.figure, row.slot) != (manifest["figure"], manifest["slot"]):
            wanted = f"figure {manifest['figure']} {manifest['slot']}"
            raise SlotError(f"{where}:{number}: figure {row.figure} {row.slot}, but {MANIFEST} is of {wanted}")
        if runs.get((row.case, row.run)) != (row.kind, row.status):
            raise SlotError(
                f"{where}:{number}: {MANIFEST} has no {row.kind} run {row.run} ({row.status}) of {row.case}"
            )
        if row.session not in ("", sessions[row.case]):
            raise SlotError(f"{where}:{number}: session {row.session}, but the case is of {sessions[row.case]}")
        if key in seen:
            raise SlotError(f"{where}:{number}: {row.phase} of {row.case} run {row.run} is stated twice")
        seen.add(key)


def _check_table(name: str, content: bytes, manifest: dict[str, Any], where: str) -> None:
    """Every row of a known table belongs to a run of the manifest. One that this version does not know is passed on."""
    table = SLOT_TABLES.get(name)
    if table is None:
        return
    if len(content) > MAX_TABLE_BYTES:
        raise SlotError(f"{where}: {len(content)} bytes, it may have at most {MAX_TABLE_BYTES}")
    runs = {(run["case"], run["run"], run["kind"]) for run in manifest["runs"]}
    for case, run, kind in dict.fromkeys(row[:3] for row in parse_table(table, content, where)):
        if (case, run, kind) not in runs:
            raise SlotError(f"{where}: {MANIFEST} has no {kind} run {run} of {case}")


def _complete(manifest: Mapping[str, Any], data: bytes, tables: Mapping[str, bytes], names: Names) -> dict[str, Any]:
    """The manifest to write: the caller's facts without what is private, and what follows from them."""
    own = {"schema_version", "outcomes", "files"}
    given = {key: value for key, value in manifest.items() if key not in own}
    facts = without_private(given, names, ties(given))
    statuses = [run.get("status") for run in facts.get("runs", [])]
    files = [(DATA, data, COLUMNS, {"seconds": "s"})]
    files += [(name, tables[name], tuple(SLOT_TABLES[name].columns), dict(SLOT_TABLES[name].units)) for name in tables]
    return {
        "schema_version": SCHEMA_VERSION,
        **facts,
        "outcomes": {status: statuses.count(status) for status in STATUSES},
        "files": [
            {"name": name, "columns": list(columns), "units": units, "sha256": hashlib.sha256(content).hexdigest()}
            for name, content, columns, units in files
        ],
    }


def refuse_other_owner(folder: Path, node_id: str) -> None:
    """Raise ForeignSlotError if ``folder`` holds a slot of another node than ``node_id``."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    there = _read_manifest(folder)["node"]["id"]  # something that is no slot raises too: it is not ours to delete
    if there != node_id:
        raise ForeignSlotError(f"{folder}: holds a slot of {there}, this machine is {node_id}; move it away first")


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    return _manifest(read_bounded(path, _MAX_BYTES[MANIFEST]), str(path))


def _manifest(content: bytes, where: str) -> dict[str, Any]:
    try:
        document = parse_json(content)
    except UnreadableError as error:
        raise SlotError(f"{where}: {error}") from None
    return check_manifest(document, where)
