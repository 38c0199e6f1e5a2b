"""Before a start: what disturbs is named with its limit, what can end is waited for, and what remains marks the run."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.record.plain import is_name
from harness.record.slotcheck import MAX_MARK
from harness.state import quiet, readings
from harness.state.quiet import CPU_BUSY_SHARE, Noise, look_around, wait_until_quiet
from tests.state.fake_machine import FakeMachine


def kinds(noise: Noise) -> list[str]:
    return [mark.partition(":")[0] for mark in noise.marks]


def governed(machine: FakeMachine, governor: str, driver: str) -> None:
    for cpu in range(2):
        machine.write(f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor", governor)
        machine.write(f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_driver", driver)


def heated(machine: FakeMachine, millidegrees: int) -> None:
    machine.write("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp")
    machine.write("sys/class/thermal/thermal_zone0/temp", str(millidegrees))


def used_gpu(monkeypatch: pytest.MonkeyPatch, pids: tuple[int, ...], used_gib: int) -> None:
    monkeypatch.setattr(readings, "gpu_use", lambda *_: readings.GpuUse(pids, used_gib << 30, 80 << 30))


@pytest.mark.usefixtures("machine")
def test_a_machine_that_tells_nothing_is_not_marked_and_its_facts_are_null() -> None:
    noise = look_around(sample_s=0)
    assert noise.marks == ()
    assert set(noise.facts.values()) == {None}


def test_cores_that_the_start_may_not_use_may_be_busy(machine: FakeMachine) -> None:
    def work() -> None:
        for cpu in range(4):
            machine.spend(cpu, **({"idle": 0.2} if cpu < 2 else {"user": 0.2}))

    machine.spend(0)
    machine.during_a_sleep(work)
    assert (look_around().facts["cpu_busy_share"], look_around().marks) == (0.0, ())


def test_busy_cores_are_a_mark(machine: FakeMachine) -> None:
    def work() -> None:
        machine.spend(0, user=0.1, steal=0.1)
        machine.spend(1, idle=0.2)

    machine.spend(0)
    machine.during_a_sleep(work)
    noise = look_around()
    assert noise.facts["cpu_busy_share"] == 0.5
    assert noise.marks == ("cpu: 50% of the cores busy before the start, limit 10%",)


@pytest.mark.parametrize(
    ("governor", "driver", "marked"),
    [
        ("powersave", "acpi-cpufreq", True),
        ("powersave", "intel_cpufreq", True),
        ("powersave", "amd-pstate", True),
        ("powersave", "intel_pstate", False),
        ("powersave", "amd-pstate-epp", False),
        ("performance", "acpi-cpufreq", False),
        ("schedutil", "intel_cpufreq", False),
    ],
)
def test_powersave_is_a_mark_only_where_it_holds_the_lowest_frequency(
    machine: FakeMachine, governor: str, driver: str, marked: bool
) -> None:
    governed(machine, governor, driver)
    noise = look_around(sample_s=0)
    assert noise.facts["governor"] == f"{governor} ({driver})"
    assert kinds(noise) == (["governor"] if marked else [])


@pytest.mark.parametrize(
    ("disturb", "kind"),
    [
        (lambda machine, _: heated(machine, 80_000), None),
        (lambda machine, _: heated(machine, 81_000), "temperature"),
        (lambda machine, _: machine.memory(available=3 << 30), None),
        (lambda machine, _: machine.memory(available=1 << 30), "memory"),
        (lambda machine, _: machine.memory(swapped=64 << 20), None),
        (lambda machine, _: machine.memory(swapped=65 << 20), "swap"),
        (lambda _, monkeypatch: used_gpu(monkeypatch, (), 1), None),
        (lambda _, monkeypatch: used_gpu(monkeypatch, (), 5), "gpu"),
        (lambda _, monkeypatch: used_gpu(monkeypatch, (4711,), 1), "gpu"),
        (lambda machine, _: machine.write("sys/devices/system/cpu/cpufreq/boost", "0"), None),
        (lambda machine, _: machine.write("proc/loadavg", "97.00 80.00 60.00 9/999 12345"), None),
    ],
)
def test_each_disturbance_is_a_mark_beyond_its_limit_and_none_below(
    machine: FakeMachine,
    monkeypatch: pytest.MonkeyPatch,
    disturb: Callable[[FakeMachine, pytest.MonkeyPatch], None],
    kind: str | None,
) -> None:
    disturb(machine, monkeypatch)
    assert kinds(look_around(sample_s=0)) == ([kind] if kind else [])


def test_memory_is_held_against_what_the_start_needs(machine: FakeMachine) -> None:
    machine.memory(available=6 << 30)
    assert look_around(5 << 30, 0).marks == ()
    assert look_around(7 << 30, 0).marks == ("memory: 6.00 GiB available, 7.00 GiB needed",)


def disturbed_in_every_way(machine: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    governed(machine, "powersave", "acpi-cpufreq")
    heated(machine, 95_000)
    machine.memory(available=1 << 30, swapped=1 << 30)
    used_gpu(monkeypatch, (4711,), 40)
    machine.spend(0)
    machine.during_a_sleep(lambda: machine.spend(0, user=0.2))


def test_marks_are_lines_that_a_slot_takes_and_the_record_names_no_process(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    disturbed_in_every_way(machine, monkeypatch)
    noise = look_around()
    assert sorted(kinds(noise)) == ["cpu", "governor", "gpu", "memory", "swap", "temperature"]
    assert all(is_name(mark, MAX_MARK) and ": " in mark for mark in noise.marks)
    assert "4711" not in json.dumps([noise.marks, noise.facts])


class Looks:
    """``look_around`` that sees one noise after another, the last one for ever, and takes as long as it should."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *marks: tuple[str, ...]) -> None:
        self.marks, self.now_s, self.samples_s = list(marks), 0.0, []
        monkeypatch.setattr(quiet, "look_around", self._look)
        monkeypatch.setattr(quiet, "_busiest", list)
        monkeypatch.setattr(time, "monotonic", lambda: self.now_s)

    def _look(self, needed_bytes: int, sample_s: float = quiet.SAMPLE_S, gpus: int | None = None) -> Noise:
        assert (needed_bytes, gpus) == (7, None)
        self.samples_s.append(sample_s)
        self.now_s += sample_s
        return Noise(self.marks.pop(0) if len(self.marks) > 1 else self.marks[0], {})


