"""What the routing figure draws and prints of one label, out of a slot's rows: values by repeat, curves, gains.

Only runs that ended ok are in here; ``failed_runs`` names the others. The comparisons of strategies are those of
findings.csv.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, mode
from typing import Any

from harness.analyse.load_metrics import IN_ONE_PIECE
from harness.analyse.paired import ByRepeat, Paired
from harness.analyse.routing_findings import TPOT_MEAN, TTFT_MEAN
from harness.analyse.routing_gains import Gain, Group, gains
from harness.analyse.stats import Summary, summarise
from harness.record.findings import BASELINE_MEAN, DIFFERENCE_HALF_WIDTH, MEAN, RATIO, RATIO_HIGH, RATIO_LOW, N
from harness.record.routing_tables import (
    ALL,
    CANCELLED,
    CLIENT,
    COLD,
    FAILED,
    FINDINGS,
    LATENCIES,
    METRICS,
    OK,
    POWER_OF_TWO,
    REQUESTS,
    RUNS,
    SERIES,
    SERVER,
    SIMULATED,
    STRATEGIES,
    WARM,
)
from harness.record.study_slot import StudySlot
from harness.record.tables import Cells, cells_of

_SIDES = dict.fromkeys((TTFT_MEAN, TPOT_MEAN, IN_ONE_PIECE, "completed"), CLIENT)

ByStrategy = Mapping[tuple[str, str], Mapping[int, list[Cells]]]  # (phase, strategy) → repeat → rows


@dataclass(frozen=True)
class Labelled:
    """One label's rows.

    ``values``: (phase, strategy, side, metric) → repeat → value, of all replicas together. ``replicas``: how many
    most runs had. ``gains``: over power-of-two, by phase, strategy and repeat; its own are none. Rows of the others
    have their columns' names.
    """

    label: str
    runs: Sequence[Cells]
    strategies: Sequence[str]
    phases: Sequence[str]
    replicas: int
    values: Mapping[tuple[str, str, str, str], ByRepeat]
    requests: ByStrategy
    latencies: ByStrategy
    series: ByStrategy
    simulated: Sequence[Cells]
    findings: Sequence[Cells]
    gains: Mapping[tuple[str, str], Mapping[int, Gain]]

    def of(self, phase: str, strategy: str, metric: str) -> ByRepeat:
        """A metric by repeat; empty if there is none."""
        return self.values.get((phase, strategy, _SIDES.get(metric, SERVER), metric), {})

    def over(self, phase: str, strategy: str, metric: str) -> Summary | None:
        """A metric's mean over the repeats, with its 95 % interval."""
        values = self.of(phase, strategy, metric)
        return summarise(values[repeat] for repeat in sorted(values))

    @property
    def failed_runs(self) -> list[Cells]:
        """Runs that are in nothing that is drawn."""
        return [run for run in self.runs if run["status"] != OK]


def labels_of(slot: StudySlot) -> list[str]:
    """In the order of their first run, then those that were only simulated."""
    found = [row["label"] for table in (RUNS, SIMULATED) for row in cells_of(table, slot.tables[table.name])]
    return list(dict.fromkeys(found))


def labelled(slot: StudySlot, label: str) -> Labelled:
    """The rows of one label."""
    runs = cells_of(RUNS, slot.tables[RUNS.name], label=label)
    strategy_of = {(run["case"], run["repeat"]): run["strategy"] for run in runs if run["status"] == OK}
    values: dict[tuple[str, str, str, str], dict[int, float]] = defaultdict(dict)
    replicas: dict[tuple[str, int], set[str]] = defaultdict(set)  # of each run: a replica may have been replaced
    for row in cells_of(METRICS, slot.tables[METRICS.name], label=label):
        if (row["case"], row["repeat"]) not in strategy_of:
            continue
        if row["replica"] == ALL:
            key = (row["phase"], row["strategy"], row["side"], row["metric"])
            values[key][row["repeat"]] = row["value"]
        else:
            replicas[row["case"], row["repeat"]].add(row["replica"])
    simulated = cells_of(SIMULATED, slot.tables[SIMULATED.name], label=label)
    there = {phase for phase, *_ in values}
    phases = [phase for phase in (COLD, WARM) if phase in there]
    names = {run["strategy"] for run in runs} | {row["strategy"] for row in simulated}
    strategies = [*(name for name in STRATEGIES if name in names), *sorted(names - set(STRATEGIES))]
    gained = gains(slot.tables, label)
    return Labelled(
        label=label,
        runs=runs,
        strategies=strategies,
        phases=phases,
        replicas=mode(map(len, replicas.values())) if replicas else 0,
        values=values,
        requests=_by_strategy(cells_of(REQUESTS, slot.tables[REQUESTS.name]), strategy_of),
        latencies=_by_strategy(cells_of(LATENCIES, slot.tables[LATENCIES.name]), strategy_of),
        series=_by_strategy(cells_of(SERIES, slot.tables[SERIES.name]), strategy_of),
        simulated=simulated,
        findings=cells_of(FINDINGS, slot.tables[FINDINGS.name], label=label),
        gains={
            (phase, strategy): gained.get(Group(label, phase, strategy), {})
            for phase in phases
            for strategy in strategies
        },
    )


