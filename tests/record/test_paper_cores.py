"""paper-cores.csv: the cores that were busy while the paper's start ran, and nothing else."""

import json
from pathlib import Path

import pytest

from harness.record.paper_cores import paper_cores_csv, read_paper_cores, recorded_cores
from harness.record.slotcheck import SlotError


def test_busy_samples_keep_time_core_and_percentage(tmp_path: Path) -> None:
    (tmp_path / "cpu_usage.json").write_text(json.dumps([[0.0, 0.0], [0, 12.5], [0.0, 0.0], [100.0, 3.1]]))
    samples = recorded_cores(tmp_path)
    assert samples == [(0.1, 1, 12.5), (0.3, 0, 100.0), (0.3, 1, 3.1)]
    path = tmp_path / "paper-cores.csv"
    path.write_bytes(paper_cores_csv(samples))
    assert path.read_text() == "time_s,core,percent\n0.1,1,12.5\n0.3,0,100.0\n0.3,1,3.1\n"
    assert read_paper_cores(path) == samples


@pytest.mark.parametrize("text", [None, "", "{}x", "[1]", '[["a"]]', "[[NaN]]", "[[101]]", "[[]]", "[[-1]]", "[[[1]]]"])
def test_a_damaged_recording_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "cpu_usage.json").write_text(text)
    with pytest.raises(SlotError, match=r"cpu_usage\.json: "):
        recorded_cores(tmp_path)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", ":1: columns must be time_s,core,percent"),
        ("time_s,core,percent\n1,2\n", ":2: not a time, a core and a percentage"),
        ("time_s,core,percent\n0.1,1,5\n0.1,x,5\n", ":3: not a time, a core and a percentage"),
        ("time_s,core,percent\n", ": no sample in it"),
        ("time_s,core,percent\n1e308,1,5\n", ":2: a time and a core from 0 on"),
        ("time_s,core,percent\nnan,1,5\n", ":2: a time and a core from 0 on"),
        ("time_s,core,percent\n1,1,500\n", ":2: a time and a core from 0 on"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "paper-cores.csv"
    path.write_text(text)
    with pytest.raises(SlotError) as raised:
        read_paper_cores(path)
    assert error in str(raised.value)
