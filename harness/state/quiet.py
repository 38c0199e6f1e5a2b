"""Whether the machine is quiet enough for a start to be measured: looked at before, waited for, else the run is marked.

A mark is one line, ``kind: detail``, of what was beyond its limit. It is shown and the run is averaged all the same:
noise makes a number less exact, it does not make it a number of something else, as a failed proof of the state does.

Turbo has no limit: on is how machines are run, off is steadier, and both are in the record. Neither has ``load_1m``: it
still tells of the run before this one a minute later.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.record.plain import printable
from harness.state import readings

# Above what daemons do on an idle machine (of two cores over 0.2 s: four ticks), below one busy core of eight.
CPU_BUSY_SHARE = 0.10
# Processors lower their clock at 90 to 105 °C, idle ones have 30 to 60, and a start adds some 20.
TEMPERATURE_C = 80.0
# What any engine needs for itself: with less the kernel drops page cache in the midst of a start.
MEMORY_AVAILABLE_BYTES = 2 << 30
# Every machine that has been up for long has swapped out a few pages that nobody ever missed.
SWAP_USED_BYTES = 64 << 20
# The driver itself holds 1 to 2 % of an idle GPU.
GPU_MEMORY_SHARE = 0.05
# Drivers that choose the frequency themselves: their "powersave" follows the load. Of all others (acpi-cpufreq,
# intel_cpufreq, amd-pstate) it holds the lowest frequency.
DYNAMIC_DRIVERS = ("intel_pstate", "amd-pstate-epp")

WAITABLE = ("cpu", "gpu", "temperature", "memory")  # kinds that can end by themselves
# Beside a start on another GPU, whose processes and memory are not waited for.
WAITABLE_BESIDE = ("gpu", "temperature")
WAIT_S = 60.0  # a cron job or a package update ends within it; what lasts longer is how this machine is
SAMPLE_S = 0.2  # 20 ticks of a core
CALM_S = 1.0  # once there was noise, one quiet fifth of a second is not its end


@dataclass(frozen=True)
class Noise:
    """What disturbs a start. ``facts`` are JSON values with their units in the names, None where unknown."""

    marks: tuple[str, ...]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Quiet:
    """The machine right before a start, and for how long it was waited for."""

    noise: Noise
    waited_s: float


def look_around(needed_bytes: int = 0, sample_s: float = SAMPLE_S, gpus: int | None = None) -> Noise:
    """The machine now; its cores are watched for ``sample_s``.

    ``needed_bytes``: memory that the start will use; ``gpus``: how many of the visible GPUs, None: all.

    Raises:
        HarnessError: CUDA_VISIBLE_DEVICES names no GPU here.
    """
    cpus, use = os.sched_getaffinity(0), readings.gpu_use(gpus)
    before = readings.core_times()
    time.sleep(sample_s)
    cores = readings.spent(before, readings.core_times(), cpus)
    governors = readings.governors(cpus)
    facts = {
        "cpu_busy_share": round(1 - cores.idle_s / cores.total_s, 3) if cores.total_s else None,
        "load_1m": readings.load_1m(),
        "pressure_share_10s": readings.pressure_shares(),
        "governor": ", ".join(f"{governor} ({driver})" for governor, driver in governors) or None,
        "turbo": readings.turbo(),
        "temperature_c": readings.temperature_c(),
        "memory_available_bytes": readings.memory_available_bytes(),
        "swap_used_bytes": readings.swap_used_bytes(),
        "gpu_processes": len(use.pids) if use else None,
        "gpu_memory_used_bytes": use.used_bytes if use else None,
        "gpu_memory_bytes": use.memory_bytes if use else None,
    }
    slow = [driver for governor, driver in governors if governor == "powersave" and driver not in DYNAMIC_DRIVERS]
    return Noise(_marks(facts, max(needed_bytes, MEMORY_AVAILABLE_BYTES), slow), facts)


def wait_until_quiet(
    needed_bytes: int,
    limit_s: float,
    announce: Callable[[str], None],
    waitable: tuple[str, ...] = WAITABLE,
    gpus: int | None = None,
) -> Quiet:
    """Wait, ``limit_s`` at most, while something disturbs that can end by itself; what remains is in the marks.

    ``announce`` is told once, when the wait begins: the marks, the busiest other processes, those on the GPUs. Who they
    are is for the terminal of whoever shares the machine with them: no record has it. ``waitable``: the kinds of marks
    that are waited for; the others stand in the record all the same. ``gpus``: as ``look_around``.
    """

    def passing() -> list[str]:
        return [mark for mark in noise.marks if mark.partition(":")[0] in waitable]

    noise = look_around(needed_bytes, gpus=gpus)
    if limit_s <= 0 or not passing():
        return Quiet(noise, 0.0)
    began = time.monotonic()
    announce(f"waiting up to {limit_s:.0f} s for a quiet machine: {'; '.join((*passing(), *_who(noise, gpus)))}")
    while passing() and (left_s := limit_s - (time.monotonic() - began)) > 0:
        noise = look_around(needed_bytes, min(CALM_S, left_s), gpus)
    return Quiet(noise, round(time.monotonic() - began, 3))


def _marks(facts: dict[str, Any], needed_bytes: int, slow_drivers: list[str]) -> tuple[str, ...]:
    """What is beyond its limit; of what is not known nothing is said."""
    marks = []
    if (busy := facts["cpu_busy_share"]) is not None and busy > CPU_BUSY_SHARE:
        marks.append(f"cpu: {busy:.0%} of the cores busy before the start, limit {CPU_BUSY_SHARE:.0%}")
    if facts["gpu_processes"]:
        used = _gib(facts["gpu_memory_used_bytes"])
        marks.append(f"gpu: {facts['gpu_processes']} processes of others, {used} in use before the start, limit none")
    elif (used := facts["gpu_memory_used_bytes"]) is not None and used > GPU_MEMORY_SHARE * facts["gpu_memory_bytes"]:
        marks.append(
            f"gpu: {_gib(used)} of {_gib(facts['gpu_memory_bytes'])} in use by processes that cannot be seen, "
            f"limit {GPU_MEMORY_SHARE:.0%}"
        )
    if (degrees := facts["temperature_c"]) is not None and degrees > TEMPERATURE_C:
        marks.append(f"temperature: processor at {degrees:.0f} °C, limit {TEMPERATURE_C:.0f} °C")
    if (available := facts["memory_available_bytes"]) is not None and available < needed_bytes:
        marks.append(f"memory: {_gib(available)} available, {_gib(needed_bytes)} needed")
    if slow_drivers:
        marks.append(f"governor: powersave of {', '.join(slow_drivers)} holds the lowest frequency")
    if (swapped := facts["swap_used_bytes"]) is not None and swapped > SWAP_USED_BYTES:
        marks.append(f"swap: {_gib(swapped)} in use before the start, limit {_gib(SWAP_USED_BYTES)}")
    return tuple(marks)


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


def _who(noise: Noise, gpus: int | None) -> list[str]:
    """Whom the owner of the machine may want to end; printable, whatever they call themselves."""
    kinds = {mark.partition(":")[0] for mark in noise.marks}
    who = []
    if "cpu" in kinds:
        who += [f"busiest: {', '.join(found)}" for found in [_busiest()] if found]
    if "gpu" in kinds and (use := readings.gpu_use(gpus)) and use.pids:
        who.append(f"on the GPUs: pid {', '.join(map(str, use.pids[:5]))}")
    return who


def _busiest(most: int = 3) -> list[str]:
    before = readings.process_times()
    time.sleep(SAMPLE_S)
    used = [
        (seconds - before.get(pid, ("", 0.0))[1], name, pid)
        for pid, (name, seconds) in readings.process_times().items()
    ]
    first = sorted((each for each in used if each[0] > 0), reverse=True)[:most]
    return [f"{printable(name, 40)} (pid {pid}, {spent_s / SAMPLE_S:.0%} of a core)" for spent_s, name, pid in first]
