import json
from pathlib import Path

import pytest

from harness.analyse.dataset import TOTAL
from harness.analyse.recorded_sweep import read_sweep
from harness.errors import HarnessError
from tests.paper_sweep import paper_side, write_sweep
from tests.synthetic_recording import CACHED_START, LABELS, write_recording


def test_a_sweep_of_result_files_is_what_was_recorded(tmp_path: Path) -> None:
    (side,) = read_sweep(write_sweep(tmp_path / "sweep", "10", "gpu1")).sides
    recorded = {case.model: case for case in paper_side("10", "gpu1").cases}
    assert {case.model for case in side.cases} == set(recorded)
    for case in side.cases:
        assert case.values(TOTAL) == recorded[case.model].values(TOTAL)


def test_logs_are_read_where_no_result_file_lists_them(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "a")
    listed = read_sweep(recording).sides
    for results in recording.rglob("comparison_results.json"):
        results.unlink()
    assert read_sweep(recording).sides == listed


def test_a_model_of_another_label_is_found_by_the_name_in_its_log(tmp_path: Path) -> None:
    folder = tmp_path / "iterations" / "1"
    folder.mkdir(parents=True)
    line = "INFO 03-04 05:06:12.000 [core.py:1] Initializing an engine with config: model='/data/Yi-6B', dtype=x\n"
    (folder / "output_model_renamed.txt").write_text(CACHED_START + line)
    (folder / "output_model_other.txt").write_text(CACHED_START)
    assert read_sweep(tmp_path).entries == {"renamed": "yi-6b"}


def test_what_a_file_does_not_state_is_absent(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a", repeats=1) / "iterations" / "1" / "comparison_results.json"
    document = json.loads(path.read_text())
    document["data"]["tokenizer_init"] = [None, float("nan")]
    path.write_text(json.dumps(document))
    (side,) = read_sweep(tmp_path / "a").sides
    assert [case.values("tokenizer_init") for case in side.cases] == [[], []]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": ["../../etc/passwd"]}, "label 1 is no file name"),
        ({"labels": [*LABELS, "output_model_third.txt"]}, "has no value for label 3"),
        ({"data": {"load_weights": ["1", "2"]}}, "'load_weights' of label 1 is no number"),
        ({"data": []}, "no object 'data'"),
    ],
)
def test_a_damaged_result_file_is_one_line_that_names_it(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = write_recording(tmp_path / "a", repeats=1) / "iterations" / "1" / "comparison_results.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(HarnessError, match=said) as error:
        read_sweep(tmp_path / "a")
    assert str(path) in str(error.value)


def test_a_recording_without_a_start_is_refused(tmp_path: Path) -> None:
    (tmp_path / "iterations" / "1").mkdir(parents=True)
    with pytest.raises(HarnessError, match="no start in it"):
        read_sweep(tmp_path)
