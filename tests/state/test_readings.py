"""Facts of the machine are read where they are, and are None where they are not."""

import os
from pathlib import Path

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.state import readings
from harness.state.readings import CoreTime, GpuUse, spent
from tests.nvml import Error, Nvml, gpu
from tests.state.fake_machine import FakeMachine


@pytest.mark.usefixtures("machine")
def test_of_a_machine_that_tells_nothing_every_fact_is_absent() -> None:
    facts = [readings.memory_available_bytes(), readings.swap_used_bytes(), readings.load_1m(), readings.turbo()]
    facts += [readings.pressure_shares(), readings.temperature_c(), readings.gpu_use(), readings.event_count("pswpin")]
    assert facts == [None] * 8
    assert (readings.core_times(), readings.process_times(), readings.governors([0, 1])) == ({}, {}, [])


OLDER = (
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_INVALID_ARGUMENT,
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
)


def test_a_guests_time_counts_once(machine: FakeMachine) -> None:
    machine.spend(1, user=2, guest=3, idle=4, irq=1, steal=0.5)
    assert readings.core_times()[1] == CoreTime(work_s=5, interrupt_s=1, idle_s=4, steal_s=0.5)
    assert readings.core_times()[1].total_s == 10.5


seconds = st.builds(CoreTime, *[st.integers(0, 10**6).map(float)] * 4)
machines = st.dictionaries(st.integers(0, 5), seconds)


@given(before=machines, after=machines, cpus=st.sets(st.integers(0, 7)))
def test_what_cores_spent_is_never_negative_and_adds_up(
    before: dict[int, CoreTime], after: dict[int, CoreTime], cpus: set[int]
) -> None:
    whole = spent(before, after, cpus)
    assert min(whole.work_s, whole.interrupt_s, whole.idle_s, whole.steal_s) >= 0
    assert whole.total_s == sum(spent(before, after, [cpu]).total_s for cpu in cpus)


@given(before=machines)
def test_a_core_that_came_or_went_meanwhile_has_spent_nothing(before: dict[int, CoreTime]) -> None:
    assert spent(before, {}, before).total_s == spent({}, before, before).total_s == 0


