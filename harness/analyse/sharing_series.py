"""What the prefix-sharing figure draws, out of its slot: curves and points with their spread over repeats.

A repeat is a seed of the generated dialogues or of arrivals. One replay is exact: a single repeat has no spread.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from harness.analyse.stats import Summary, summarise
from harness.record.sharing_tables import DATA, DISTRIBUTIONS, LIMITED, NONE, OCCUPANCY, UNLIMITED
from harness.record.study_slot import StudySlot
from harness.record.tables import Table

Cells = dict[str, Any]
INTERVALS = 64  # of time that are drawn: neighbours are averaged, what is finer is not seen in print


@dataclass(frozen=True)
class Curve:
    """Quantiles, in ascending order of probability: mean over repeats, least and greatest, and how many repeats.

    ``n``: the fewest values (requests, contents, reuses) that a repeat's quantiles are of.
    """

    probability: tuple[float, ...]
    mean: tuple[float, ...]
    least: tuple[float, ...]
    greatest: tuple[float, ...]
    repeats: int
    n: int


@dataclass(frozen=True)
class Ratio:
    """A metric at one setting ``x`` (blocks of the cache, tokens of a block), over repeats."""

    x: int
    over: Summary


@dataclass(frozen=True)
class Occupancy:
    """Blocks in use, averaged over each interval of virtual time."""

    times_s: tuple[float, ...]  # begins of the intervals, then the last one's end
    blocks: tuple[float, ...]


def rows_of(slot: StudySlot, table: Table, **wanted: Any) -> list[Cells]:
    """The table's rows as cells by column; only those that have the ``wanted`` cells."""
    rows = (dict(zip(table.columns, row, strict=True)) for row in slot.tables[table.name])
    return [row for row in rows if all(row[column] == value for column, value in wanted.items())]


def base_block_size(slot: StudySlot, workload: str) -> int | None:
    """Tokens of a block in the workload's panels other than that of block sizes; None: it was not replayed."""
    rows = rows_of(slot, DATA, workload=workload, policy=NONE)
    return rows[0]["block_size"] if rows else None


def distribution(slot: StudySlot, quantity: str, part: str, workload: str, policy: str) -> Curve | None:
    """A quantity's quantiles at an unlimited cache; None if no replay has any."""
    size = base_block_size(slot, workload)
    wanted = {"quantity": quantity, "part": part, "workload": workload, "policy": policy, "block_size": size}
    rows = rows_of(slot, DISTRIBUTIONS, **wanted)
    by_probability: dict[float, list[float]] = {}
    for row in rows:
        by_probability.setdefault(row["probability"], []).append(row["value"])
    if not rows:
        return None
    kept = sorted(by_probability)
    over = [by_probability[probability] for probability in kept]
    return Curve(
        probability=tuple(kept),
        mean=tuple(sum(values) / len(values) for values in over),
        least=tuple(map(min, over)),
        greatest=tuple(map(max, over)),
        repeats=len({row["repeat"] for row in rows}),
        n=min(row["n"] for row in rows),
    )


def by_cache_size(slot: StudySlot, workload: str, policy: str, metric: str = "hit_ratio") -> list[Ratio]:
    """The metric at every limited cache size that all repeats have, in ascending order."""
    rows = rows_of(slot, DATA, workload=workload, policy=policy, metric=metric, cache=LIMITED)
    return _ratios(rows, lambda row: row["cache_blocks"])


def by_block_size(slot: StudySlot, workload: str, metric: str = "hit_ratio") -> list[Ratio]:
    """The metric at every block size, at an unlimited cache."""
    rows = rows_of(slot, DATA, workload=workload, policy="lru", metric=metric, cache=UNLIMITED)
    return _ratios(rows, lambda row: row["block_size"])


def unlimited(slot: StudySlot, workload: str, metric: str = "hit_ratio", policy: str = "lru") -> Summary | None:
    """The metric at an unlimited cache and the workload's block size."""
    size = base_block_size(slot, workload)
    wanted = {"workload": workload, "policy": policy, "metric": metric, "cache": UNLIMITED, "block_size": size}
    return summarise(row["value"] for row in rows_of(slot, DATA, **wanted))


def occupancy(slot: StudySlot, workload: str, policy: str) -> Occupancy | None:
    """Of the workload's first repeat, at an unlimited cache and its block size."""
    size = base_block_size(slot, workload)
    rows = rows_of(slot, OCCUPANCY, workload=workload, policy=policy, block_size=size)
    if not rows:
        return None
    first = min(row["repeat"] for row in rows)
    rows = sorted((row for row in rows if row["repeat"] == first), key=lambda row: row["begin_s"])
    together = -(-len(rows) // INTERVALS)
    groups = [rows[at : at + together] for at in range(0, len(rows), together)]
    times = (*(group[0]["begin_s"] for group in groups), rows[-1]["end_s"])
    return Occupancy(times, tuple(map(_mean_blocks, groups)))


def _mean_blocks(rows: list[Cells]) -> float:
    lengths: list[float] = [row["end_s"] - row["begin_s"] for row in rows]
    blocks: list[float] = [row["mean_blocks"] * length for row, length in zip(rows, lengths, strict=True)]
    return sum(blocks) / sum(lengths)


def _ratios(rows: Iterable[Cells], x_of: Callable[[Cells], int]) -> list[Ratio]:
    values: dict[int, list[float]] = {}
    repeats = set()
    for row in rows:
        values.setdefault(x_of(row), []).append(row["value"])
        repeats.add(row["repeat"])
    found = [(x, summarise(each)) for x, each in sorted(values.items())]
    return [Ratio(x, over) for x, over in found if over and over.n == len(repeats)]
