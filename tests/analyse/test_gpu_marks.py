"""Marks of GPUs: what made a start slower than its GPU can be is said, what is unknown or usual is not."""

from typing import Any

import pytest

from harness.analyse.gpu_marks import gpu_marks
from harness.record import gpu as words
from harness.record.runcheck import is_marks

USUAL: dict[str, Any] = {
    "name": "NVIDIA H200",
    "uuid": "GPU-0",
    "power_limit_w": 700.0,
    "power_limit_default_w": 700.0,
    "graphics_clock_application_mhz": 1980,
    "graphics_clock_application_default_mhz": 1980,
    "pcie_generation": 1,  # it is idle before the start
    "pcie_generation_max": 5,
    "pcie_width": 16,
    "pcie_width_max": 16,
    "not_told": {},
}


def samples(quantity: str, *values: float, gpu: int = 0) -> list[words.Sample]:
    return [((number + 1) / 10, gpu, quantity, value) for number, value in enumerate(values)]


def test_a_usual_start_has_no_marks() -> None:
    link = samples(words.PCIE_GENERATION, 1, 1, 5, 5)
    assert gpu_marks([USUAL], [*link, *samples(words.CLOCK_REASONS, 1, 1, 0, 2)]) == []
    assert gpu_marks([USUAL], []) == []
    assert gpu_marks([], samples(words.CLOCK_REASONS, 0x40)) == []


def test_what_was_not_told_is_no_mark() -> None:
    unknown = {name: None for name in USUAL} | {"not_told": {"power_limit_w": "no permission"}}
    assert gpu_marks([unknown], []) == []


@pytest.mark.parametrize(
    ("changes", "mark"),
    [
        ({"power_limit_w": 350.0}, "gpu power: GPU 0 is limited to 350 W, by default 700 W"),
        ({"graphics_clock_application_mhz": 1410}, "gpu clock: GPU 0 is set to 1410 MHz, by default 1980 MHz"),
        ({"pcie_width": 8}, "gpu link: GPU 0 at PCIe width x8 at most, x16 is possible"),
        ({"not_told": {"ecc": "GPU is lost"}}, "gpu: GPU 0 is lost: the driver tells nothing of it"),
    ],
)
def test_limits_before_the_start_are_told_with_what_is_usual(changes: dict[str, Any], mark: str) -> None:
    marks = gpu_marks([USUAL | changes], [])
    assert marks == [mark]
    assert is_marks(marks)


def test_the_link_is_judged_by_the_best_that_was_seen() -> None:
    marks = gpu_marks([USUAL], [*samples(words.PCIE_GENERATION, 1, 3, 3), *samples(words.PCIE_WIDTH, 16, 8, 8)])
    assert marks == ["gpu link: GPU 0 at PCIe generation 3 at most, 5 is possible"]


def test_heat_is_a_mark_at_once_and_the_power_cap_only_where_it_lasts() -> None:
    hot = samples(words.CLOCK_REASONS, *[0] * 99, 0x40)
    assert gpu_marks([USUAL], hot) == [
        "gpu throttled: GPU 0 by hardware thermal slowdown for 1.0% of the start, limit none"
    ]
    capped = samples(words.CLOCK_REASONS, *[0] * 97, 4, 4, 4)
    assert gpu_marks([USUAL], capped) == []
    (mark,) = gpu_marks([USUAL], samples(words.CLOCK_REASONS, *[0] * 8, 4, 4))
    assert mark == "gpu throttled: GPU 0 by power cap for 20.0% of the start, limit 5%"


def test_marks_name_the_gpu_that_they_are_of() -> None:
    both = [USUAL, USUAL | {"power_limit_w": 1.0}]
    marks = gpu_marks(both, samples(words.CLOCK_REASONS, 0x80, gpu=1))
    assert [mark.partition(" is ")[0].partition(" by ")[0] for mark in marks] == [
        "gpu power: GPU 1",
        "gpu throttled: GPU 1",
    ]


def test_a_machine_of_many_slow_gpus_has_no_more_marks_than_a_record_holds() -> None:
    every = [USUAL | {"power_limit_w": 1.0, "graphics_clock_application_mhz": 1, "pcie_width": 1} for _ in range(16)]
    marks = gpu_marks(every, [])
    assert marks[-1] == "gpu: 32 more of this kind"
    assert is_marks(marks)


def test_sampling_on_a_gpu_without_persistence_mode_is_marked() -> None:
    off = USUAL | {"persistence_mode": False}
    (mark,) = gpu_marks([USUAL, off], [*samples(words.POWER, 70), *samples(words.POWER, 70, gpu=1)])
    assert mark.startswith("gpu persistence: GPU 1 has persistence mode off, and sampling kept it initialised")
    assert gpu_marks([off], []) == []
    assert gpu_marks([USUAL | {"persistence_mode": None}], samples(words.POWER, 70)) == []
