"""``python3 harness reparse``: what it prints for people and programs, and how it ends."""

import json
from functools import partial
from pathlib import Path

import pytest

from tests.beside import RECORDED
from tests.checkout import Call
from tests.synthetic_recording import LABELS, write_recording


@pytest.fixture
def call(typed: Call) -> Call:
    return partial(typed, "reparse")


def test_a_recording_that_agrees_with_its_logs_ends_well(call, tmp_path: Path) -> None:
    write_recording(tmp_path / "a")
    done = call(tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out == "5 result files: 180 values match, 0 differ, 0 missing\n"


def test_programs_get_the_promised_keys_on_the_last_line_whatever_was_found(call, tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "a")
    (recording / "iterations" / "1" / LABELS[0]).unlink()
    done = call(tmp_path, "--json")
    assert done.code == 1
    document = json.loads(done.out.splitlines()[-1])
    assert list(document) == ["files", "matched", "different", "missing", "causes"]
    assert (document["files"], document["matched"], document["different"], document["missing"]) == (5, 144, 0, 36)
    assert document["causes"][0].startswith("36 × a label without a log; ")
    assert document["causes"][0] in done.err


def test_results_of_nothing_are_no_success(call, tmp_path: Path) -> None:
    (tmp_path / "comparison_results.json").write_text('{"labels": [], "data": {}}')
    done = call(tmp_path)
    assert done.code == 1
    assert done.out == "1 result files: 0 values match, 0 differ, 0 missing\n"


def test_what_holds_no_recording_is_wrong_use(call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, error in (
        (tmp_path, "no comparison_results.json or avg_comparison_results.json"),
        (tmp_path / "absent", "no such folder"),
        (tmp_path / "file", "is a file; for one log: python3 harness parse-log FILE"),
    ):
        done = call(path, "--json")
        assert done.code == 2
        assert error in done.error
        assert error in json.loads(done.out)["error"]


def test_every_value_that_the_paper_recorded_is_what_its_logs_say(call) -> None:
    done = call(RECORDED.need(), "--json")
    assert done.code == 0
    document = json.loads(done.out)
    assert document["matched"] >= 13_824 + 2_304
    assert (document["different"], document["missing"], document["causes"]) == (0, 0, [])
