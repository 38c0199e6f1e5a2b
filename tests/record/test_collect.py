"""Runs → slot: which rows, which runs in the manifest, and the same bytes from the same store."""

import hashlib
import json
from pathlib import Path

import pytest

from harness.analyse.dataset import side_of_slot
from harness.analyse.part_means import mean_parts
from harness.analyse.parts import Part, part_rows
from harness.record.collect import CaseRuns, collect
from harness.record.slot import Slot, read_slot
from harness.record.slotcheck import ForeignSlotError, SlotError
from harness.record.store import CaseStore
from harness.record.tables import CORES, PARTS, TIMELINE, table_csv
from tests.synthetic_run import NODE, certificate, make_run, put

CASE = "tiny-00000000"


@pytest.fixture
def store(tmp_path: Path) -> CaseStore:
    """A session with every kind of run, after an older one."""
    store = CaseStore(tmp_path / "runs" / CASE)
    put(store, make_run("warmup-0", wall_s=99.0), make_run("1"))
    put(
        store,
        make_run("warmup-0", "s2", certificate=certificate(holds=False)),
        make_run("warmup-1", "s2"),
        make_run("1", "s2"),
        make_run("2", "s2", status="failed", log_quantities={"load_weights": 0.7}),
        make_run("3", "s2", certificate=certificate(holds=False)),
        make_run("4", "s2", status="timeout"),
        make_run("10", "s2", phases={"load_weights": 2.5, "unattributed": 0.5}, phases_by_process={}),
    )
    return store


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_slot_has_rows_of_runs_that_count_and_only_of_the_session(store: CaseStore, tmp_path: Path) -> None:
    collect("2", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s2")])
    rows = read_slot(tmp_path / "node0").rows
    assert list(dict.fromkeys((row.run, row.kind) for row in rows)) == [
        ("warmup-1", "warmup"),
        ("1", "measured"),
        ("10", "measured"),
    ]
    assert {(row.figure, row.slot, row.case, row.model, row.session, row.status) for row in rows} == {
        ("2", "node0", CASE, "tiny", "s2", "ok")
    }


def test_rows_hold_every_phase_and_every_log_quantity_that_was_stated(store: CaseStore, tmp_path: Path) -> None:
    collect("2", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s2")])
    rows = read_slot(tmp_path / "node0").rows
    assert {(row.source, row.phase): row.seconds for row in rows if row.run == "10"} == {
        ("span", "load_weights"): 2.5,
        ("span", "unattributed"): 0.5,
        ("log", "load_weights"): 0.7,  # graph_capturing was not logged: no row, not 0
    }


def test_runs_that_were_made_in_turns_stay_paired_and_a_server_is_called_so(tmp_path: Path) -> None:
    store = CaseStore(tmp_path / "runs" / CASE)
    case = {"model": "tiny", "parameters": {"max_model_len": 64}, "eager": True, "mode": "serve"}
    put(store, *(make_run(name, round=f"a1b2:{name}", case=case) for name in ("1", "2")))
    collect("2", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s1")])
    manifest = read_slot(tmp_path / "node0").manifest
    assert [run["round"] for run in manifest["runs"]] == ["a1b2:1", "a1b2:2"]
    assert manifest["cases"][0]["parameters"] == {"max_model_len": 64, "eager": True, "mode": "serve"}


def test_the_manifest_lists_every_run_of_the_session_with_its_outcome(store: CaseStore, tmp_path: Path) -> None:
    collect("2", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s2")])
    manifest = read_slot(tmp_path / "node0").manifest
    assert [(run["run"], run["status"], run["counts"]) for run in manifest["runs"]] == [
        ("warmup-0", "ok", False),
        ("warmup-1", "ok", True),
        ("1", "ok", True),
        ("2", "failed", False),
        ("3", "ok", False),
        ("4", "timeout", False),
        ("10", "ok", True),
    ]
    assert manifest["outcomes"] == {"ok": 5, "failed": 1, "timeout": 1, "killed": 0}
    assert manifest["node"] == NODE
    assert manifest["certificates"][f"{CASE}/s2/3"]["compile_cache"]["reason"] == "it compiled"
    assert [case["session"] for case in manifest["cases"]] == ["s2"]


def test_the_manifest_proves_which_records_it_was_made_from(store: CaseStore, tmp_path: Path) -> None:
    collect("2", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s2")])
    for run in read_slot(tmp_path / "node0").manifest["runs"]:
        record = store.run_folder("s2", run["run"]) / "run.json"
        assert run["run_json_sha256"] == hashlib.sha256(record.read_bytes()).hexdigest()


def test_the_same_store_makes_the_same_bytes(store: CaseStore, tmp_path: Path) -> None:
    cases = [CaseRuns(CASE, store, "s2")]
    collect("2", "node0", tmp_path / "a", cases)
    collect("2", "node0", tmp_path / "b", cases)
    collect("2", "node0", tmp_path / "b", cases)  # again, over itself
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_session_whose_runs_are_of_two_drivers_is_no_mean(tmp_path: Path) -> None:
    store = CaseStore(tmp_path / "runs" / CASE)
    old, new = ({**NODE, "driver_version": version} for version in ("550.54", "560.28"))
    put(store, make_run("1", node=old), make_run("2", node=new, status="failed"), make_run("3", node=old))
    collect("2", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s1")])  # what does not count is in no mean
    put(store, make_run("4", node=new))
    said = r"averaged: the NVIDIA driver was 550\.54, is 560\.28 \(runs s1/1 and s1/4\); measure anew with --again"
    with pytest.raises(SlotError, match=said):
        collect("2", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s1")])
    assert len(read_slot(tmp_path / "node0").manifest["runs"]) == 3  # the old one


def test_two_cases_are_one_slot_and_never_mix(store: CaseStore, tmp_path: Path) -> None:
    other = CaseStore(tmp_path / "runs" / "small-00000000")
    put(other, make_run("1", case={"model": "small", "parameters": {}, "eager": True}))
    collect("2", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s1"), CaseRuns("small-00000000", other, "s1")])
    slot = read_slot(tmp_path / "node0")
    assert {(row.case, row.model) for row in slot.rows} == {(CASE, "tiny"), ("small-00000000", "small")}
    assert [case["parameters"] for case in slot.manifest["cases"]] == [
        {"max_model_len": 64, "eager": False},
        {"eager": True},
    ]


def test_a_case_of_which_nothing_ran_is_not_in_the_slot(store: CaseStore, tmp_path: Path) -> None:
    nothing = CaseRuns("small-00000000", CaseStore(tmp_path / "runs" / "small-00000000"), "s1")
    collect("2", "node0", tmp_path / "node0", [nothing, CaseRuns(CASE, store, "s1")])
    assert [case["case"] for case in read_slot(tmp_path / "node0").manifest["cases"]] == [CASE]


def test_a_session_of_failed_runs_only_is_a_slot_without_rows(tmp_path: Path) -> None:
    store = CaseStore(tmp_path / "runs" / CASE)
    put(store, make_run("warmup-0", status="failed"))
    collect("2", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s1")])
    slot = read_slot(tmp_path / "node0")
    assert (slot.rows, slot.manifest["outcomes"]["failed"]) == ((), 1)


def test_nothing_to_collect_is_an_error_and_makes_no_slot(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no runs to collect for figure 2"):
        collect("2", "node0", tmp_path / "node0", [CaseRuns(CASE, CaseStore(tmp_path / "runs"), "s1")])
    assert not (tmp_path / "node0").exists()


def test_the_slot_of_another_node_is_refused_and_kept(store: CaseStore, tmp_path: Path) -> None:
    collect("2", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s2")])
    before = contents(tmp_path / "node0")
    here = CaseStore(tmp_path / "here" / CASE)
    put(here, make_run("1", node={**NODE, "id": "node-000000000002"}))
    with pytest.raises(ForeignSlotError, match="holds a slot of node-000000000001, this machine is node-000000000002"):
        collect("2", "node0", tmp_path / "node0", [CaseRuns(CASE, here, "s1")])
    assert contents(tmp_path / "node0") == before
    assert json.loads(before["manifest.json"])["node"] == NODE


def sampled_store(tmp_path: Path) -> CaseStore:
    """Two starts with tables that count, and one that does not."""
    store = CaseStore(tmp_path / "sampled" / CASE)
    case = {"model": "tiny", "parameters": {}, "eager": False, "samples": ["cores"]}
    graph = {"nodes": 30, "code_bytes": 900}
    put(store, make_run("warmup-0", case=case), make_run("1", case=case, graph=graph))
    put(store, make_run("2", case=case, certificate=certificate(holds=False)))
    for number, run in enumerate(("warmup-0", "1", "2")):
        folder = store.run_folder("s1", run)
        (folder / CORES.name).write_bytes(table_csv(CORES, [(0.1, 0, 50.0), (0.1, 1, float(number))]))
        (folder / TIMELINE.name).write_bytes(table_csv(TIMELINE, [(0.0, 3.0, "config", "main")]))
    return store


def test_tables_of_sampled_starts_that_count_become_tables_of_the_slot(tmp_path: Path) -> None:
    store = sampled_store(tmp_path)
    collect("12", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s1")])
    slot = read_slot(tmp_path / "node0")
    assert slot.tables["cores.csv"].decode().splitlines() == [
        "case,run,kind,time_s,core,percent",
        f"{CASE},warmup-0,warmup,0.1,0,50.0",
        f"{CASE},warmup-0,warmup,0.1,1,0.0",
        f"{CASE},1,measured,0.1,0,50.0",
        f"{CASE},1,measured,0.1,1,1.0",
    ]
    assert len(slot.tables["timeline.csv"].splitlines()) == 3
    listed = {entry["name"]: entry for entry in slot.manifest["files"]}
    assert list(listed) == ["data.csv", "cores.csv", "timeline.csv"]
    assert listed["cores.csv"]["units"] == {"time_s": "s since exec", "percent": "% busy"}
    assert listed["timeline.csv"]["sha256"] == hashlib.sha256(slot.tables["timeline.csv"]).hexdigest()


def test_the_manifest_has_the_size_of_each_starts_graph(tmp_path: Path) -> None:
    collect("12", "node0", tmp_path / "node0", [CaseRuns(CASE, sampled_store(tmp_path), "s1")])
    runs = read_slot(tmp_path / "node0").manifest["runs"]
    assert [run["graph"] for run in runs] == [None, {"nodes": 30, "code_bytes": 900}, None]


def test_a_sampled_start_that_lost_its_table_is_named(tmp_path: Path) -> None:
    store = sampled_store(tmp_path)
    (store.run_folder("s1", "1") / CORES.name).unlink()
    with pytest.raises(SlotError, match=r"1/cores\.csv: cannot read"):
        collect("12", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s1")])
    assert not (tmp_path / "node0").exists()


def test_starts_that_were_not_sampled_bring_no_table(store: CaseStore, tmp_path: Path) -> None:
    collect("2", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s2")])
    assert read_slot(tmp_path / "node0").tables == {}
    assert sorted(path.name for path in (tmp_path / "node0").iterdir()) == ["data.csv", "manifest.json"]


def test_what_starts_tell_of_parts_and_of_their_first_token_is_in_the_slot_and_reads_back(tmp_path: Path) -> None:
    store = CaseStore(tmp_path / "runs" / CASE)
    put(store, make_run("1"), make_run("2"), make_run("3", certificate=certificate(holds=False)), make_run("4"))
    parts = [Part("load_weights", "copy cpu to cuda", 0.5, 10, 4096, 0), Part("load_weights", "other", 0.25)]
    for name in ("1", "2", "3"):
        (store.run_folder("s1", name) / "parts.csv").write_bytes(table_csv(PARTS, part_rows(parts)))
    collect("8", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s1")])
    slot = read_slot(tmp_path / "node0")
    [case] = side_of_slot(slot, "mine", "here").cases
    assert [(repeat.run, repeat.first_token_s, repeat.parts) for repeat in case.repeats] == [
        ("1", 0.1, tuple(parts)),
        ("2", 0.1, tuple(parts)),
        ("4", 0.1, ()),  # run 3 does not count
    ]
    assert mean_parts(case, "load_weights")[0].bytes_per_s == 8192
    del slot.manifest["runs"][0]["first_token_s"]  # as older slots are
    old = side_of_slot(Slot(slot.rows, slot.manifest), "mine", "here").cases[0].repeats[0]
    assert (old.first_token_s, old.parts) == (None, ())


@pytest.mark.parametrize("seconds", [-1, "1", True, [0.1], 1e300])
def test_a_first_token_that_cannot_be_is_refused(store: CaseStore, tmp_path: Path, seconds: object) -> None:
    collect("2", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s2")])
    path = tmp_path / "node0" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["runs"][1]["first_token_s"] = seconds
    path.write_text(json.dumps(manifest))
    with pytest.raises(SlotError, match=r"runs\[1\]\.first_token_s must be seconds"):
        read_slot(tmp_path / "node0")


def test_the_manifest_has_what_each_start_answered(tmp_path: Path) -> None:
    store = CaseStore(tmp_path / "runs" / CASE)
    answer = {"token_ids": [128255, 0, 7]}
    put(store, make_run("warmup-0"), make_run("1", output=answer))
    collect("14", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s1")])
    assert [run["output"] for run in read_slot(tmp_path / "node0").manifest["runs"]] == [None, answer]
