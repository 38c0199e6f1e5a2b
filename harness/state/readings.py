"""What the kernel and the GPU driver say of this machine now, a function for each fact; absent is None.

Virtual machines have no frequency governor and no temperature, containers may hide the rest: a fact that is not there
is no fault. Only the CPUs that this process may use (its affinity set) are meant where a function takes ``cpus``.
"""

import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pynvml

from harness.engine.detect import DriverError, gpus_of_start, nvml
from harness.state.gpu_facts import memory_used_bytes

PROC, SYS = Path("/proc"), Path("/sys")

TICK_S = 1 / os.sysconf("SC_CLK_TCK")  # /proc counts the time of cores and processes in these, 10 ms as a rule
_CPU_CHIPS = ("coretemp", "k10temp", "zenpower")  # Intel, AMD, AMD


@dataclass(frozen=True)
class CoreTime:
    """Seconds that cores spent, summed over them. Those of a guest are in ``work_s``: the kernel counts them as user.

    ``interrupt_s`` is apart because it is nobody's: a start's own reads and packets cause interrupts too.
    """

    work_s: float
    interrupt_s: float
    idle_s: float
    steal_s: float  # the hypervisor ran something else; also 0 where it does not tell

    @property
    def total_s(self) -> float:
        """All of it."""
        return self.work_s + self.interrupt_s + self.idle_s + self.steal_s


def core_times() -> dict[int, CoreTime]:
    """The time of each core of the machine since it was booted, by the core's number."""
    cores = {}
    for line in (_text(PROC / "stat") or "").splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name[3:].isdecimal() and len(fields) >= 8:
            user, nice, system, idle, iowait, irq, softirq, steal = (int(field) * TICK_S for field in fields[:8])
            cores[int(name[3:])] = CoreTime(user + nice + system, irq + softirq, idle + iowait, steal)
    return cores


def spent(before: dict[int, CoreTime], after: dict[int, CoreTime], cpus: Collection[int]) -> CoreTime:
    """What ``cpus`` spent in between; never negative, though the kernel's idle counters may step back a little."""
    pairs = [(before[cpu], after[cpu]) for cpu in cpus if cpu in before and cpu in after]
    return CoreTime(
        work_s=sum(max(0.0, new.work_s - old.work_s) for old, new in pairs),
        interrupt_s=sum(max(0.0, new.interrupt_s - old.interrupt_s) for old, new in pairs),
        idle_s=sum(max(0.0, new.idle_s - old.idle_s) for old, new in pairs),
        steal_s=sum(max(0.0, new.steal_s - old.steal_s) for old, new in pairs),
    )


def process_times() -> dict[int, tuple[str, float]]:
    """pid → name and CPU seconds of every process but this one; for messages, never for a record."""
    found = {}
    for folder in PROC.iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        begin, _, end = (_text(folder / "stat") or "").rpartition(")")  # a name may hold blanks and brackets
        fields = end.split()
        if len(fields) > 12:
            found[int(folder.name)] = begin.partition("(")[2], (int(fields[11]) + int(fields[12])) * TICK_S
    return found


def event_count(name: str) -> int | None:
    """A counter of /proc/vmstat, of the whole machine since it was booted."""
    return _table(PROC / "vmstat").get(name)


def memory_available_bytes() -> int | None:
    """What processes can get without swapping; of the machine: a container's own limit is not in it."""
    available = _table(PROC / "meminfo").get("MemAvailable:")
    return None if available is None else available << 10


def swap_used_bytes() -> int | None:
    """What lies in swap."""
    table = _table(PROC / "meminfo")
    total, free = table.get("SwapTotal:"), table.get("SwapFree:")
    return None if total is None or free is None else (total - free) << 10


def load_1m() -> float | None:
    """Mean number of runnable and disk-waiting threads, over about a minute."""
    return _number((_text(PROC / "loadavg") or "").partition(" ")[0])


def pressure_shares() -> dict[str, float] | None:
    """Share of the last 10 s in which some thread waited for cpu, io, memory; None where the kernel does not count."""
    shares = {}
    for what in ("cpu", "io", "memory"):
        first = (_text(PROC / "pressure" / what) or "").partition("avg10=")[2].partition(" ")[0]
        percent = _number(first)
        if percent is not None:
            shares[what] = round(percent / 100, 4)
    return shares or None


def governors(cpus: Collection[int]) -> list[tuple[str, str]]:
    """The frequency governors of ``cpus``, each with its driver; almost always one."""
    found = set()
    for cpu in cpus:
        folder = SYS / f"devices/system/cpu/cpu{cpu}/cpufreq"
        governor = _text(folder / "scaling_governor")
        if governor:
            found.add((governor, _text(folder / "scaling_driver") or "unknown driver"))
    return sorted(found)


def turbo() -> bool | None:
    """Whether cores may run above their base frequency."""
    off = _text(SYS / "devices/system/cpu/intel_pstate/no_turbo")
    on = _text(SYS / "devices/system/cpu/cpufreq/boost")  # acpi-cpufreq, amd-pstate
    return off == "0" if off else on == "1" if on else None


def temperature_c() -> float | None:
    """The hottest processor package. A sensor for each: those of single cores wake them up when they are read."""
    zones = [zone for zone in SYS.glob("class/thermal/thermal_zone*") if _is_of_cpu(_text(zone / "type") or "")]
    chips = [chip for chip in SYS.glob("class/hwmon/hwmon*") if _text(chip / "name") in _CPU_CHIPS]
    sensors = [zone / "temp" for zone in zones] or [chip / "temp1_input" for chip in chips]  # 1 is the whole package
    millidegrees = [value for value in map(_number, map(_text, sensors)) if value is not None]
    return max(millidegrees) / 1000 if millidegrees else None


def _is_of_cpu(zone: str) -> bool:
    return zone == "x86_pkg_temp" or (zone.startswith("cpu") and "thermal" in zone)


@dataclass(frozen=True)
class GpuUse:
    """What occupies the GPUs that a start would use."""

    pids: tuple[int, ...]  # of processes that compute; a container may hide those of others
    used_bytes: int  # memory in use, whoever uses it; the driver's own part only where it does not tell them apart
    memory_bytes: int  # of all these GPUs


def gpu_use(count: int | None = None) -> GpuUse | None:
    """Use of the GPUs of a start (``gpus_of_start``); None without one, or where the driver tells none.

    Raises:
        HarnessError: CUDA_VISIBLE_DEVICES names no GPU here.
    """
    pids: set[int] = set()
    used = memory = 0
    with nvml() as there:
        try:
            chosen = gpus_of_start(count) if there else []
            for gpu in chosen:
                handle = pynvml.nvmlDeviceGetHandleByUUID(gpu["uuid"])
                used += memory_used_bytes(handle)
                memory += int(pynvml.nvmlDeviceGetMemoryInfo(handle).total)
                with suppress(pynvml.NVMLError):  # who computes may be hidden, what is used is told all the same
                    pids.update(process.pid for process in pynvml.nvmlDeviceGetComputeRunningProcesses_v3(handle))
        except (pynvml.NVMLError, DriverError):
            return None
    return GpuUse(tuple(sorted(pids)), used, memory) if chosen else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # not there, not for us, or a process that has ended
        return None


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _table(path: Path) -> dict[str, int]:
    """``name number`` lines."""
    words = (line.split() for line in (_text(path) or "").splitlines())
    return {name: int(value) for name, value, *_ in (w for w in words if len(w) > 1) if value.isdecimal()}
