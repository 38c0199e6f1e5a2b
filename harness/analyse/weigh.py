"""From a claim's point and the interval around it to a verdict, and how many more repeats one would take."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.analyse.judged import Verdict
from harness.analyse.stats import Bounds as Interval
from harness.analyse.stats import Scale, interval, runs_needed, summarise, to_scale
from harness.spec.claims import Bounds, Claim
from harness.spec.estimates import Order, Rising, Share

_SCALES: dict[str, Scale] = {"ratio": "log", "linear": "correlation"}
_Place = Literal["in", "unsure", "out"]
_Ends = tuple[float | None, float | None]  # None: open


@dataclass(frozen=True)
class Weighed:
    """A verdict, the ``bounds`` that decided it, and how far the interval of a point in them may ``reach``."""

    verdict: Verdict
    bounds: Bounds
    reach: _Ends


def interval_around(claim: Claim, repeats: Sequence[float], point: float) -> Interval | None:
    """The 95 % interval over the repeats on the number's own scale, laid around the point; None if there is none."""
    around = interval(repeats, _scale(claim), point)
    if around and isinstance(claim.estimate, Share | Order | Rising):  # a part of a whole
        return max(around[0], 0.0), min(around[1], 1.0)
    return around


def weigh(claim: Claim, point: float, around: Interval | None, shape_only: bool, repeatable: bool = True) -> Weighed:
    """The verdict on a point.

    ``shape_only``: it cannot reproduce the number. ``repeatable``: there could be an interval; without it, a point
    outside the bounds says nothing. A point that has none by its nature is all that there will ever be.
    """
    tolerance, allowed = claim.tolerance, _allowance(claim.tolerance, claim.paper)
    place = "out" if shape_only else _place(tolerance, allowed, point, around, repeatable)
    if place == "in":
        return Weighed("reproduced", tolerance, allowed)
    shape = claim.shape or (tolerance if shape_only else None)
    ends: _Ends = (shape.low, shape.high) if shape else allowed
    in_shape = _place(shape, ends, point, around, repeatable) if shape else "out"
    if shape and in_shape == "in":
        return Weighed("same shape", shape, ends)
    verdict: Verdict = "inconclusive" if "unsure" in (place, in_shape) else "contradicted"
    return Weighed(verdict, shape or tolerance, ends)


def more_repeats(claim: Claim, weighed: Weighed, point: float, repeats: Sequence[float]) -> int | None:
    """How many more would decide it, if they spread like these: until the interval is narrower than the gap."""
    scale = _scale(claim)
    if scale == "log" and min(point, *repeats) <= 0:
        return None
    summary = summarise(to_scale(value, scale) for value in repeats)
    if summary is None or not summary.sd:
        return None
    inside = weighed.bounds.holds(point)
    ends = weighed.reach if inside else (weighed.bounds.low, weighed.bounds.high)
    known = [end for end in ends if end is not None and (scale != "log" or end > 0)]
    gaps = [abs(to_scale(point, scale) - to_scale(end, scale)) for end in known]
    needed = runs_needed(summary.sd, min(gaps)) if gaps else None
    return max(needed - summary.n, 1) if needed else None


def _allowance(tolerance: Bounds, paper: float) -> _Ends:
    """How far an interval may reach out of a tolerance: by its width, the distance from the paper's value to the end.

    Only out of a tolerance. A shape's end is where the finding stops, and beyond it lies the opposite one.
    """
    low, high = tolerance.low, tolerance.high
    return (None if low is None else 2 * low - paper), (None if high is None else 2 * high - paper)


def _place(bounds: Bounds, reach: _Ends, point: float, around: Interval | None, repeatable: bool) -> _Place:
    if around is None:
        return "in" if bounds.holds(point) else "unsure" if repeatable else "out"
    low, high = around
    if bounds.holds(point):
        below = reach[0] is not None and low < reach[0]
        above = reach[1] is not None and high > reach[1]
        return "unsure" if below or above else "in"
    apart = (bounds.low is not None and high < bounds.low) or (bounds.high is not None and low > bounds.high)
    return "out" if apart else "unsure"


def _scale(claim: Claim) -> Scale:
    if claim.kind == "linear" and getattr(claim.estimate, "what", "r") == "slope":
        return "linear"
    return _SCALES.get(claim.kind, "linear")
