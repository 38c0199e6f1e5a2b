"""Findings of the routing study, from a slot's rows: strategies against power-of-two over the repeats that both have.

Runs of one repeat send the same requests, so they are paired. Differences have Student's t interval, ratios that of
their logarithms (``stats.py``); one repeat has neither.

Gain explained, of the requests that both runs of a pair served: what a strategy saves is the prefill tokens that it did
not have to compute, at the seconds of prefill that a computed token took under the baseline; what it loses is the
waiting in router and engine queue that it adds. What is left of the change of prefill is speed: requests that share
their engine's steps with more others wait for these in prefill, too.

findings.csv has no negative numbers, so saved and lost stand there as seconds of either side (``PREFILL_WORTH``,
``QUEUEING``; each in total and per request): saved is the baseline's mean − the strategy's, lost the strategy's − the
baseline's.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.analyse.headroom_findings import Paired, paired
from harness.analyse.headroom_series import ByRepeat, Cells, cells_of
from harness.analyse.routing_metrics import HIT_RATE, IMBALANCE, PARTS, PREFILL_TOKENS
from harness.record.routing_tables import (
    ALL,
    BASELINE_MEAN,
    CLIENT,
    COLD,
    DECISIONS,
    DIFFERENCE_HALF_WIDTH,
    MEAN,
    METRICS,
    OK,
    POWER_OF_TWO,
    RATIO,
    RATIO_HIGH,
    RATIO_LOW,
    RUNS,
    SERVED,
    SERVER,
    STRATEGIES,
    WARM,
    N,
)
from harness.record.tables import Cell, Table

TTFT_MEAN, TPOT_MEAN = "ttft_mean_s", "tpot_mean_s"
COMPARED = (HIT_RATE, PREFILL_TOKENS, TTFT_MEAN, *PARTS, TPOT_MEAN, IMBALANCE)  # metrics of findings.csv
PREFILL_WORTH, QUEUEING = "prefill_worth_s", "queueing_s"  # and these
PER_REQUEST = "_per_request"
_SIDE = dict.fromkeys((TTFT_MEAN, TPOT_MEAN), CLIENT)

Row = tuple[Cell, ...]
Tables = Mapping[str, Sequence[Row]]


@dataclass(frozen=True, order=True)
class Group:
    """Runs that differ in their repeat alone."""

    label: str
    phase: str
    strategy: str


@dataclass(frozen=True)
class Gain:
    """A run against the baseline's of the same repeat, over the ``requests`` that both served."""

    requests: int
    tokens: tuple[int, int]  # computed in prefill: baseline, strategy
    token_s: float  # seconds of prefill per computed token, of the baseline
    prefill_s: tuple[float, float]  # as it was: baseline, strategy
    queueing_s: tuple[float, float]  # in router and engine queue: baseline, strategy

    @property
    def saved_s(self) -> float:
        """Prefill seconds saved; negative: more was computed."""
        return (self.tokens[0] - self.tokens[1]) * self.token_s

    @property
    def lost_s(self) -> float:
        """Seconds of waiting added; negative: less was waited."""
        return self.queueing_s[1] - self.queueing_s[0]

    @property
    def slowed_s(self) -> float:
        """Seconds that the strategy's computed tokens took longer than at the baseline's speed; negative: shorter."""
        return self.prefill_s[1] - self.tokens[1] * self.token_s


def finding_rows(tables: Tables) -> list[Row]:
    """Rows of findings.csv. ``tables``: those of runs, metrics, served and decisions, by their names."""
    found: list[Row] = []
    for label in sorted({run["label"] for run in cells_of(RUNS, tables[RUNS.name])}):
        runs = _groups(tables, label)
        values = _values(tables, label, runs)
        for group in sorted({group for group, _ in runs.values()}, key=_order):
            if group.strategy == POWER_OF_TWO:
                continue
            for metric in COMPARED:
                side = _SIDE.get(metric, SERVER)
                base = values.get((_baseline(group), side, metric), {})
                found += _rows(group, metric, paired(base, values.get((group, side, metric), {})))
            found += _gain_rows(group, gains(tables, label, group.phase, group.strategy))
    return found