@pytest.mark.parametrize("marks", [(), ("governor: g", "swap: s")])
def test_what_no_waiting_cures_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, marks: tuple[str, ...]) -> None:
    looks, said = Looks(monkeypatch, marks), []
    found = wait_until_quiet(7, 60, said.append)
    assert (found.noise.marks, found.waited_s, said, len(looks.samples_s)) == (marks, 0.0, [], 1)


@pytest.mark.parametrize("kind", ["cpu", "gpu", "temperature", "memory"])
def test_what_can_end_is_waited_for_until_it_has_and_marks_nothing(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    noisy = (f"{kind}: too much", "swap: s")
    looks, said = Looks(monkeypatch, noisy, noisy, noisy, ("swap: s",)), []
    monkeypatch.setattr(readings, "gpu_use", lambda *_: None)
    found = wait_until_quiet(7, 60, said.append)
    assert (found.noise.marks, found.waited_s) == (("swap: s",), 3.0)
    assert said == [f"waiting up to 60 s for a quiet machine: {kind}: too much"]
    assert looks.samples_s[1:] == [quiet.CALM_S] * 3


@pytest.mark.parametrize(("limit_s", "announced"), [(0, 0), (0.3, 1), (2.5, 1)])
def test_noise_that_lasts_is_waited_for_no_longer_than_the_limit_and_marks_the_run(
    monkeypatch: pytest.MonkeyPatch, limit_s: float, announced: int
) -> None:
    Looks(monkeypatch, ("cpu: 90%",))
    said: list[str] = []
    found = wait_until_quiet(7, limit_s, said.append)
    assert (found.noise.marks, found.waited_s, len(said)) == (("cpu: 90%",), limit_s, announced)


def test_processes_on_the_gpus_are_named_to_the_terminal_by_pid(monkeypatch: pytest.MonkeyPatch) -> None:
    Looks(monkeypatch, ("gpu: other processes",), ())
    used_gpu(monkeypatch, (4711, 4712), 40)
    said: list[str] = []
    wait_until_quiet(7, 60, said.append)
    assert said == ["waiting up to 60 s for a quiet machine: gpu: other processes; on the GPUs: pid 4711, 4712"]


@given(name=st.text(min_size=1, max_size=15))
def test_whatever_a_process_calls_itself_is_announced_as_one_printable_line(name: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        times = iter([{}, {71: (name, 0.1)}])
        patched.setattr(readings, "process_times", lambda: next(times))
        patched.setattr(time, "sleep", lambda _: None)
        (line,) = quiet._busiest()
    assert line.isprintable()
    assert line.endswith(" (pid 71, 50% of a core)")


@pytest.fixture
def spinning(tmp_path: Path) -> Iterator[None]:
    """A process of that name which takes all it gets of the one core that this test may use."""
    before = os.sched_getaffinity(0)
    script = tmp_path / "spinning"
    script.write_text("#!/bin/sh\nwhile :; do :; done\n")
    script.chmod(0o755)
    os.sched_setaffinity(0, {max(before)})
    process = subprocess.Popen([script])
    try:
        yield
    finally:
        process.kill()
        process.wait()
        os.sched_setaffinity(0, before)


@pytest.mark.usefixtures("spinning")
@pytest.mark.alone
def test_a_real_busy_process_is_seen_waited_for_and_named() -> None:
    said: list[str] = []
    found = wait_until_quiet(0, 0.3, said.append)
    assert found.noise.facts["cpu_busy_share"] > CPU_BUSY_SHARE
    assert "cpu" in kinds(found.noise)
    assert found.waited_s > 0
    (line,) = said
    assert "busiest: " in line
    assert "spinning (pid " in line
    assert "spinning" not in json.dumps([found.noise.marks, found.noise.facts])
