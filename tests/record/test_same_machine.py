"""Runs of one session can be averaged only where the machine was the same: driver, operating system, disks."""

from typing import Any

import pytest

from harness.record.same_machine import conditions, mixed, what_changed
from tests.synthetic_run import NODE, certificate, make_run

THIS = {"driver_version": "550.54", "os": "Debian 12", "storage": {"file_system": "ext4", "device_model": "Disk A"}}
MODEL = {"kind": "xfs", "device_model": "Disk M", "scheduler": "none"}


@pytest.mark.parametrize(
    ("node", "model", "said"),
    [
        ({"driver_version": "560.28"}, {}, "the NVIDIA driver was 550.54, is 560.28"),
        ({"os": "Debian 13"}, {}, "the operating system was Debian 12, is Debian 13"),
        (
            {"storage": {"file_system": "ext4", "device_model": "Disk B"}},
            {},
            "the disk of the results was Disk A, is Disk B",
        ),
        ({}, {"kind": "nfs"}, "the file system of the model was xfs, is nfs"),
        ({}, {"device_model": None}, "the disk of the model was Disk M, is None"),
        ({"python": "3.99", "swap_bytes": 1}, {"scheduler": "mq-deadline"}, None),
    ],
)
def test_what_changed_is_told_with_both_values(node: dict[str, Any], model: dict[str, Any], said: str | None) -> None:
    was, now = conditions(THIS, MODEL), conditions({**THIS, **node}, {**MODEL, **model})
    assert what_changed(was, now) == said


def test_what_a_record_does_not_state_is_not_compared() -> None:
    assert what_changed(conditions(THIS, MODEL), conditions({}, {})) is None
    assert what_changed(conditions({}, {}), conditions(THIS, MODEL)) is None


def test_runs_of_two_disks_are_mixed_and_named() -> None:
    def run(name: str, disk: str) -> Any:
        storage = {
            "declared": "ssd",
            "holds": True,
            "reason": None,
            "file_system": {"kind": "ext4", "device_model": disk},
        }
        return make_run(name, node={**NODE, **THIS}, certificate={**certificate(), "storage": storage})

    assert mixed([run("1", "A"), run("2", "A")]) is None
    assert mixed([run("1", "A"), run("2", "A"), run("3", "B")]) == (
        "the disk of the model was A, is B (runs s1/1 and s1/3)"
    )
    assert mixed([]) is None
