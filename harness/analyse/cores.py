"""Samples of core use of one start → a matrix of time by core, and how many cores were busy."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median, quantiles

from harness.analyse.gpu_use import GpuUse, gpu_use_by_run
from harness.analyse.timeline import Piece, follow_one_another
from harness.record.paper_cores import INTERVAL_S, CoreSample
from harness.record.slot import Slot
from harness.record.slotcheck import SlotError
from harness.record.tables import CORES, SLOT_TABLES, TIMELINE, Cell, parse_table

MAX_SAMPLES = 20_000_000  # half an hour on 1,000 cores
BURST_PERCENT = 20.0  # an interval in which the cores' mean use is above this is a burst


@dataclass(frozen=True)
class CoreUse:
    """Percent of each core that was busy in each interval. ``times_s``: one per interval, rising, since exec.

    A core that no sample names in an interval was idle.
    """

    times_s: tuple[float, ...]
    cores: tuple[int, ...]
    percent: tuple[tuple[float, ...], ...]  # one row per interval, one column per core

    @property
    def busy(self) -> list[float]:
        """How many cores' worth of time was used in each interval (thread-equivalents)."""
        return [math.fsum(row) / 100 for row in self.percent]


@dataclass(frozen=True)
class Load:
    """What a start used of the machine: thread-equivalents per interval, and its parallel bursts."""

    intervals: int
    cores: int
    median: float
    mean: float
    usual: float  # 98 % of the intervals have at most this
    bursts_s: tuple[float, ...]  # times of the intervals with a mean use above BURST_PERCENT

    @property
    def share(self) -> float:
        """The mean as a part of the machine, 0…1."""
        return self.mean / self.cores


def load_of(use: CoreUse) -> Load:
    """Median, mean and bursts over all intervals. ``use`` has at least one."""
    busy = use.busy
    bursts = tuple(
        time_s for time_s, value in zip(use.times_s, busy, strict=True) if value * 100 / len(use.cores) > BURST_PERCENT
    )
    usual = quantiles(busy, n=50, method="inclusive")[-1] if len(busy) > 1 else busy[0]
    return Load(len(busy), len(use.cores), median(busy), fmean(busy), usual, bursts)


def core_use(samples: Iterable[CoreSample]) -> CoreUse:
    """The samples as a matrix. Of two samples of one core and time, the later one in the list counts.

    Raises:
        SlotError: more times and cores than a start can have.
    """
    by_time: dict[float, dict[int, float]] = {}
    for time_s, core, percent in samples:
        by_time.setdefault(time_s, {})[core] = percent
    times = sorted(by_time)
    cores = sorted({core for row in by_time.values() for core in row})
    _check_size(len(times), len(cores))
    rows = tuple(tuple(by_time[time_s].get(core, 0.0) for core in cores) for time_s in times)
    return CoreUse(tuple(times), tuple(cores), rows)


def paper_core_use(samples: Sequence[CoreSample]) -> CoreUse:
    """The paper's samples as a matrix: what its file does not name was idle, and samples are 0.1 s apart.

    Raises:
        SlotError: as ``core_use``.
    """
    times = round(max((time_s for time_s, _, _ in samples), default=-INTERVAL_S) / INTERVAL_S) + 1
    cores = max((core for _, core, _ in samples), default=-1) + 1
    _check_size(times, cores)
    idle = [(round(number * INTERVAL_S, 1), core, 0.0) for number in range(times) for core in range(cores)]
    return core_use([*idle, *samples])


def _check_size(times: int, cores: int) -> None:
    if times * cores > MAX_SAMPLES:
        raise SlotError(f"samples of {cores} cores at {times} times: no start has so many; measure again")


@dataclass(frozen=True)
class SampledStart:
    """One start of a slot whose cores were sampled, and what it was doing when."""

    case: str
    run: str
    kind: str
    use: CoreUse
    pieces: tuple[Piece, ...]
    gpus: GpuUse = field(default_factory=dict)  # empty where they were not sampled

    @property
    def ready_s(self) -> float:
        """From exec to ready."""
        return self.pieces[-1].end_s


def sampled_starts(slot: Slot) -> list[SampledStart]:
    """The slot's starts with both tables, in the order of the manifest's runs.

    Raises:
        SlotError: pieces of a timeline do not follow one another, or a table has more samples than a start can have.
    """
    cores, phases = (_by_run(slot, table.name) for table in (CORES, TIMELINE))
    gpus = gpu_use_by_run(slot)
    starts = []
    for run in slot.manifest["runs"]:
        key = (run["case"], run["run"])
        if cores.get(key) and phases.get(key):
            pieces = tuple(Piece(*row) for row in phases[key])  # type: ignore[arg-type]
            if not follow_one_another(pieces):
                raise SlotError(f"{TIMELINE.name}: pieces of {run['case']} run {run['run']} do not follow one another")
            use = core_use(cores[key])  # type: ignore[arg-type]
            starts.append(SampledStart(*key, run["kind"], use, pieces, gpus.get(key, {})))
    return starts


def nearest_to_median(starts: Sequence[SampledStart]) -> SampledStart:
    """The start whose time to ready is nearest to the median of all (of two as near, the earlier). ``starts`` has one.

    One start is shown, not a mean: moments of different starts have nothing to do with each other.
    """
    middle = median(start.ready_s for start in starts)
    return min(starts, key=lambda start: abs(start.ready_s - middle))


def _by_run(slot: Slot, name: str) -> dict[tuple[Cell, Cell], list[tuple[Cell, ...]]]:
    """A table's own columns by (case, run); nothing if the slot does not have the table."""
    found: dict[tuple[Cell, Cell], list[tuple[Cell, ...]]] = {}
    if name in slot.tables:
        for case, run, _, *row in parse_table(SLOT_TABLES[name], slot.tables[name], name):
            found.setdefault((case, run), []).append(tuple(row))
    return found
