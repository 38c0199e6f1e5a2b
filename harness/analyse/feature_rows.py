"""Stored runs of the feature matrix → rows of its tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean

from harness.analyse.feature_outputs import Agreement, agreement
from harness.analyse.paired import paired
from harness.record import feature_tables as names
from harness.record.feature_run import FeatureRun, Measured, Pass
from harness.record.feature_tables import FAILED, NOTHING, OK, REFUSED
from harness.record.tables import MAX_CELL, Cell
from harness.spec.features import Feature

Row = tuple[Cell, ...]
Values = dict[str, tuple[float, str]]  # metric → value, unit


@dataclass(frozen=True)
class Shown:
    """A case with its runs, failed ones too, in the order of repeats. ``reason``: why none could be made."""

    name: str
    case: Feature
    model: str
    runs: Sequence[FeatureRun]
    reason: str | None = None

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
        metrics = {repeat: metrics_of(run) | _unlike_first(each, repeat) for repeat, run in each.ok.items()}
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
    first, answers = measured.passes[0], len(run.outputs)
    tokens = sum(len(output.tokens) for output in run.outputs)
    found: Values = {
        names.START: (measured.start_s, "s"),
        names.WALL: (fmean(each.wall_s for each in measured.passes), "s"),
        names.CPU: (fmean(working_s(each) for each in measured.passes), "s"),
        names.TOKENS: (float(tokens), "tokens"),
        names.STEPS: (float(first.steps), "steps"),
        names.STEP_TOKENS: (float(first.step_tokens), "tokens"),
        names.UNSTABLE: (_not_repeated(measured, answers), "answers"),
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
    return found | (_speculation(first, tokens - answers) if run.facts.asked.get("speculation") else {})


def working_s(one: Pass) -> float:
    """CPU seconds without spinning."""
    return max(0.0, one.cpu_s - (one.spin_s or 0.0))


def _speculation(one: Pass, decoded: int) -> Values:
    """``decoded``: tokens of the answers without each answer's first, which comes of the prompt and of no draft."""
    found: Values = {
        names.DRAFTS: (float(one.drafts), "drafts"),
        names.DRAFT_TOKENS: (float(one.draft_tokens), "tokens"),
        names.ACCEPTED: (float(one.accepted_tokens), "tokens"),
    }
    if one.draft_tokens and one.drafts:
        found[names.ACCEPTANCE] = (one.accepted_tokens / one.draft_tokens, "share")
        # Accepted tokens may lie beyond an answer's end, and steps may be without a draft: neither is one draft's.
        most = min(decoded / one.drafts, 1 + one.accepted_tokens / one.drafts)
        found[names.TOKENS_PER_DRAFT] = (most, "tokens/draft")
        places = zip(one.accepted_by_position, one.drafted_by_position, strict=True)
        for at, (accepted, drafted) in enumerate(places, start=1):
            if drafted:
                found[f"{names.ACCEPTANCE_AT}{at}"] = (accepted / drafted, "share")
    return found


def _unlike_first(shown: Shown, repeat: int) -> Values:
    """Answers that are not those of the case's first ok repeat."""
    first = shown.ok[min(shown.ok)].outputs
    pairs = zip(first, shown.ok[repeat].outputs, strict=True)
    return {names.UNLIKE_FIRST: (float(sum(a.tokens != b.tokens for a, b in pairs)), "answers")}


def _not_repeated(measured: Measured, answers: int) -> float:
    return float(sum(answers - each.same_as_first for each in measured.passes))


def _case_row(shown: Shown) -> Row:
    failed = [run for run in shown.runs if run.measured is None]
    reason = next((str(run.facts.reason) for run in reversed(failed)), shown.reason or NOTHING)
    status = OK if shown.ok else NOTHING
    if reason != NOTHING and not shown.ok:
        status = REFUSED if shown.case.is_declared(reason) else FAILED
    case = shown.case
    return (
        shown.name, case.baseline or NOTHING, case.question, shown.model, case.workload, status, reason[:MAX_CELL],
        len(shown.ok), len(failed),
    )  # fmt: skip


def _comparison_rows(base: Shown, mine: Shown) -> Iterator[Row]:
    for metric in names.COMPARED:
        found = paired(_by_repeat(mine, metric), _by_repeat(base, metric))  # speed-up: baseline ÷ case
        if found is None:
            continue
        low, high = found.ratio_interval or (None, None)
        values: Mapping[str, float | None] = {
            names.BASELINE_MEAN: found.b_mean,
            names.MEAN: found.a_mean,
            names.SPEEDUP: found.ratio,
            names.SPEEDUP_LOW: low,
            names.SPEEDUP_HIGH: high,
            names.N: float(found.n),
            names.HOURS_APART: _hours_apart(base, mine),
        }
        for statistic, value in values.items():
            if value is not None:
                yield mine.name, base.name, metric, statistic, value


def _by_repeat(shown: Shown, metric: str) -> dict[int, float]:
    return {repeat: metrics_of(run)[metric][0] for repeat, run in shown.ok.items()}


def _hours_apart(base: Shown, mine: Shown) -> float:
    """The largest distance between the starts of two paired runs."""
    both = base.ok.keys() & mine.ok.keys()
    starts = ([datetime.fromisoformat(each.ok[repeat].facts.started_at) for each in (base, mine)] for repeat in both)
    return max(abs((one - other).total_seconds()) for one, other in starts) / 3600


def agreement_of(base: Shown, mine: Shown, near_tie: float) -> Agreement | None:
    """Over all repeats that both have; None: there is none, or answers are meant to differ."""
    both = sorted(base.ok.keys() & mine.ok.keys())
    if not both or (mine.case.speculation and not mine.case.speculation.keeps_outputs):
        return None
    sides = [[output for repeat in both for output in each.ok[repeat].outputs] for each in (base, mine)]
    return agreement(sides[0], sides[1], near_tie)


def _output_rows(base: Shown, mine: Shown, near_tie: float) -> Iterator[Row]:
    found = agreement_of(base, mine, near_tie)
    if found is None:
        return
    values: Mapping[str, float | None] = {
        names.ANSWERS: found.compared,
        names.IDENTICAL: found.identical,
        names.NEAR_TIES: found.near_ties,
        names.DIFFERENT: found.different,
        names.NEAR_TIE: near_tie,
        names.LARGEST_DIFFERENCE: found.largest_difference,
    }
    for statistic, value in values.items():
        if value is not None:
            yield mine.name, base.name, statistic, float(value)
