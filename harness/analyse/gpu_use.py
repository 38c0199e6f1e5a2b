"""Samples of a start's GPUs → one series for each GPU and quantity, and for how long a value held."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from harness.record.gpu import Sample
from harness.record.slot import Slot
from harness.record.slotcheck import SlotError
from harness.record.tables import GPU, SLOT_TABLES, Cell, parse_table

INTERVAL_S = 0.1  # between two samples
GAP_S = 1.0  # samples that are further apart, and differ, do not follow each other: nothing was told in between
MAX_SAMPLES = 5_000_000


@dataclass(frozen=True)
class Step:
    """A value and the interval that it is shown for, seconds since exec."""

    begin_s: float
    end_s: float
    value: float


@dataclass(frozen=True)
class Series:
    """One quantity of one GPU. ``times_s`` rise; of a stretch of equal values there may be only first and last."""

    times_s: tuple[float, ...]
    values: tuple[float, ...]

    def steps(self) -> list[Step]:
        """Each sample with the interval that ends at it; what lies in a gap has no step."""
        found = []
        before_s = before = math.nan
        for time_s, value in zip(self.times_s, self.values, strict=True):
            follows = value == before or time_s - before_s <= GAP_S
            found.append(Step(before_s if follows else max(0.0, time_s - INTERVAL_S), time_s, value))
            before_s, before = time_s, value
        return found

    @property
    def mean(self) -> float:
        """Over the sampled time."""
        steps = self.steps()
        whole = math.fsum(step.end_s - step.begin_s for step in steps)
        return math.fsum((step.end_s - step.begin_s) * step.value for step in steps) / whole if whole else 0.0

    def share_with(self, bits: int) -> float:
        """Share of the sampled time in which any of these bits is set in the value, 0…1."""
        steps = self.steps()
        whole = math.fsum(step.end_s - step.begin_s for step in steps)
        with_it = math.fsum(step.end_s - step.begin_s for step in steps if int(step.value) & bits)
        return with_it / whole if whole else 0.0


GpuUse = dict[int, dict[str, Series]]  # GPU by its place in run.json's gpus → quantity → series


def gpu_use(samples: Iterable[Sample]) -> GpuUse:
    """The series of each GPU, by number. Of two samples of one quantity and time, the later one in the list counts.

    Raises:
        SlotError: more samples than a start can have.
    """
    found: dict[int, dict[str, dict[float, float]]] = {}
    count = 0
    for time_s, gpu, quantity, value in samples:
        found.setdefault(gpu, {}).setdefault(quantity, {})[time_s] = value
        count += 1
    if count > MAX_SAMPLES:
        raise SlotError(f"{count} samples of GPUs: no start has so many; measure again")
    return {gpu: {name: _series(values) for name, values in found[gpu].items()} for gpu in sorted(found)}


def _series(values: dict[float, float]) -> Series:
    times = tuple(sorted(values))
    return Series(times, tuple(values[time_s] for time_s in times))


def gpu_use_by_run(slot: Slot) -> dict[tuple[Cell, Cell], GpuUse]:
    """(case, run) → its GPUs; of a slot without such samples nothing. Raises SlotError as ``gpu_use`` does."""
    found: dict[tuple[Cell, Cell], list[Sample]] = {}
    if GPU.name in slot.tables:
        for case, run, _, *row in parse_table(SLOT_TABLES[GPU.name], slot.tables[GPU.name], GPU.name):
            found.setdefault((case, run), []).append(tuple(row))  # type: ignore[arg-type]
    return {key: gpu_use(rows) for key, rows in found.items()}
