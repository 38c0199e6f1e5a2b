"""Estimators over the models of one slot: sums, shares, spread, lines."""

from harness.analyse.claimed_starts import (
    REDUCE,
    Number,
    enough,
    find,
    line_through,
    points_of,
    seconds_of,
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
    shares = {}
    for case in found.cases:
        whole = [step_seconds(case, name) for name in wanted.of]
        if all(value is not None for value in whole):
            parts = sum(step_seconds(case, name) or 0.0 for name in wanted.parts)
            shares[case.model] = parts / sum(value or 0.0 for value in whole)
    if not shares:
        raise NotMeasuredError(f"no start states all of {', '.join(wanted.of)}")
    return Number(REDUCE[wanted.reduce](shares.values()), found.used)


def spread(wanted: how.Spread, evidence: Evidence, number: str) -> Number:
    """Standard deviation by mean, over models."""
    found = find(evidence, number, wanted.starts)
    told = {case.model: value for case in found.cases if (value := seconds_of(case, wanted.quantity)) is not None}
    enough(len(told), found)
    over_models = summarise(told.values())
    return Number((over_models.cv if over_models else None) or 0.0, found.used)


def line(wanted: how.Line, evidence: Evidence, number: str) -> Number:
    """Pearson's r or the slope of the line through the models' means."""
    found = find(evidence, number, wanted.starts)
    names = found.figure.models
    outside = found.figure.shows.outside_fit if found.figure.shows else ()
    cases = tuple(
        case for case in found.cases if wanted.models == "all" or (case.model in names and case.model not in outside)
    )
    axis = wanted.own_x if wanted.own_x and any(repeat.span for case in cases for repeat in case.repeats) else wanted.x
    points = points_of(found, wanted.quantity, axis, cases)
    enough(len(points), found)
    through = line_through(points)
    notes = [f"{name} lies off the line" for name in through.outliers]
    wanted_models = [name for name in names if name not in outside]
    if axis != "captured_sizes" and len(points) < len(wanted_models):
        notes.append(f"{len(points)} of {len(wanted_models)} models")
    return Number(through.r if wanted.what == "r" else through.slope, used_of(found, cases), tuple(notes))


def above_line(wanted: how.AboveLine, evidence: Evidence, number: str) -> Number:
    """How many times the line's value the models are that it leaves out."""
    found = find(evidence, number, Starts())
    outside = found.figure.shows.outside_fit if found.figure.shows else ()
    inside = tuple(case for case in found.cases if case.model not in outside and case.model in found.figure.models)
    points = points_of(found, wanted.quantity, wanted.x, inside)
    enough(len(points), found)
    through = line_through(points)
    above = points_of(found, wanted.quantity, wanted.x, tuple(case for case in found.cases if case.model in outside))
    if len(above) < len(outside):
        raise NotMeasuredError(f"needs {', '.join(outside)}, has {len(above)} of them")
    return Number(REDUCE[wanted.reduce](y / through.predict(x) for _, x, y in above), found.used)
