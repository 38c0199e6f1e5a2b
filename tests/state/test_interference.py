"""During a start: what others did is the machine's counters less the measured tree's and the harness's own share."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable

import pytest

from harness.record.plain import is_name
from harness.record.slotcheck import MAX_MARK
from harness.state.interference import Watch
from harness.state.quiet import Noise
from tests.state.fake_machine import FakeMachine


def kinds(noise: Noise) -> list[str]:
    return [mark.partition(":")[0] for mark in noise.marks]


@pytest.fixture
def own_cpu_s(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the CPU seconds that this process has used."""

    def use(seconds: float) -> None:
        monkeypatch.setattr(os, "times", lambda: os.times_result((seconds, 0, 0, 0, 0)))

    use(0)
    return use


def test_others_are_what_neither_the_tree_nor_the_harness_used(
    machine: FakeMachine, own_cpu_s: Callable[[float], None]
) -> None:
    machine.spend(0, user=100)
    own_cpu_s(3)
    watch = Watch()
    machine.spend(0, user=18, idle=2)
    machine.spend(1, user=6, idle=14)
    own_cpu_s(4)
    facts = watch.stop(tree_cpu_s=20).facts
    assert (facts["other_cpu_s"], facts["other_cpu_share"], facts["harness_cpu_s"]) == (3.0, 0.075, 1.0)
    assert watch.stop(tree_cpu_s=23).facts["other_cpu_s"] == 0.0
    assert watch.stop(tree_cpu_s=23.2).facts["other_cpu_s"] == 0.0  # ticks are less exact than the tree's own time


@pytest.mark.usefixtures("own_cpu_s")
def test_cores_that_the_start_may_not_use_are_told_apart(machine: FakeMachine) -> None:
    machine.spend(0)
    watch = Watch()
    for cpu in range(2):
        machine.spend(cpu, idle=10)
    for cpu in range(2, 4):
        machine.spend(cpu, user=6, idle=4)
    noise = watch.stop(0)
    assert (noise.facts["other_cpu_s"], noise.facts["other_cpu_share"]) == (0.0, 0.0)
    assert (noise.facts["elsewhere_cpu_s"], noise.facts["elsewhere_cpu_share"]) == (12.0, 0.6)
    assert noise.marks == ("other cores: 12.0 s, 60.0% of the machine's other cores' time during the start, limit 25%",)


@pytest.mark.usefixtures("own_cpu_s")
@pytest.mark.parametrize(
    ("spent", "tree_cpu_s", "marks"),
    [
        ({"user": 50, "idle": 50}, 45, []),
        ({"user": 50, "idle": 50}, 44, ["other processes"]),
        ({"user": 50, "idle": 48, "steal": 2}, 50, []),
        ({"user": 50, "idle": 47, "steal": 3}, 50, ["steal"]),
        ({"user": 50, "idle": 30, "irq": 20}, 50, []),  # interrupts are nobody's
        ({"user": 90, "steal": 10}, 50, ["other processes", "steal"]),
    ],
)
def test_each_is_a_mark_beyond_its_limit(
    machine: FakeMachine, spent: dict[str, float], tree_cpu_s: float, marks: list[str]
) -> None:
    machine.spend(0)
    watch = Watch()
    machine.spend(0, **spent)
    noise = watch.stop(tree_cpu_s)
    assert kinds(noise) == marks
    assert all(is_name(mark, MAX_MARK) for mark in noise.marks)


@pytest.mark.parametrize(("pages", "marks"), [(0, []), (1024, []), (1100, ["swap-in"])])
def test_pages_that_came_back_from_swap_are_a_mark(machine: FakeMachine, pages: int, marks: list[str]) -> None:
    machine.write("proc/vmstat", "nr_free_pages 7\npswpin 500\npgmajfault 10")
    watch = Watch()
    machine.write("proc/vmstat", f"nr_free_pages 7\npswpin {500 + pages}\npgmajfault 10000000")
    noise = watch.stop(0)
    assert noise.facts["swap_in_bytes"] == pages * resource.getpagesize()
    assert noise.facts["other_major_faults"] > 9_000_000
    assert kinds(noise) == marks


@pytest.mark.usefixtures("machine")
def test_of_a_machine_that_tells_nothing_nothing_is_said() -> None:
    noise = Watch().stop(1)
    known = {name for name, value in noise.facts.items() if value is not None}
    assert (known, noise.marks) == ({"watched_s", "harness_cpu_s"}, ())


@pytest.mark.alone
def test_a_real_busy_process_is_seen_until_it_is_said_to_be_the_measured_one() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    watch = Watch()
    subprocess.run([sys.executable, "-S", "-c", "import time\nwhile time.process_time() < 0.5: pass"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    tree_cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seen_s = watch.stop(0).facts["other_cpu_s"]
    assert seen_s > 0.4  # what else this machine does comes on top
    assert watch.stop(tree_cpu_s).facts["other_cpu_s"] <= max(0.0, seen_s - tree_cpu_s) + 0.05
