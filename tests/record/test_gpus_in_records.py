"""Facts of GPUs come with records from anywhere: what is none is refused, in run.json and in a slot's manifest."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.record.gpu import reasons_of
from harness.record.run import RunFileError, read_run
from harness.record.runcheck import MAX_GPUS
from harness.record.slot import read_slot, write_slot
from harness.record.slotcheck import SlotError
from tests.sampled_slot import RUNS, sampled
from tests.synthetic_run import make_run

GPU: dict[str, Any] = {"name": "NVIDIA H200", "uuid": "GPU-0", "not_told": {"ecc": "no permission"}, "ecc": None}
NONE_OF_ITS = [
    {},
    [GPU, "GPU-1"],
    [{**GPU, "name": "\x1b[2J"}],
    [{**GPU, "uuid": 7}],
    [{name: value for name, value in GPU.items() if name != "not_told"}],
    [{**GPU, "not_told": {"ecc": None}}],
    [{**GPU, "not_told": ["ecc"]}],
    [GPU] * (MAX_GPUS + 1),
]


def test_facts_are_read_as_they_were_written(tmp_path: Path) -> None:
    make_run("1", gpus=[GPU, GPU]).write(tmp_path)
    assert read_run(tmp_path).gpus == [GPU, GPU]


@pytest.mark.parametrize("gpus", NONE_OF_ITS)
def test_what_is_no_fact_of_a_gpu_is_refused_in_a_run(tmp_path: Path, gpus: Any) -> None:
    make_run("1").write(tmp_path)
    document = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**document, "gpus": gpus}))
    with pytest.raises(RunFileError, match="gpus has a value that cannot be"):
        read_run(tmp_path)


@pytest.mark.parametrize("gpus", [NONE_OF_ITS[1], *NONE_OF_ITS[3:]])  # what cannot be printed is written harmless
def test_what_is_no_fact_of_a_gpu_is_refused_in_a_slot(tmp_path: Path, gpus: Any) -> None:
    rows, manifest, tables = sampled(runs=RUNS[:1], gpus=1)
    manifest["runs"][0]["gpus"] = gpus
    with pytest.raises(SlotError, match=r"runs\[0\].gpus must be"):
        write_slot(tmp_path / "node0", rows, manifest, tables)


def test_a_sample_of_a_run_that_the_slot_does_not_have_is_refused(tmp_path: Path) -> None:
    rows, manifest, tables = sampled(runs=RUNS[:1], gpus=1)
    write_slot(tmp_path / "node0", rows, manifest, tables)
    assert "gpu.csv" in read_slot(tmp_path / "node0").tables
    more = tables["gpu.csv"] + tables["gpu.csv"].splitlines()[1].replace(b"warmup-0,warmup", b"9,measured") + b"\n"
    with pytest.raises(SlotError, match=r"gpu.csv: manifest.json has no measured run 9"):
        write_slot(tmp_path / "node1", rows, manifest, {**tables, "gpu.csv": more})


def test_reasons_are_words_and_unknown_ones_are_numbers() -> None:
    assert reasons_of(0) == []
    assert reasons_of(0x44) == ["power cap", "hardware thermal slowdown"]
    assert reasons_of(0x1000) == ["reason 0x1000"]