def test_the_governor_is_that_of_the_cores_that_may_be_used(machine: FakeMachine) -> None:
    for cpu, governor in enumerate(("performance", "performance", "powersave", "schedutil")):
        machine.write(f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor", governor)
        machine.write(f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_driver", "acpi-cpufreq")
    assert readings.governors({0, 1}) == [("performance", "acpi-cpufreq")]
    assert readings.governors({1, 2}) == [("performance", "acpi-cpufreq"), ("powersave", "acpi-cpufreq")]


@pytest.mark.parametrize(
    ("file", "text", "on"),
    [
        ("intel_pstate/no_turbo", "0", True),
        ("intel_pstate/no_turbo", "1", False),
        ("cpufreq/boost", "1", True),
        ("cpufreq/boost", "0", False),
    ],
)
def test_turbo_is_told_by_intel_as_off_and_by_others_as_on(
    machine: FakeMachine, file: str, text: str, on: bool
) -> None:
    machine.write(f"sys/devices/system/cpu/{file}", text)
    assert readings.turbo() is on


@pytest.mark.parametrize("zone", ["x86_pkg_temp", "cpu-thermal", "cpu0-thermal"])
def test_the_temperature_is_the_hottest_processors_and_no_other_parts(machine: FakeMachine, zone: str) -> None:
    for number, (kind, temp) in enumerate([("acpitz", "99000"), (zone, "41000"), (zone, "57500"), ("iwlwifi", "")]):
        machine.write(f"sys/class/thermal/thermal_zone{number}/type", kind)
        machine.write(f"sys/class/thermal/thermal_zone{number}/temp", temp)
    assert readings.temperature_c() == 57.5


def test_without_such_a_zone_the_processors_own_sensor_tells(machine: FakeMachine) -> None:
    for number, (chip, temp) in enumerate([("nvme", "70000"), ("k10temp", "44125"), ("coretemp", "not yet")]):
        machine.write(f"sys/class/hwmon/hwmon{number}/name", chip)
        machine.write(f"sys/class/hwmon/hwmon{number}/temp1_input", temp)
    assert readings.temperature_c() == 44.125


def test_pressure_is_a_share_of_those_resources_that_the_kernel_watches(machine: FakeMachine) -> None:
    machine.write("proc/pressure/cpu", "some avg10=12.34 avg60=0.36 avg300=0.13 total=6218056\nfull avg10=9.00")
    machine.write("proc/pressure/io", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0")
    assert readings.pressure_shares() == {"cpu": 0.1234, "io": 0.0}


def test_a_process_may_call_itself_whatever_it_likes(machine: FakeMachine) -> None:
    rest = "S 1 1 1 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1"
    machine.write("proc/71/stat", f"71 (a) b (c) {rest}")
    machine.write("proc/72/stat", "72 (half")
    machine.write(f"proc/{os.getpid()}/stat", f"{os.getpid()} (own) {rest}")
    machine.write("proc/self/stat", f"{os.getpid()} (own) {rest}")
    assert readings.process_times() == {71: ("a) b (c", 200 * readings.TICK_S)}


@pytest.mark.parametrize(
    ("visible", "use"),
    [
        ("0", GpuUse((11,), 4 << 20, 80 << 30)),
        ("2,1", GpuUse((21, 22), 8 << 20, 160 << 30)),
        ("", None),
    ],
)
def test_only_gpus_that_a_start_may_use_are_looked_at(
    nvml: Nvml, monkeypatch: pytest.MonkeyPatch, visible: str, use: GpuUse | None
) -> None:
    nvml.add(*(gpu(index, memory_gib=80) for index in range(3)))
    for index, processes in enumerate(("1 11 5", "2 21 5 22 5", "1 22 5")):
        nvml.say(f"{index}.nvmlDeviceGetComputeRunningProcesses_v3", processes)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert readings.gpu_use() == use


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_NO_PERMISSION])
def test_processes_that_may_not_be_seen_leave_the_memory_that_is_used(nvml: Nvml, code: int) -> None:
    nvml.add(gpu(0, memory_gib=80))
    nvml.say("0.nvmlDeviceGetComputeRunningProcesses_v3", Error(code))
    assert readings.gpu_use() == GpuUse((), 4 << 20, 80 << 30)


@pytest.mark.parametrize("code", OLDER)
def test_a_driver_that_does_not_tell_its_own_part_apart_has_it_in_what_is_used(nvml: Nvml, code: int) -> None:
    nvml.add(gpu(0, memory_gib=80))
    nvml.say("0.nvmlDeviceGetMemoryInfo_v2", Error(code))
    assert readings.gpu_use() == GpuUse((), 604 << 20, 80 << 30)


def test_of_visible_gpus_those_of_the_start_are_looked_at(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.add(*(gpu(index, memory_gib=80) for index in range(8)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,3,2")
    nvml.say("3.nvmlDeviceGetComputeRunningProcesses_v3", "1 11 5")
    used = [readings.gpu_use(count) for count in (0, 1, 2)]
    assert used == [None, GpuUse((), 4 << 20, 80 << 30), GpuUse((11,), 8 << 20, 160 << 30)]


def test_a_driver_that_does_not_tell_is_no_fault(nvml: Nvml) -> None:
    nvml.add(gpu(0), gpu(1))
    nvml.lose("1")
    assert readings.gpu_use() is None
    nvml.fail(pynvml.NVML_ERROR_NO_PERMISSION)
    assert readings.gpu_use() is None


def test_this_machine_tells_what_every_linux_does() -> None:
    assert os.sched_getaffinity(0) <= set(readings.core_times())
    available = readings.memory_available_bytes()
    assert available is not None
    assert 0 < available <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert readings.swap_used_bytes() is not None
    assert readings.load_1m() is not None
    assert os.getpid() not in readings.process_times()
    assert Path(f"/proc/{os.getppid()}/comm").read_text().strip() == readings.process_times()[os.getppid()][0]
