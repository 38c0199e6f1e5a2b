"""A start on a machine with GPUs: their facts, samples and marks are in the run, and in the slot that is made of it."""

import threading
from pathlib import Path

import pynvml
import pytest

from harness.analyse.gpu_use import gpu_use_by_run
from harness.measure.preparation import Surroundings
from harness.record import gpu as words
from harness.record.collect import CaseRuns, collect
from harness.record.slot import read_slot
from harness.record.tables import GPU, read_table
from tests.measure.fake_engine import FakeEngine
from tests.nvml import Error, Nvml, end_samplers, gpu, uuid_of


def quantities(fake: FakeEngine, run: str = "warmup-0") -> set[object]:
    return {quantity for _, _, quantity, _ in read_table(GPU, fake.store().run_folder("s1", run) / GPU.name)}


def test_facts_and_samples_of_the_gpus_are_in_the_run(fake: FakeEngine, nvml: Nvml) -> None:
    nvml.add(gpu(0), gpu(1))
    run = fake.start(samples=("gpu",))
    assert run.counts
    assert [facts["uuid"] for facts in run.gpus] == [uuid_of(0), uuid_of(1)]
    assert run.gpus[0]["not_told"] == {}
    assert words.SM_CLOCK in quantities(fake)
    assert run.ready_s is not None
    assert all(0 < row[0] <= run.ready_s for row in read_table(GPU, fake.folder(run) / GPU.name))  # type: ignore[operator]
    assert [mark for mark in run.marks if mark.startswith("gpu")] == []
    assert not (fake.folder(run) / "cores.csv").exists()


def test_what_made_the_gpu_slower_is_marked_and_the_run_counts(fake: FakeEngine, nvml: Nvml) -> None:
    nvml.add(gpu(0))
    nvml.say("0.nvmlDeviceGetEnforcedPowerLimit", 350_000)
    nvml.say("0.nvmlDeviceGetCurrentClocksEventReasons", pynvml.nvmlClocksEventReasonHwThermalSlowdown)
    run = fake.start(samples=("gpu",))
    assert [mark for mark in run.marks if mark.startswith("gpu")] == [
        "gpu power: GPU 0 is limited to 350 W, by default 700 W",
        "gpu throttled: GPU 0 by hardware thermal slowdown for 100.0% of the start, limit none",
    ]
    assert run.counts


def test_a_start_without_samples_has_the_facts_and_a_start_without_gpus_none(fake: FakeEngine, nvml: Nvml) -> None:
    nvml.add(gpu(0))
    run = fake.start()
    assert len(run.gpus) == 1
    assert not (fake.folder(run) / GPU.name).exists()
    assert fake.start("measured", around=Surroundings(None, None, gpus=0)).gpus == []


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_DRIVER_NOT_LOADED, pynvml.NVML_ERROR_NO_PERMISSION])
def test_a_driver_that_fails_costs_facts_and_samples_and_not_the_start(fake: FakeEngine, nvml: Nvml, code: int) -> None:
    nvml.fail(code)
    run = fake.start(samples=("gpu",))
    assert (run.counts, run.gpus, quantities(fake)) == (True, [], set())


def test_a_question_that_may_not_be_asked_is_named_in_the_run(fake: FakeEngine, nvml: Nvml) -> None:
    nvml.add(gpu(0))
    nvml.say("0.nvmlDeviceGetComputeRunningProcesses_v3", Error(pynvml.NVML_ERROR_NO_PERMISSION))
    run = fake.start()
    assert (run.gpus[0]["processes"], run.gpus[0]["not_told"]) == (None, {"processes": "no permission"})


def test_a_driver_that_hangs_does_not_hold_up_the_start(
    fake: FakeEngine, nvml: Nvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.measure.gpu_sampler.LEFT_BEHIND_S", 0.01)
    nvml.add(gpu(0))
    hangs = threading.Event()
    monkeypatch.setattr(pynvml, "nvmlDeviceGetPcieThroughput", lambda *_: hangs.wait())
    run = fake.start(samples=("gpu",))
    end_samplers(hangs)
    assert run.counts
    assert words.PCIE_RX not in quantities(fake)
    assert words.SM_CLOCK in quantities(fake)


def test_a_slot_carries_the_samples_and_the_facts(fake: FakeEngine, nvml: Nvml, tmp_path: Path) -> None:
    nvml.add(gpu(0))
    definition = {**fake.case().definition, "samples": ["gpu"]}
    for kind in ("warmup", "measured"):
        assert fake.start(kind, samples=("gpu",), definition=definition).counts
    collect("2", "node0", tmp_path / "node0", [CaseRuns(fake.case().name, fake.store(), "s1")])
    slot = read_slot(tmp_path / "node0")
    assert sorted(slot.tables) == ["gpu.csv", "timeline.csv"]
    assert [run["gpus"][0]["uuid"] for run in slot.manifest["runs"]] == [uuid_of(0)] * 2
    use = gpu_use_by_run(slot)
    assert sorted(str(run) for _, run in use) == ["1", "warmup-0"]
    assert all(set(gpus[0]) >= {words.SM_CLOCK, words.MEMORY_USED} for gpus in use.values())


def test_an_untraced_start_on_a_gpu_can_be_collected(fake: FakeEngine, nvml: Nvml, tmp_path: Path) -> None:
    nvml.add(gpu(0))
    for kind in ("warmup", "measured"):
        assert fake.start(kind, traced=False).counts
    collect("1", "node0", tmp_path / "node0", [CaseRuns(fake.case().name, fake.store(), "s1")])
    assert "gpu.csv" not in read_slot(tmp_path / "node0").tables


def test_of_eight_gpus_only_those_of_the_start_are_told_sampled_and_marked(
    fake: FakeEngine, nvml: Nvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml.add(*(gpu(index) for index in range(8)))
    for busy in range(8):
        nvml.say(f"{busy}.nvmlDeviceGetComputeRunningProcesses_v3", f"1 {4000 + busy} {1 << 30}")
        nvml.say(f"{busy}.nvmlDeviceGetCurrentClocksEventReasons", pynvml.nvmlClocksEventReasonHwThermalSlowdown)
    for idle in (2, 3):
        nvml.add(gpu(idle))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,2,0,1,4,5,6,7")
    run = fake.start(samples=("gpu",), around=Surroundings(None, (), quiet_wait_s=0.01, gpus=2))
    assert [facts["uuid"] for facts in run.gpus] == [uuid_of(3), uuid_of(2)]
    assert {number for _, number, *_ in read_table(GPU, fake.folder(run) / GPU.name)} <= {0, 1}
    assert [mark for mark in run.marks if mark.startswith("gpu")] == []
    assert run.noise["before"]["gpu_memory_bytes"] == 2 * 141 << 30
    every = fake.start("measured", around=Surroundings(None, (), quiet_wait_s=0.01))
    assert any(mark.startswith("gpu: 6 processes of others") for mark in every.marks)


def test_a_start_on_the_cpu_does_not_wait_for_gpus_and_is_not_marked_by_them(fake: FakeEngine, nvml: Nvml) -> None:
    nvml.add(gpu(0))
    nvml.say("0.nvmlDeviceGetComputeRunningProcesses_v3", f"1 4242 {1 << 30}")
    run = fake.start(around=Surroundings(None, (), quiet_wait_s=0.01, gpus=0))
    assert [mark for mark in run.marks if mark.startswith("gpu")] == []
    assert run.noise["before"]["gpu_processes"] is None
