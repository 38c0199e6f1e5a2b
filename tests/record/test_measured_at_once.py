"""Slots that were measured at once on two GPUs of one machine (``run_figure.sh 10 --parallel``)."""

from typing import Any

from harness.record.agreement import disagreements
from harness.record.slotfacts import AT_ONCE
from tests.synthetic_slot import synthetic


def slot(name: str, parallel: bool = True, **node: Any) -> dict[str, Any]:
    _, manifest = synthetic(2, slot=name, figure="10")
    manifest["node"] |= {"gpu_uuids": [f"GPU-{name}"], "gpus": ["NVIDIA L40S"], **node}
    if parallel:
        manifest["cases"][0]["parameters"]["parallel"] = AT_ONCE
    return {**manifest, "files": [{"name": "data.csv"}]}


def test_two_that_were_measured_at_once_on_one_machine_make_a_figure() -> None:
    assert disagreements([slot("gpu0"), slot("gpu1")], "gpu") == []


def test_two_that_were_each_measured_beside_another_one_do_not() -> None:
    (line,) = disagreements([slot("gpu0"), slot("gpu1", cpus=[2, 3])], "gpu")
    assert line.startswith("machines of slots measured at once on one machine differ: gpu0 has ")


def test_one_that_was_measured_alone_is_no_other_half() -> None:
    (line,) = disagreements([slot("gpu0"), slot("gpu1", parallel=False)], "gpu")
    assert line == ("values of parallel of llama3-3b differ: gpu0 has measured at once on one machine, gpu1 has none")