def gains(tables: Tables, label: str, phase: str, strategy: str) -> dict[int, Gain]:
    """Repeat → the strategy's gain over power-of-two; of repeats that both have, and where something was computed."""
    runs = _groups(tables, label)
    mine = _followed(tables, runs, Group(label, phase, strategy))
    base = _followed(tables, runs, Group(label, phase, POWER_OF_TWO))
    found = {}
    for repeat in sorted(mine.keys() & base.keys()):
        both = sorted(mine[repeat].keys() & base[repeat].keys())
        without, with_it = (_sum([side[repeat][request] for request in both]) for side in (base, mine))
        if without.computed:
            found[repeat] = Gain(
                requests=len(both),
                tokens=(without.computed, with_it.computed),
                token_s=without.prefill_s / without.computed,
                prefill_s=(without.prefill_s, with_it.prefill_s),
                queueing_s=(without.waited_s, with_it.waited_s),
            )
    return found


@dataclass(frozen=True)
class _Followed:
    computed: int
    prefill_s: float
    waited_s: float


def _sum(requests: Sequence[_Followed]) -> _Followed:
    return _Followed(
        sum(each.computed for each in requests),
        sum(each.prefill_s for each in requests),
        sum(each.waited_s for each in requests),
    )


def _groups(tables: Tables, label: str) -> dict[tuple[Cell, Cell, str], tuple[Group, int]]:
    """(case, repeat, phase) of a label's ok run → its group and repeat."""
    found = {}
    for run in cells_of(RUNS, tables[RUNS.name], label=label, status=OK):
        for phase in (COLD, WARM):
            group = Group(run["label"], phase, run["strategy"])
            found[run["case"], run["repeat"], phase] = (group, run["repeat"])
    return found


def _values(
    tables: Tables, label: str, runs: Mapping[tuple[Cell, Cell, str], tuple[Group, int]]
) -> dict[tuple[Group, str, str], ByRepeat]:
    found: dict[tuple[Group, str, str], dict[int, float]] = defaultdict(dict)
    for row in cells_of(METRICS, tables[METRICS.name], label=label, replica=ALL):
        known = runs.get((row["case"], row["repeat"], row["phase"]))
        if known is not None:
            found[known[0], row["side"], row["metric"]][known[1]] = row["value"]
    return dict(found)


def _followed(
    tables: Tables, runs: Mapping[tuple[Cell, Cell, str], tuple[Group, int]], group: Group
) -> dict[int, dict[int, _Followed]]:
    """Repeat → request → what router and engine say of it, of requests of which both say something."""

    def of_group(table: Table) -> Iterator[tuple[tuple[int, int], Cells]]:
        for row in cells_of(table, tables[table.name], phase=group.phase):
            if runs.get((row["case"], row["repeat"], row["phase"]), (None, 0))[0] == group:
                yield (row["repeat"], row["request"]), row

    waited = {key: row["waited_s"] for key, row in of_group(DECISIONS)}
    found: dict[int, dict[int, _Followed]] = defaultdict(dict)
    for key, row in of_group(SERVED):
        if key in waited:
            computed = row["prompt_tokens"] - row["cached_tokens"]
            found[key[0]][key[1]] = _Followed(computed, row["prefill_s"], waited[key] + row["queued_s"])
    return dict(found)


def _gain_rows(group: Group, found: Mapping[int, Gain]) -> Iterator[Row]:
    for suffix, divide in (("", False), (PER_REQUEST, True)):
        by = {repeat: float(gain.requests if divide else 1) for repeat, gain in found.items()}
        sides = [{n: gain.tokens[side] * gain.token_s / by[n] for n, gain in found.items()} for side in (0, 1)]
        yield from _rows(group, PREFILL_WORTH + suffix, paired(*sides))
        sides = [{n: gain.queueing_s[side] / by[n] for n, gain in found.items()} for side in (0, 1)]
        yield from _rows(group, QUEUEING + suffix, paired(*sides))


def _rows(group: Group, metric: str, found: Paired | None) -> Iterator[Row]:
    if found is None:
        return
    low, high = found.ratio_interval or (None, None)
    statistics = {
        BASELINE_MEAN: found.baseline_mean,
        MEAN: found.mean,
        DIFFERENCE_HALF_WIDTH: found.half_width,
        RATIO: found.ratio,
        RATIO_LOW: low,
        RATIO_HIGH: high,
        N: float(found.n),
    }
    what = (group.label, group.phase, group.strategy, POWER_OF_TWO, metric)
    yield from ((*what, name, value) for name, value in statistics.items() if value is not None)


def _baseline(group: Group) -> Group:
    return Group(group.label, group.phase, POWER_OF_TWO)


def _order(group: Group) -> tuple[str, int, int]:
    return group.label, (COLD, WARM).index(group.phase), STRATEGIES.index(group.strategy)
