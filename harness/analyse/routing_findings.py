"""Findings of the routing study, from a slot's rows: strategies against power-of-two over the repeats that both have.

Runs of one repeat send the same requests, so they are paired. Differences have Student's t interval, ratios that of
their logarithms (``stats.py``); one repeat has neither.

findings.csv has no negative numbers, so what a strategy saved in prefill and lost in queues (``routing_gains.py``)
stands there as seconds of either side, in total and per request. ``PREFILL_WORTH``: the computed tokens at the
baseline's seconds per token; saved is the baseline's mean − the strategy's. ``QUEUEING``: lost is the strategy's − the
baseline's.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from harness.analyse.paired import ByRepeat, Paired, paired
from harness.analyse.routing_gains import Gain, Group, Runs, Tables, gains, runs_of
from harness.analyse.routing_metrics import HIT_RATE, IMBALANCE, PARTS, PREFILL_TOKENS
from harness.record.routing_tables import ALL, CLIENT, COLD, METRICS, POWER_OF_TWO, RUNS, SERVER, STRATEGIES, WARM
from harness.record.tables import Cell, cells_of

TTFT_MEAN, TPOT_MEAN = "ttft_mean_s", "tpot_mean_s"
COMPARED = (HIT_RATE, PREFILL_TOKENS, TTFT_MEAN, *PARTS, TPOT_MEAN, IMBALANCE)  # metrics of findings.csv
PREFILL_WORTH, QUEUEING = "prefill_worth_s", "queueing_s"  # and these
PER_REQUEST = "_per_request"
_SIDE = dict.fromkeys((TTFT_MEAN, TPOT_MEAN), CLIENT)

Row = tuple[Cell, ...]


def finding_rows(tables: Tables) -> list[Row]:
    """Rows of findings.csv. ``tables``: those of runs, metrics, served and decisions, by their names."""
    found: list[Row] = []
    for label in sorted({run["label"] for run in cells_of(RUNS, tables[RUNS.name])}):
        runs = runs_of(tables, label)
        values, gained = _values(tables, label, runs), gains(tables, label)
        for group in sorted(set(runs.values()), key=_order):
            if group.strategy == POWER_OF_TWO:
                continue
            for metric in COMPARED:
                side = _SIDE.get(metric, SERVER)
                base = values.get((group.baseline, side, metric), {})
                found += _rows(group, metric, paired(base, values.get((group, side, metric), {})))
            found += _gain_rows(group, gained.get(group, {}))
    return found


def _values(tables: Tables, label: str, runs: Runs) -> dict[tuple[Group, str, str], ByRepeat]:
    found: dict[tuple[Group, str, str], dict[int, float]] = defaultdict(dict)
    for row in cells_of(METRICS, tables[METRICS.name], label=label, replica=ALL):
        group = runs.get((row["case"], row["repeat"], row["phase"]))
        if group is not None:
            found[group, row["side"], row["metric"]][row["repeat"]] = row["value"]
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
    what = (group.label, group.phase, group.strategy, POWER_OF_TWO, metric)
    yield from ((*what, name, value) for name, value in found.statistics())


def _order(group: Group) -> tuple[str, int, int]:
    return group.label, (COLD, WARM).index(group.phase), STRATEGIES.index(group.strategy)
