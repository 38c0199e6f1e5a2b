"""What a page needs to explore runs."""

from pathlib import Path

import pytest

from harness.analyse import explorer
from harness.analyse.explorer import document, explored, meanings
from harness.analyse.known_runs import run_of_store
from harness.analyse.timeline import Piece
from tests.synthetic_run import make_run

PLACE = Path("runs/node/cold_start/case-1/1")
PIECES = [
    Piece(0.0, 2.0, "imports:main", "main"),
    Piece(2.0, 2.0005, "unattributed", "main"),
    Piece(2.0005, 3.0, "load_weights", "worker"),
]


def test_pieces_are_numbers_that_point_into_tables_of_names():
    run = explored(run_of_store(make_run(), PLACE, PIECES), ["an import", None, "Loader.load"])
    assert run is not None
    told = document([run], meanings(), {"load_weights": "load"})
    (only,) = told["runs"]
    names = [
        (told["phases"][phase][0], told["roles"][role], told["hooks"][hook])
        for _, _, phase, role, hook in only["pieces"]
    ]
    assert names == [
        ("imports:main", "main", "an import"),
        ("unattributed", "main", ""),
        ("load_weights", "worker", "Loader.load"),
    ]
    assert [piece[:2] for piece in only["pieces"]] == [[0, 20_000], [20_000, 5], [20_005, 9_995]]
    assert told["phases"][2][1:] == ["read the checkpoint and copy it into the model", "load"]


def test_a_run_without_a_timeline_is_drawn_from_its_sums_in_the_usual_order():
    run = explored(run_of_store(make_run(), PLACE, []))
    assert run is not None
    assert not run.ordered
    assert [(piece.phase, piece.process) for piece in run.pieces] == [
        ("imports:main", "main"),
        ("unattributed", "main"),
        ("load_weights", "worker"),
    ]
    assert run.pieces[-1].end_s == pytest.approx(3.0)


def test_a_run_that_never_was_ready_has_nothing_to_explore():
    assert explored(run_of_store(make_run(status="failed"), PLACE, [])) is None


def test_where_there_are_too_many_pieces_the_short_ones_are_left_out_and_that_is_said(monkeypatch: pytest.MonkeyPatch):
    run = explored(run_of_store(make_run(), PLACE, PIECES))
    assert run is not None
    assert document([run], {}, {})["left_out_below_s"] is None
    monkeypatch.setattr(explorer, "MOST_PIECES", 2)
    told = document([run], {}, {})
    assert told["left_out_below_s"] == 0.001
    assert len(told["runs"][0]["pieces"]) == 2
