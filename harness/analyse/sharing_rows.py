"""Replays → the rows of the prefix-sharing figure's tables (``harness/record/sharing_tables.py``)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.analyse.sharing import (
    COMPARED,
    Compared,
    block_hits,
    compare,
    metrics,
    reuse_gaps,
    sharing_fractions,
    summary,
)
from harness.analyse.stats import summarise
from harness.analyse.weighted import Weighted
from harness.record.replay import Replay
from harness.record.sharing_tables import LIMITED, NONE, UNLIMITED
from harness.record.tables import Cell

Row = tuple[Cell, ...]

SHARING_FRACTION, BLOCK_HITS, REUSE_GAP = "sharing fraction", "block hits", "reuse gap"
ALL, WITHIN, ACROSS = "all", "within a session", "across sessions"

# Even steps, and towards both ends ever finer ones: the tails of block hits are what matters of them.
_TAIL = tuple(digit * 10.0**-power for power in range(6, 2, -1) for digit in (1, 2, 5))
PROBABILITIES = (0.0, *_TAIL, *(round(k / 200, 3) for k in range(1, 200)), *(1 - p for p in reversed(_TAIL)), 1.0)

_RATE = ("hit_ratio", "block_reuse_rate", "sharing_fraction.mean", "sharing_fraction.median")
_TOKENS = ("prompt_tokens", "hit_tokens", "output_tokens")


@dataclass(frozen=True)
class CaseReplay:
    """One replay of the figure's grid."""

    case: str
    workload: str
    repeat: int
    replay: Replay

    @property
    def policy(self) -> str:
        """Eviction policy, or that nothing is cached."""
        parameters = self.replay.facts.parameters
        return parameters.policy if parameters.prefix_caching else NONE

    @property
    def is_unlimited(self) -> bool:
        """Whether its cache never runs out of blocks."""
        return self.replay.facts.parameters.num_blocks is None

    @property
    def block_size(self) -> int:
        """Tokens."""
        return self.replay.facts.parameters.block_size

    @property
    def cells(self) -> Row:
        """What every table says of the case first."""
        cache = UNLIMITED if self.is_unlimited else LIMITED
        blocks = self.replay.facts.counters.cache_blocks
        return (self.case, self.workload, self.repeat, self.policy, cache, blocks, self.block_size)


def unit_of(metric: str) -> str:
    """The unit of a compared metric, in a word."""
    head = metric.partition(".")[0]
    if metric in _RATE:
        return "share"
    if metric in _TOKENS:
        return "tokens"
    if head.endswith("_s"):
        return "s"
    return {"requests": "requests", "block_hits": "reuses", "preemptions": "preemptions"}.get(head, "blocks")


def data_rows(case: CaseReplay) -> Iterator[Row]:
    """The replay's numbers; what does not exist has no row."""
    for metric, value in metrics(summary(case.replay)).items():
        if value is not None:
            yield (*case.cells, metric, value, unit_of(metric))


def distribution_rows(case: CaseReplay) -> Iterator[Row]:
    """Quantiles of what a replay at an unlimited cache shares; nothing of others."""
    if not case.is_unlimited:
        return
    samples: list[tuple[str, str, Weighted]] = [
        (SHARING_FRACTION, ALL, sharing_fractions(case.replay)),
        (BLOCK_HITS, ALL, block_hits(case.replay)),
        (REUSE_GAP, WITHIN, reuse_gaps(case.replay, within_session=True)),
        (REUSE_GAP, ACROSS, reuse_gaps(case.replay, within_session=False)),
    ]
    for quantity, part, sample in samples:
        for probability in PROBABILITIES:
            value = sample.quantile(probability)
            if value is not None:
                yield (*case.cells, quantity, part, sample.n, probability, value)


def occupancy_rows(case: CaseReplay) -> Iterator[Row]:
    """Blocks in use over time, of a replay at an unlimited cache."""
    if case.is_unlimited:
        for row in case.replay.occupancy:
            yield (*case.cells, row.begin_s, row.end_s, row.mean_blocks_in_use, row.max_blocks_in_use)


def comparison_rows(first: Sequence[CaseReplay], second: Sequence[CaseReplay]) -> Iterator[Row]:
    """Metric by metric, over the repeats that both have: each one's mean, and the mean of the repeats' ratios."""
    partner = {case.repeat: case for case in second}
    pairs = [(case, partner[case.repeat]) for case in first if case.repeat in partner]
    compared = [compare(summary(one.replay), summary(other.replay)) for one, other in pairs]
    if not pairs:
        return
    names = (pairs[0][0].workload, pairs[0][1].workload, "ratio")
    for place, metric in enumerate(COMPARED):
        repeats = [each[place] for each in compared]
        for name, values in zip(names, _columns(repeats), strict=True):
            found = summarise(value for value in values if value is not None)
            if found is None:
                continue
            unit = "1" if name == "ratio" else unit_of(metric)
            yield (metric, unit, name, "mean", found.mean)
            if found.half_width is not None:
                yield (metric, unit, name, "half width of 95 % interval", found.half_width)
            yield (metric, unit, name, "n", float(found.n))


def _columns(repeats: Iterable[Compared]) -> tuple[list[float | None], list[float | None], list[float | None]]:
    rows = list(repeats)
    return [row.first for row in rows], [row.second for row in rows], [row.ratio for row in rows]
