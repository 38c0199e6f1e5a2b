"""What a container or a job leaves of the machine, by both versions of the kernel's control groups."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.state import limits
from tests.state.fake_machine import FakeMachine

GIB = 1 << 30


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    """16 GiB available, two usable cores."""
    found = FakeMachine(tmp_path, monkeypatch)
    found.write("proc/meminfo", f"MemAvailable: {16 << 20} kB")
    return found


@pytest.mark.usefixtures("machine")
def test_without_control_groups_the_machine_is_the_limit() -> None:
    assert limits.memory() == limits.Memory(16 * GIB, None)
    assert limits.cores() == 2


def test_a_container_of_4_gib_and_one_core_is_seen(machine: FakeMachine) -> None:
    machine.write("proc/self/cgroup", "0::/")
    machine.write("sys/fs/cgroup/memory.max", str(4 * GIB))
    machine.write("sys/fs/cgroup/memory.current", str(3 * GIB))
    machine.write("sys/fs/cgroup/memory.stat", f"anon 7\ninactive_file {GIB}\nactive_file {GIB}\nfile {3 * GIB}")
    machine.write("sys/fs/cgroup/cpu.max", "100000 100000")
    assert limits.memory() == limits.Memory(3 * GIB, 4 * GIB)
    assert limits.cores() == 1


def test_no_limit_is_none(machine: FakeMachine) -> None:
    machine.write("proc/self/cgroup", "0::/\n4:memory:/\n3:cpu,cpuacct:/")
    machine.write("sys/fs/cgroup/memory.max", "max")
    machine.write("sys/fs/cgroup/cpu.max", "max 100000")
    machine.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712")
    machine.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1")
    machine.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000")
    assert limits.memory() == limits.Memory(16 * GIB, None)
    assert limits.cores() == 2


def test_the_first_version_is_read_too(machine: FakeMachine) -> None:
    machine.write("proc/self/cgroup", "4:memory:/job\n3:cpu,cpuacct:/job")
    machine.write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", str(2 * GIB))
    machine.write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", str(GIB))
    machine.write("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "50000")
    machine.write("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000")
    assert limits.memory() == limits.Memory(GIB, 2 * GIB)
    assert limits.cores() == 0.5


def test_a_group_around_the_process_limits_it_too(machine: FakeMachine) -> None:
    machine.write("proc/self/cgroup", "0::/slurm/job/step")
    machine.write("sys/fs/cgroup/slurm/job/step/memory.max", "max")
    machine.write("sys/fs/cgroup/slurm/memory.max", str(8 * GIB))
    assert limits.memory() == limits.Memory(8 * GIB, 8 * GIB)


def test_a_path_that_is_not_seen_from_inside_is_the_mounted_root(machine: FakeMachine) -> None:
    machine.write("proc/self/cgroup", "4:memory:/docker/0123")
    machine.write("sys/fs/cgroup/memory/memory.limit_in_bytes", str(GIB))
    assert limits.memory().limit_bytes == GIB


@given(st.text(max_size=40), st.text(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_whatever_the_files_say_there_is_an_answer(machine: FakeMachine, first: str, second: str) -> None:
    machine.write("proc/self/cgroup", f"0::/\n{first}".replace("\0", ""))
    for name in ("memory.max", "memory.current", "memory.stat", "cpu.max"):
        machine.write(f"sys/fs/cgroup/{name}", second)
    assert limits.memory().available_bytes is not None
    assert 0 < limits.cores() <= 2
