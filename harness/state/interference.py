"""What disturbed a start while it ran: CPU time of other processes, time stolen by the hypervisor, pages from swap.

The counters of the whole machine before and after, less what the measured tree and this process, which watches it, used
meanwhile. The kernel charges a core's time by ticks, a process's exactly, so the difference is good to some 1 % of the
cores' time; and what it does on behalf of a start (writing back, decrypting a disk) is work of others here.
"""

import os
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.state import readings
from harness.state.quiet import Noise

# As large as what five starts can resolve, and above the error of counting by ticks.
OTHER_CPU_SHARE = 0.05
# Other cores take memory bandwidth, shared cache and turbo, no time: a quarter of them busy is when that can be seen.
ELSEWHERE_SHARE = 0.25
# Stolen time is a start's own: it was ready to run.
STEAL_SHARE = 0.02
# 1024 pages, each 0.1 ms from an SSD: a tenth of a second.
SWAP_IN_BYTES = 4 << 20


@dataclass(frozen=True)
class _Counters:
    at_s: float
    cores: dict[int, readings.CoreTime]
    own_cpu_s: float
    own_major_faults: int
    major_faults: int | None
    swapped_in_pages: int | None


class Watch:
    """Watches from its making to ``stop``."""

    def __init__(self) -> None:
        self._cpus = os.sched_getaffinity(0)
        self._before = _read()

    def stop(self, tree_cpu_s: float) -> Noise:
        """What happened since; ``tree_cpu_s``: CPU seconds of the measured tree, all of whose processes have ended."""
        before, after = self._before, _read()
        own_cpu_s = after.own_cpu_s - before.own_cpu_s
        facts: dict[str, Any] = {"watched_s": round(after.at_s - before.at_s, 3), "harness_cpu_s": round(own_cpu_s, 3)}
        here = readings.spent(before.cores, after.cores, self._cpus)
        others_s = max(0.0, here.work_s - tree_cpu_s - own_cpu_s)
        facts |= _part(here, steal=here.steal_s, other_cpu=others_s)
        elsewhere = readings.spent(before.cores, after.cores, set(after.cores) - self._cpus)
        facts |= _part(elsewhere, elsewhere_cpu=elsewhere.work_s)
        own_faults = after.own_major_faults - before.own_major_faults
        faults = _since(before.major_faults, after.major_faults)
        facts["other_major_faults"] = None if faults is None else max(0, faults - own_faults)
        pages = _since(before.swapped_in_pages, after.swapped_in_pages)
        facts["swap_in_bytes"] = None if pages is None else pages * resource.getpagesize()
        return Noise(_marks(facts), facts)


def _read() -> _Counters:
    times = os.times()
    ours = [resource.getrusage(who).ru_majflt for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return _Counters(
        at_s=time.monotonic(),
        cores=readings.core_times(),
        own_cpu_s=times.user + times.system,
        own_major_faults=sum(ours),
        major_faults=readings.event_count("pgmajfault"),
        swapped_in_pages=readings.event_count("pswpin"),
    )


def _part(cores: readings.CoreTime, **seconds: float) -> dict[str, float | None]:
    """Each as seconds, and as a share of all that ``cores`` had; None where there are no such cores."""
    facts: dict[str, float | None] = {}
    for name, value in seconds.items():
        facts[f"{name}_s"] = round(value, 3) if cores.total_s else None
        facts[f"{name}_share"] = round(value / cores.total_s, 4) if cores.total_s else None
    return facts


def _since(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _marks(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """What is beyond its limit; of what is not known nothing is said."""
    marks = []
    for kind, name, what, limit in (
        ("other processes", "other_cpu", "of these cores' time", OTHER_CPU_SHARE),
        ("other cores", "elsewhere_cpu", "of the machine's other cores' time", ELSEWHERE_SHARE),
        ("steal", "steal", "of these cores' time taken by the hypervisor", STEAL_SHARE),
    ):
        share = facts[f"{name}_share"]
        if share is not None and share > limit:
            marks.append(f"{kind}: {facts[f'{name}_s']:.1f} s, {share:.1%} {what} during the start, limit {limit:.0%}")
    swapped = facts["swap_in_bytes"]
    if swapped is not None and swapped > SWAP_IN_BYTES:
        marks.append(f"swap-in: {swapped / 2**20:.0f} MiB came back during the start, limit {SWAP_IN_BYTES >> 20} MiB")
    return tuple(marks)
