"""Sampling the GPUs while something runs: what is kept, what is left out, and that no driver can hurt a start."""

import threading
import time
from collections.abc import Callable

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.gpu_use import gpu_use
from harness.measure import gpu_sampler
from harness.measure.gpu_sampler import GpuSamples, gpu_samples
from harness.record import gpu as words
from harness.record.tables import GPU, parse_table, table_csv
from tests.nvml import Error, Nvml, end_samplers, gpu, mig

DECISECOND = 100_000_000


def sampled(until: Callable[[GpuSamples], bool]) -> GpuSamples:
    with gpu_samples(time.monotonic_ns()) as samples:
        while not until(samples):
            time.sleep(0.01)
    return samples


def told(samples: GpuSamples) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for _, number, quantity, _ in samples.rows():
        found.setdefault(number, set()).add(quantity)
    return found


def everything(samples: GpuSamples) -> bool:
    return told(samples) == {0: set(words.QUANTITIES), 1: set(words.QUANTITIES)}


def test_every_quantity_of_every_gpu_is_sampled_in_the_units_of_its_name(nvml: Nvml) -> None:
    nvml.add(gpu(0), gpu(1))
    nvml.say("1.nvmlDeviceGetPcieThroughput.1", 21_000_000)
    nvml.say("1.nvmlDeviceGetPowerUsage", 411_600)
    rows = sampled(everything).rows()
    assert rows == sorted(rows, key=lambda row: row[0])
    values = {quantity: value for _, number, quantity, value in rows if number == 1}
    assert (values[words.PCIE_RX], values[words.PCIE_TX], values[words.POWER]) == (21e9, 0, 412)
    assert (values[words.SM_CLOCK], values[words.MEMORY_USED]) == (345, 4 << 20)
    assert parse_table(GPU, table_csv(GPU, rows), "gpu.csv") == rows


def test_what_is_not_told_leaves_no_rows_and_is_asked_once(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.add(gpu(0), gpu(1))
    nvml.say("0.nvmlDeviceGetTemperature.0", Error(pynvml.NVML_ERROR_NO_PERMISSION))
    nvml.say("0.nvmlDeviceGetPcieThroughput.0", None)
    asked = []
    real = pynvml.nvmlDeviceGetTemperature
    monkeypatch.setattr(pynvml, "nvmlDeviceGetTemperature", lambda *of: asked.append(of) or real(*of))
    samples = sampled(lambda samples: len(asked) > 3 and len(told(samples).get(0, ())) >= len(words.QUANTITIES) - 2)
    missing = {words.TEMPERATURE, words.PCIE_TX}
    assert told(samples)[0] == set(words.QUANTITIES) - missing
    assert len({id(handle) for handle, _ in asked}) == 2
    first = next(handle for handle, _ in asked)
    assert sum(handle is first for handle, _ in asked) == 1


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_INVALID_ARGUMENT, pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH])
def test_a_question_that_the_driver_does_not_know_is_asked_once(
    nvml: Nvml, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    nvml.add(gpu(0))
    nvml.say("0.nvmlDeviceGetPowerUsage", Error(code))
    nvml.say("0.nvmlDeviceGetMemoryInfo_v2", Error(code))
    asked = []
    real = pynvml.nvmlDeviceGetPowerUsage
    monkeypatch.setattr(pynvml, "nvmlDeviceGetPowerUsage", lambda of: asked.append(of) or real(of))
    samples = sampled(lambda samples: told(samples).get(0) == set(words.QUANTITIES) - {words.POWER})
    assert len(asked) == 1
    assert {value for _, _, name, value in samples.rows() if name == words.MEMORY_USED} == {604 << 20}


def test_each_answer_has_its_own_time(nvml: Nvml) -> None:
    nvml.add(gpu(0))
    for counter in (0, 1):
        nvml.say(f"0.nvmlDeviceGetPcieThroughput.{counter}.sleep", 20)
    rows = sampled(lambda samples: {words.PCIE_RX, words.PCIE_TX} <= told(samples).get(0, set())).rows()
    first = {name: time_s for time_s, _, name, _ in reversed(rows)}
    assert abs(first[words.PCIE_TX] - first[words.PCIE_RX]) >= 0.02


def test_a_gpu_that_is_lost_meanwhile_leaves_what_was_sampled_and_the_other_goes_on(nvml: Nvml) -> None:
    nvml.add(gpu(0), gpu(1))
    with gpu_samples(time.monotonic_ns()) as samples:
        while not everything(samples):
            time.sleep(0.01)
        nvml.lose("0")
        lost_s = (time.monotonic_ns() - samples._exec_ns) / 1e9
        while max(time_s for time_s, number, *_ in samples.rows() if number == 1) < lost_s + 0.2:
            time.sleep(0.01)
    assert max(time_s for time_s, number, *_ in samples.rows() if number == 0) <= lost_s


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_DRIVER_NOT_LOADED, pynvml.NVML_ERROR_NO_PERMISSION])
def test_a_driver_that_is_not_there_costs_the_samples_alone(nvml: Nvml, code: int) -> None:
    nvml.fail(code)
    with gpu_samples(time.monotonic_ns()) as samples:
        pass
    assert samples.rows() == []


def test_a_variable_that_names_no_gpu_costs_the_samples_alone(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.add(gpu(0))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    with gpu_samples(time.monotonic_ns()) as samples:
        pass
    assert samples.rows() == []


def test_a_driver_that_hangs_is_left_behind(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_sampler, "LEFT_BEHIND_S", 0.01)
    nvml.add(gpu(0))
    hangs = threading.Event()
    monkeypatch.setattr(pynvml, "nvmlDeviceGetPcieThroughput", lambda *_: hangs.wait())
    samples = sampled(lambda samples: bool(samples.rows()))
    before = samples.rows()
    end_samplers(hangs)  # the answer comes, too late
    assert samples.rows() == before


def test_of_a_part_its_own_memory_is_sampled_and_the_whole_gpus_clocks(
    nvml: Nvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml.add(gpu(0), mig(0, 0, "MIG-a"))
    nvml.say("mig0-0.nvmlDeviceGetMemoryInfo_v2", f"{16 << 30} 0 0 {5 << 30}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-a")
    wanted = set(words.QUANTITIES) - {words.UTILISATION, words.MEMORY_BUSY}  # no part of a GPU tells these
    samples = sampled(lambda samples: told(samples) == {0: wanted})
    values = {quantity: value for _, _, quantity, value in samples.rows()}
    assert (values[words.MEMORY_USED], values[words.SM_CLOCK]) == (5 << 30, 345)


def test_only_samples_until_ready_are_kept() -> None:
    samples = GpuSamples(exec_ns=7)
    for number in (1, 2, 3):
        samples.add(7 + number * DECISECOND, 0, {words.POWER: number})
    assert samples.rows(7 + 2 * DECISECOND) == [(0.1, 0, words.POWER, 1), (0.2, 0, words.POWER, 2)]


@given(values=st.lists(st.integers(0, 2), min_size=1, max_size=30))
def test_leaving_out_the_middle_of_stretches_loses_nothing(values: list[int]) -> None:
    samples = GpuSamples(exec_ns=0)
    for number, value in enumerate(values, start=1):
        samples.add(number * DECISECOND, 0, {words.SM_CLOCK: value})
    steps = gpu_use(samples.rows())[0][words.SM_CLOCK].steps()
    found = [
        next(step.value for step in steps if step.begin_s < number / 10 - 0.05 <= step.end_s)
        for number in range(1, len(values) + 1)
    ]
    assert found == values
    assert len(samples.rows()) <= len(values)
