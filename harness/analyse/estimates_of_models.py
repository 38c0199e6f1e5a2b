"""Estimators over the models of one slot: sums, shares, spread, lines."""

from harness.analyse.claimed_starts import (
    REDUCE,
    Number,
    enough,
    find,
    line_through,
    points_of,
    seconds_of,
    settings_of,
    step_seconds,
    used_of,
)
from harness.analyse.evidence import Evidence, NotMeasuredError
from harness.analyse.stats import summarise
from harness.spec import estimates as how
from harness.spec.estimates import Starts


def total(wanted: how.Total, evidence: Evidence, number: str) -> Number:
    """Seconds of the quantities added up."""
    found = find(evidence, number, Starts())
    parts = {name: step_seconds(found.only(), name) for name in wanted.quantities}
    if absent := [name for name, value in parts.items() if value is None]:
        raise NotMeasuredError(f"these starts do not state {absent[0]}")
    return Number(sum(value or 0.0 for value in parts.values()), found.used)


def share(wanted: how.Share, evidence: Evidence, number: str) -> Number:
    """The parts' share of the whole."""
    found = find(evidence, number, wanted.starts)
    shares, cases = [], []
    for case in found.cases:
        whole = [step_seconds(case, name) for name in wanted.of]
        if all(value is not None for value in whole):
            parts = sum(step_seconds(case, name) or 0.0 for name in wanted.parts)
            shares.append(parts / sum(value or 0.0 for value in whole))
            cases.append(case)
    if not shares:
        raise NotMeasuredError(f"no start states all of {', '.join(wanted.of)}")
    partial = enough(len(shares), found, len(found.figure.models), every=wanted.reduce != "mean")
    return Number(REDUCE[wanted.reduce](shares), used_of(found, cases), partial=partial)


def spread(wanted: how.Spread, evidence: Evidence, number: str) -> Number:
    """Standard deviation by mean, over models."""
    found = find(evidence, number, wanted.starts)
    told = [(case, value) for case in found.cases if (value := seconds_of(case, wanted.quantity)) is not None]
    partial = enough(len(told), found, len(found.figure.models))
    over_models = summarise(value for _, value in told)
    used = used_of(found, [case for case, _ in told])
    return Number((over_models.cv if over_models else None) or 0.0, used, partial=partial)


def line(wanted: how.Line, evidence: Evidence, number: str) -> Number:
    """Pearson's r or the slope of the line through the models' means."""
    found = find(evidence, number, wanted.starts)
    outside = found.figure.shows.outside_fit if found.figure.shows else ()
    models = [name for name in found.figure.models if name not in outside]
    cases = tuple(case for case in found.cases if case.model in models)
    axis = wanted.own_x if wanted.own_x and any(repeat.span for case in cases for repeat in case.repeats) else wanted.x
    points = points_of(found, wanted.quantity, axis, cases)
    what = "settings" if found.figure.vary else "models"  # a figure of settings has one point for each of them
    partial = enough(len(points), found, len(models) * settings_of(found.figure), what=what)
    through = line_through([(name, x, y) for _, name, x, y in points])
    notes = tuple(f"{name} lies off the line" for name in through.outliers)
    used = used_of(found, [case for case, *_ in points])
    return Number(through.r if wanted.what == "r" else through.slope, used, notes, partial)


def above_line(wanted: how.AboveLine, evidence: Evidence, number: str) -> Number:
    """How many times the line's value the models are that it leaves out."""
    found = find(evidence, number, Starts())
    outside = found.figure.shows.outside_fit if found.figure.shows else ()
    inside = tuple(case for case in found.cases if case.model not in outside and case.model in found.figure.models)
    points = points_of(found, wanted.quantity, wanted.x, inside)
    partial = enough(len(points), found, len(found.figure.models) - len(outside))
    through = line_through([(name, x, y) for _, name, x, y in points])
    above = points_of(found, wanted.quantity, wanted.x, [case for case in found.cases if case.model in outside])
    if len(above) < len(outside):
        raise NotMeasuredError(
            f"needs {', '.join(outside)}, has {len(above)} of them", f"bash run_figure.sh {found.number}"
        )
    used = used_of(found, [case for case, *_ in (*points, *above)])
    return Number(REDUCE[wanted.reduce](y / through.predict(x) for *_, x, y in above), used, partial=partial)
