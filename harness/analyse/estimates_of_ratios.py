"""Estimators over the ratios of two sets of starts, taken per model."""

from dataclasses import dataclass
from statistics import fmean

from harness.analyse.claimed_starts import LEAST_POINTS, REDUCE, Number, Used, enough, find, line_through, seconds_of
from harness.analyse.evidence import Evidence, NotMeasuredError
from harness.analyse.formats import model_of
from harness.spec import estimates as how
from harness.spec.estimates import Starts


class NoRatioError(NotMeasuredError):
    """No model states the quantity on both sides."""


@dataclass(frozen=True)
class Ratios:
    """Ratios and sizes by model, and the starts behind them."""

    values: dict[str, float]  # by model
    sizes: dict[str, dict[str, float]]
    used: Used
    partial: str


def ratios(
    evidence: Evidence,
    number: str,
    quantity: str,
    over: Starts,
    under: Starts,
    under_quantity: str | None = None,
    every: bool = False,
) -> Ratios:
    """By model, for those that both sides have once and that take time in the quantity on both.

    ``every``: the claim says something of each of the declared models.
    """
    above, below = find(evidence, number, over), find(evidence, number, under)
    values, sizes, used = {}, {}, []
    for model in dict.fromkeys(model_of(case) for case in above.cases):
        pair = [[case for case in side.cases if model_of(case) == model] for side in (above, below)]
        if not all(len(cases) == 1 for cases in pair):
            continue
        upper, lower = seconds_of(pair[0][0], quantity), seconds_of(pair[1][0], under_quantity or quantity)
        if upper and lower:
            values[model], sizes[model] = upper / lower, dict(pair[1][0].facts)
            used += [(above.number, above.slot, pair[0][0]), (below.number, below.slot, pair[1][0])]
    if not values:
        raise NoRatioError(f"no model states {quantity} on both sides")
    # Of two figures that share some models, the claim is about all of the larger one: its recording has them all.
    declared = max(len(side.figure.models) for side in (above, below))
    return Ratios(values, sizes, tuple(used), enough(len(values), above, declared, every))


def ratio(wanted: how.Ratio, evidence: Evidence, number: str) -> Number:
    """Mean, least or largest ratio over the models."""
    every = wanted.reduce != "mean"
    found = ratios(evidence, number, wanted.quantity, wanted.over, wanted.under, wanted.under_quantity, every)
    return Number(REDUCE[wanted.reduce](found.values.values()), found.used, partial=found.partial)


def farthest_ratio(wanted: how.FarthestRatio, evidence: Evidence, number: str) -> Number:
    """The mean ratio that is farthest from 1. A step that not both sides have is named."""
    found = {}
    for name in wanted.quantities:
        try:
            found[name] = ratios(evidence, number, name, wanted.over, wanted.under)
        except NoRatioError:  # a step that this engine does not have
            continue
    if not found:
        raise NotMeasuredError(f"no step of {', '.join(wanted.quantities)} on both sides")
    means = {name: fmean(of_models.values.values()) for name, of_models in found.items()}
    farthest = max(means, key=lambda name: abs(means[name] - 1))
    absent = [name for name in wanted.quantities if name not in found]
    steps = f"{len(found)} of {len(wanted.quantities)} steps, without {', '.join(absent)}" if absent else ""
    partial = "; ".join(part for part in (found[farthest].partial, steps) if part)
    return Number(means[farthest], found[farthest].used, (f"farthest: {farthest}",), partial)


def ratio_line(wanted: how.RatioLine, evidence: Evidence, number: str) -> Number:
    """Pearson's r of the ratios against a size."""
    found = ratios(evidence, number, wanted.quantity, wanted.over, wanted.under)
    points = [
        (model, found.sizes[model][wanted.x], value)
        for model, value in found.values.items()
        if wanted.x in found.sizes[model]
    ]
    if len(points) < LEAST_POINTS:
        raise NotMeasuredError(f"{len(points)} models on both sides; a line needs {LEAST_POINTS}")
    return Number(line_through(points).r, found.used, partial=found.partial)


def shift_gap(wanted: how.ShiftGap, evidence: Evidence, number: str) -> Number:
    """How much farther above 1 one mean ratio is than another is from 1."""
    one = ratios(evidence, number, wanted.quantity, wanted.over, wanted.under)
    other = ratios(evidence, number, wanted.quantity, wanted.other_over, wanted.other_under)
    # Not the distance of the first from 1, too: of noisy repeats on both sides of 1 that would hide the spread.
    gap = fmean(one.values.values()) - 1 - abs(fmean(other.values.values()) - 1)
    return Number(gap, one.used + other.used, partial=one.partial or other.partial)
