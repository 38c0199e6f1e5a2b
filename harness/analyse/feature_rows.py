"""Stored runs of the feature matrix → rows of its tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.analyse.feature_outputs import agreement
from harness.analyse.headroom_findings import paired
from harness.record import feature_tables as names
from harness.record.feature_run import FeatureRun, Measured, Pass
from harness.record.feature_tables import FAILED, NOTHING, OK, REFUSED
from harness.record.tables import MAX_CELL, Cell
from harness.spec.features import Feature

Row = tuple[Cell, ...]
Values = dict[str, tuple[float, str]]  # metric → value, unit


@dataclass(frozen=True)
class Shown:
    """A case with its runs, failed ones too, in the order of repeats."""

    name: str
    case: Feature
    model: str
    runs: Sequence[FeatureRun]

    @property
    def ok(self) -> dict[int, FeatureRun]:
        """Repeat → its run."""
        return {run.facts.run: run for run in self.runs if run.measured is not None}


def rows_of(shown: Sequence[Shown], near_tie: float) -> dict[str, list[Row]]:
    """Rows by the table's name. ``near_tie``: in nats."""
    by_name = {each.name: each for each in shown}
    found: dict[str, list[Row]] = {table.name: [] for table in names.FEATURE_TABLES}
    for each in shown:
        found[names.FEATURES.name].append(_case_row(each))
        metrics = {repeat: metrics_of(run) for repeat, run in each.ok.items()}
        for repeat, values in metrics.items():
            case = each.ok[repeat].facts.case
            rows = ((case, each.name, repeat, metric, *value) for metric, value in values.items())
            found[names.FEATURE_RUNS.name] += rows
        base = by_name.get(each.case.baseline or "")
        if base is not None:
            found[names.FEATURE_COMPARISONS.name] += _comparison_rows(base, each)
            found[names.FEATURE_OUTPUTS.name] += _output_rows(base, each, near_tie)
    return found


def metrics_of(run: FeatureRun) -> Values:
    """Metrics of an ok run. Costs are means over its passes; counts are the first pass's, the others' are the same."""
    measured = run.measured
    if measured is None:
        return {}
    first, tokens = measured.passes[0], sum(len(output.tokens) for output in run.outputs)
    found: Values = {
        names.START: (measured.start_s, "s"),
        names.WALL: (fmean(each.wall_s for each in measured.passes), "s"),
        names.CPU: (fmean(working_s(each) for each in measured.passes), "s"),
        names.TOKENS: (float(tokens), "tokens"),
        names.STEPS: (float(first.steps), "steps"),
        names.STEP_TOKENS: (float(first.step_tokens), "tokens"),
        names.UNSTABLE: (_not_repeated(measured, len(run.outputs)), "answers"),
    }
    spun = [each.spin_s for each in measured.passes if each.spin_s is not None]
    if spun:
        found[names.SPIN] = (fmean(spun), "s")
    if first.steps:
        found[names.TOKENS_PER_STEP] = (tokens / first.steps, "tokens/step")
    if first.prefix_queries:
        found[names.PREFIX_QUERIES] = (float(first.prefix_queries), "tokens")
        found[names.PREFIX_HITS] = (float(first.prefix_hits), "tokens")
        found[names.HIT_RATE] = (first.prefix_hits / first.prefix_queries, "share")
    return found | (_speculation(first) if run.facts.asked.get("speculation") else {})


def working_s(one: Pass) -> float:
    """CPU seconds without spinning."""
    return max(0.0, one.cpu_s - (one.spin_s or 0.0))


def _speculation(one: Pass) -> Values:
    found: Values = {
        names.DRAFTS: (float(one.drafts), "drafts"),
        names.DRAFT_TOKENS: (float(one.draft_tokens), "tokens"),
        names.ACCEPTED: (float(one.accepted_tokens), "tokens"),
    }
    if one.draft_tokens and one.drafts:
        found[names.ACCEPTANCE] = (one.accepted_tokens / one.draft_tokens, "share")
        found[names.ACCEPTANCE_LENGTH] = (1 + one.accepted_tokens / one.drafts, "tokens/draft")
        for at, accepted in enumerate(one.accepted_by_position, start=1):
            found[f"{names.ACCEPTANCE_AT}{at}"] = (accepted / one.drafts, "share")
    return found


def _not_repeated(measured: Measured, answers: int) -> float:
    return float(sum(answers - each.same_as_first for each in measured.passes))


def _case_row(shown: Shown) -> Row:
    failed = [run for run in shown.runs if run.measured is None]
    reason = next((str(run.facts.reason) for run in reversed(failed)), NOTHING)
    status = OK if shown.ok else NOTHING
    if failed and not shown.ok:
        status = REFUSED if shown.case.is_declared(reason) else FAILED
    case = shown.case
    return (
        shown.name, case.baseline or NOTHING, case.question, shown.model, case.workload, status, reason[:MAX_CELL],
        len(shown.ok), len(failed),
    )  # fmt: skip


def _comparison_rows(base: Shown, mine: Shown) -> Iterator[Row]:
    for metric in names.COMPARED:
        sides = [_by_repeat(each, metric) for each in (base, mine)]
        found = paired(sides[1], sides[0])  # baseline ÷ case
        if found is None:
            continue
        low, high = found.ratio_interval or (None, None)
        values: Mapping[str, float | None] = {
            names.BASELINE_MEAN: found.mean,
            names.MEAN: found.baseline_mean,
            names.SPEEDUP: found.ratio,
            names.SPEEDUP_LOW: low,
            names.SPEEDUP_HIGH: high,
            names.N: float(found.n),
        }
        for statistic, value in values.items():
            if value is not None:
                yield mine.name, base.name, metric, statistic, value


def _by_repeat(shown: Shown, metric: str) -> dict[int, float]:
    return {repeat: metrics_of(run)[metric][0] for repeat, run in shown.ok.items()}


def _output_rows(base: Shown, mine: Shown, near_tie: float) -> Iterator[Row]:
    """Of the first repeat that both have; none where answers are meant to differ."""
    both = sorted(base.ok.keys() & mine.ok.keys())
    if not both or (mine.case.speculation and not mine.case.speculation.keeps_outputs):
        return
    found = agreement(base.ok[both[0]].outputs, mine.ok[both[0]].outputs, near_tie)
    values: Mapping[str, float | None] = {
        names.ANSWERS: found.compared,
        names.IDENTICAL: found.identical,
        names.NEAR_TIES: found.near_ties,
        names.DIFFERENT: found.different,
        names.NEAR_TIE: near_tie,
        names.LARGEST_TIE: found.largest_tie,
        names.LARGEST_DIFFERENCE: found.largest_difference,
    }
    for statistic, value in values.items():
        if value is not None:
            yield mine.name, base.name, statistic, float(value)
