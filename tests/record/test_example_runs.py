"""The stores of every schema version that ever was: they open, and say what they said when they were written."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.analyse.cores import sampled_starts
from harness.analyse.graph import graph_size
from harness.analyse.logs import parse_log
from harness.analyse.partition import partition
from harness.analyse.phases import UNATTRIBUTED
from harness.analyse.spans import read_processes
from harness.analyse.timeline import Piece, phase_seconds
from harness.analyse.window import window_of
from harness.record.collect import CaseRuns, collect
from harness.record.logtext import read_log
from harness.record.run import SCHEMA_VERSION, Run
from harness.record.slot import read_slot
from harness.record.store import CaseStore, canonical_sha256
from harness.record.tables import TIMELINE, read_table

EXAMPLES = Path(__file__).resolve().parents[1] / "example_runs"
VERSIONS = range(1, SCHEMA_VERSION + 1)
ADDED = {
    2: {"failed_process": None, "phases_by_process": {}, "window": None, "round": None},
    3: {"graph": None},
    4: {"noise": {}, "output": None},
    5: {"gpus": []},
}
SAME_STARTS = (1, 2)  # later versions have starts of their own

every_version = pytest.mark.parametrize("version", VERSIONS)


def store_of(version: int) -> CaseStore:
    (case,) = (EXAMPLES / f"schema_{version}").glob("*/*/*")
    return CaseStore(case)


def written(store: CaseStore, run: Run) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((store.run_folder(run.session, run.run) / "run.json").read_text())
    return document


@every_version
def test_a_store_of_every_schema_version_opens(version: int) -> None:
    store = store_of(version)
    runs = store.runs()
    assert [(run.run_id, run.kind, run.counts) for run in runs] == [
        ("s1/warmup-0", "warmup", True),
        ("s1/1", "measured", True),
    ]
    assert [written(store, run)["schema_version"] for run in runs] == [version, version]
    assert {run.schema_version for run in runs} == {SCHEMA_VERSION}
    assert store.folder.name.endswith(canonical_sha256(runs[0].case)[:8])


@every_version
def test_upgrading_keeps_everything_that_was_written(version: int) -> None:
    store = store_of(version)
    for run in store.runs():
        document = written(store, run)
        added = {name: value for later, new in ADDED.items() if later > version for name, value in new.items()}
        assert {**run.__dict__, "schema_version": version} == {**document, **added}


@every_version
def test_the_records_agree_with_the_spans_and_the_log_beside_them(version: int) -> None:
    store = store_of(version)
    for run in store.runs():
        folder = store.run_folder(run.session, run.run)
        processes = read_processes(folder / "spans")
        window = window_of(run, processes)
        parts = partition(processes, window.pid, window.exec_ns, window.end_ns)
        assert parts.ready_s == run.ready_s
        assert parts.phases == run.phases
        assert parts.phases[UNATTRIBUTED] == run.unattributed_s
        assert run.phases_by_process == ({} if version < 2 else parts.by_process)
        assert run.graph == (None if version < 3 else graph_size(processes))
        assert parse_log(read_log(folder / "engine.log").text) == run.log_quantities
        assert sum(process.malformed_lines for process in processes) == 0


def test_versions_tell_the_same_of_the_same_starts(tmp_path: Path) -> None:
    slots = []
    for version in SAME_STARTS:
        store = store_of(version)
        collect("2", "node0", tmp_path / str(version), [CaseRuns(store.folder.name, store, "s1")])
        slots.append(read_slot(tmp_path / str(version)))
    assert len(slots[0].rows) > 60
    assert all(slot.rows == slots[0].rows for slot in slots)


def test_sampled_starts_of_version_3_make_a_slot_with_their_tables(tmp_path: Path) -> None:
    store = store_of(3)
    for run in store.runs():
        folder = store.run_folder(run.session, run.run)
        pieces = read_table(TIMELINE, folder / TIMELINE.name)
        assert phase_seconds(Piece(*piece) for piece in pieces) == pytest.approx(  # type: ignore[arg-type]
            {leaf: seconds for leaf, seconds in run.phases.items() if seconds}
        )
    collect("12", "node0", tmp_path / "node0", [CaseRuns(store.folder.name, store, "s1")])
    slot = read_slot(tmp_path / "node0")
    assert [start.run for start in sampled_starts(slot)] == ["warmup-0", "1"]
    assert [run["graph"] for run in slot.manifest["runs"]] == [{"nodes": 3016, "code_bytes": 271592}] * 2


@every_version
def test_an_example_is_small_and_names_no_place(version: int) -> None:
    files = [path for path in (EXAMPLES / f"schema_{version}").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 160_000
    for path in files:
        assert not any(f"/{top}/" in path.read_text() for top in ("home", "root", "tmp", "usr", "opt", "work"))