def _by_strategy(rows: Iterable[Cells], strategy_of: Mapping[tuple[Any, Any], str]) -> ByStrategy:
    found: dict[tuple[str, str], dict[int, list[Cells]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        strategy = strategy_of.get((row["case"], row["repeat"]))
        if strategy is not None:
            found[row["phase"], strategy][row["repeat"]].append(row)
    return found


@dataclass(frozen=True)
class Ecdf:
    """``probability[k]`` of the values are at most ``seconds[k]``."""

    seconds: Sequence[float]
    probability: Sequence[float]


def ecdf(values: Iterable[float]) -> Ecdf:
    """The empirical distribution function at its steps."""
    ordered = sorted(values)
    return Ecdf(ordered, [(at + 1) / len(ordered) for at in range(len(ordered))])


def latency_ecdfs(data: Labelled, phase: str, strategy: str, metric: str) -> tuple[Ecdf, list[Ecdf]]:
    """Of the requests of all repeats together, and of each repeat; of requests that gave the latency."""
    by_repeat = data.latencies.get((phase, strategy), {})
    values = [[row["seconds"] for row in by_repeat[n] if row["metric"] == metric] for n in sorted(by_repeat)]
    return ecdf(each for some in values for each in some), [ecdf(some) for some in values if some]


def request_counts(data: Labelled) -> dict[str, dict[str, int]]:
    """Strategy → requests sent (``all``), ``failed`` and ``cancelled``, over the phases and repeats that are drawn."""
    found: dict[str, dict[str, int]] = {name: {ALL: 0, FAILED: 0, CANCELLED: 0} for name in data.strategies}
    for (_, strategy), by_repeat in data.requests.items():
        for rows in by_repeat.values():
            found[strategy][ALL] += len(rows)
            for status in (FAILED, CANCELLED):
                found[strategy][status] += sum(row["status"] == status for row in rows)
    return found


def against_baseline(data: Labelled, phase: str, strategy: str, metric: str) -> Paired | None:
    """The finding about a strategy against power-of-two; None if there is none. ``metric``: a name of findings.csv."""
    wanted = {"phase": phase, "strategy": strategy, "baseline": POWER_OF_TWO, "metric": metric}
    said = {
        row["statistic"]: row["value"]
        for row in data.findings
        if all(row[column] == value for column, value in wanted.items())
    }
    if not {N, MEAN, BASELINE_MEAN} <= said.keys():
        return None
    bounds = (said[RATIO_LOW], said[RATIO_HIGH]) if {RATIO_LOW, RATIO_HIGH} <= said.keys() else None
    half = said.get(DIFFERENCE_HALF_WIDTH)
    return Paired(round(said[N]), said[BASELINE_MEAN], said[MEAN], half, said.get(RATIO), bounds)


def gain_points(data: Labelled, phase: str, strategy: str) -> list[tuple[float, float]]:
    """Of each repeat, in their order: prefill tokens saved, and seconds of waiting added, per request."""
    return [
        ((gain.tokens[0] - gain.tokens[1]) / gain.requests, gain.lost_s / gain.requests)
        for _, gain in sorted(data.gains[phase, strategy].items())
    ]


def prefill_token_s(data: Labelled, phase: str) -> float | None:
    """Seconds of prefill per computed token under power-of-two, mean over what was compared; None: nothing was."""
    found = [gain.token_s for strategy in data.strategies for gain in data.gains[phase, strategy].values()]
    return fmean(found) if found else None
