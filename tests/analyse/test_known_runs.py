"""Runs of the store and of slots in one form."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.analyse.known_runs import all_runs, run_of_store, runs_of_slot
from harness.analyse.timeline import Piece
from harness.record.slot import Slot, read_slot, write_slot
from harness.record.slotcheck import SlotError
from tests.sampled_slot import sampled
from tests.synthetic_run import make_run
from tests.synthetic_slot import CASE, NODE, synthetic

PIECES = [Piece(0.0, 2.0, "imports:main", "main"), Piece(2.0, 3.0, "load_weights", "worker")]


def test_a_run_of_the_store_keeps_its_log_its_marks_and_its_timeline():
    run = make_run("1", noise={"marks": ["cpu: busy"]}, log_tail=[str(number) for number in range(100)])
    known = run_of_store(run, Path("runs/node/cold_start/case-1/1"), PIECES)
    assert (known.case, known.run_id, known.marks) == ("case-1", "s1/1", ("cpu: busy",))
    assert known.log_tail[-1] == "99"
    assert len(known.log_tail) < 100
    assert known.pieces == tuple(PIECES)
    assert known.unattributed_share == pytest.approx(0.25 / 3)


def test_pieces_that_do_not_follow_one_another_are_no_timeline():
    holes = [PIECES[0], replace(PIECES[1], begin_s=2.5)]
    assert run_of_store(make_run(), Path("a/b"), holes).pieces == ()


def test_a_slots_failed_run_has_no_seconds_and_its_sessions_name_the_runs(tmp_path: Path):
    write_slot(tmp_path / "node0", *synthetic(measured=2, bad=("failed",)))
    runs = runs_of_slot(read_slot(tmp_path / "node0"))
    assert [(run.run_id, run.status, run.counts) for run in runs] == [
        ("s1/warmup-0", "ok", True),
        ("s1/1", "ok", True),
        ("s1/2", "ok", True),
        ("s1/3", "failed", False),
    ]
    assert runs[3].ready_s is None
    assert runs[1].ready_s == pytest.approx(sum(runs[1].phases.values()))


def test_a_slots_timelines_are_read_and_damaged_ones_refused(tmp_path: Path):
    write_slot(tmp_path / "node0", *sampled())
    slot = read_slot(tmp_path / "node0")
    run = runs_of_slot(slot)[1]
    assert run.pieces[-1].end_s == pytest.approx(run.ready_s)
    lines = slot.tables["timeline.csv"].decode().splitlines()
    damaged = "\n".join([*lines[:3], *lines[4:], ""]).encode()
    with pytest.raises(SlotError, match="do not follow one another"):
        runs_of_slot(Slot(slot.rows, slot.manifest, {**slot.tables, "timeline.csv": damaged}))


def test_the_store_knows_more_than_a_slot_of_the_same_start(tmp_path: Path):
    write_slot(tmp_path / "node0", *synthetic(measured=1))
    of_slot = runs_of_slot(read_slot(tmp_path / "node0"))
    of_store = run_of_store(make_run("1", node=NODE), Path("runs/n/cold_start") / CASE / "1", PIECES)
    runs = all_runs([of_store], of_slot)
    assert [(run.run_id, run.source) for run in runs] == [("s1/warmup-0", "slot node0 of figure 2"), ("s1/1", "store")]
