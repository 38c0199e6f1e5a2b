"""Which engines a figure over all versions measures."""

import pytest

from harness.errors import HarnessError
from harness.spec.pin import DEFAULT_CPU_PIN, DEFAULT_CUDA_PIN, load_pin
from harness.spec.releases import SMOKE_VERSIONS, pins_like

CPU, CUDA = load_pin(DEFAULT_CPU_PIN), load_pin(DEFAULT_CUDA_PIN)


def versions(pin, *wanted, smoke=False) -> list[str]:
    return [each.vllm_version for each in pins_like(pin, wanted, smoke)]


def test_unasked_are_the_patched_pin_and_the_releases_with_its_torch_from_the_oldest_on():
    assert versions(CPU) == ["0.27.0", "0.27.1", "0.28.0", "0.29.0", "0.30.0", "0.31.0", "0.32.0"]
    assert pins_like(CPU)[-1] == CPU


def test_a_version_with_a_patched_pin_has_no_second_engine():
    engines = pins_like(CUDA)
    assert CUDA in engines
    assert len({engine.vllm_version for engine in engines}) == len(engines)
    assert {engine.device for engine in engines} == {"cuda"}


def test_versions_are_asked_for_by_number_or_by_name_and_come_in_order():
    assert versions(CPU, "0.31.0", "vllm-0.25.1-cpu") == ["0.25.1", "0.31.0"]
    assert pins_like(CPU, [CPU.vllm_version]) == [CPU]


@pytest.mark.parametrize("wanted", ["0.99", "vllm-0.31.0-cuda", "0.6.0", ""])
def test_an_unknown_version_lists_the_known_ones_of_this_device(wanted: str):
    with pytest.raises(HarnessError, match=rf"unknown version '{wanted}' for cpu; known: 0\.10\.2, .*, 0\.32\.0$"):
        pins_like(CPU, [wanted])


@pytest.mark.parametrize("pin", [CPU, CUDA], ids=["cpu", "cuda"])
def test_a_smoke_is_of_few_versions_the_patched_one_among_them(pin):
    few = pins_like(pin, smoke=True)
    assert len(few) == SMOKE_VERSIONS
    assert pin in few
    newest = pins_like(pin)[-1]
    assert newest in few


def test_what_was_asked_for_wins_over_the_smoke():
    assert versions(CPU, "0.12.0", smoke=True) == ["0.12.0"]
