"""Claims → verdicts.

The point is the claim's number over the means of all repeats, as the paper computes it. Its interval is over repeats:
each repeat gives one estimate, and their spread, on the number's own scale, is laid around the point.

    reproduced     the point is within the claim's tolerance, and the interval with it
    same shape     it is not (or a twin or a CPU engine cannot say), but within the wider bounds of the same finding
    contradicted   the interval is outside both
    inconclusive   the interval reaches so far that more repeats are needed to say
    not run        the claim is not about what was started here; the reason says what is lacking

An interval may reach out of the bounds by as much as the paper's own value lies within them (a tolerance width).
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from harness.analyse.claimed_starts import Number, Used
from harness.analyse.data_flags import flags_of, storage_flags
from harness.analyse.estimators import estimate
from harness.analyse.evidence import Device, Evidence, NotMeasuredError, Origin, measured
from harness.analyse.judged import Judged, Verdict
from harness.analyse.stats import Bounds as Interval
from harness.analyse.stats import Scale, interval, runs_needed, summarise
from harness.spec.claims import Bounds, Claim

NO_GPU, TWIN, OTHER_MACHINE = "no GPU", "twin", "another machine"

_SCALES: dict[str, Scale] = {"ratio": "log", "linear": "correlation"}


def judge_all(claims: Iterable[Claim], evidence: Evidence, here: Device) -> list[Judged]:
    """Every claim's verdict. ``here``: what engines run on where this is asked, for claims without any start."""
    return [judge(claim, evidence, here) for claim in claims]


def judge(claim: Claim, evidence: Evidence, here: Device) -> Judged:
    """One claim's verdict."""
    try:
        number = estimate(claim.estimate, evidence, claim.figure)
    except NotMeasuredError as error:
        lacking = _lacking(claim, here, twins=False) if not evidence.recorded else None
        return Judged(claim, "not run", None, None, 0, lacking or str(error))
    origins = [evidence.origins[figure, slot] for figure, slot, _ in number.used]
    limit = _limit(claim, number.used, origins)
    if limit and not _only_shape(claim, limit):
        return Judged(claim, "not run", None, None, 0, limit)
    repeats = _per_repeat(claim, evidence, number)
    around = interval(repeats, _scale(claim), number.value) if number.repeatable else None
    n = max(len(repeats), 1)
    states = storage_flags(number.used) if "weights" in claim.rests_on else ()
    flags = (*number.notes, *states, *flags_of(number.used), *([f"{limit}: at most the shape"] if limit else []))
    verdict, bounds = _verdict(claim, number.value, around, shape_only=limit is not None)
    more = _more_runs(bounds, claim.paper, number.value, repeats) if verdict == "inconclusive" else None
    reason = _reason(claim, verdict, bounds, around, n, more, number.repeatable)
    return Judged(claim, verdict, number.value, around, n, reason, flags, more)


def _lacking(claim: Claim, device: Device, twins: bool) -> str | None:
    """Which basis of the claim these starts do not have."""
    if device == "cpu" and {"gpu", "graphs"} & set(claim.rests_on):
        return f"{NO_GPU}: rests on GPU work" if "gpu" in claim.rests_on else f"{NO_GPU}: rests on graph capture"
    if twins and "weights" in claim.rests_on:
        return f"{TWIN}: rests on the bytes of real weights"
    return None


def best_verdict(claim: Claim, device: Device, twins: bool, papers_machine: bool = False) -> Verdict:
    """The best that starts on such a machine can say of the claim: reproduced, same shape, or not run."""
    limit = _limit_of(claim, device, twins, papers_machine)
    if limit is None:
        return "reproduced"
    return "same shape" if _only_shape(claim, limit) else "not run"


def _limit(claim: Claim, used: Used, origins: Sequence[Origin]) -> str | None:
    """Why these starts cannot reproduce the number itself; None if they can."""
    device: Device = "cpu" if any(origin.device == "cpu" for origin in origins) else "cuda"
    papers_machine = all(origin.papers_machine for origin in origins)
    return _limit_of(claim, device, any(case.twin for _, _, case in used), papers_machine)


def _limit_of(claim: Claim, device: Device, twins: bool, papers_machine: bool) -> str | None:
    if lacking := _lacking(claim, device, twins):
        return lacking
    if claim.portable == "no" and not papers_machine:
        return f"{OTHER_MACHINE}: {claim.why}"
    if twins:
        return TWIN
    return f"{NO_GPU}: a CPU engine" if device == "cpu" else None


def _only_shape(claim: Claim, limit: str) -> bool:
    """Whether the claim's shape can still be judged under the limit."""
    return claim.portable != "no" and limit in (TWIN, f"{NO_GPU}: a CPU engine")


def _per_repeat(claim: Claim, evidence: Evidence, number: Number) -> list[float]:
    """One estimate of each repeat that every case behind the number has."""
    out = []
    for at in range(min(measured(case) for _, _, case in number.used)):
        try:
            out.append(estimate(claim.estimate, evidence.of_repeat(at), claim.figure).value)
        except NotMeasuredError:  # that repeat alone does not say it
            continue
    return out


def _scale(claim: Claim) -> Scale:
    if claim.kind == "linear" and getattr(claim.estimate, "what", "r") == "slope":
        return "linear"
    return _SCALES.get(claim.kind, "linear")


_Place = Literal["in", "unsure", "out"]


def _verdict(claim: Claim, point: float, around: Interval | None, shape_only: bool) -> tuple[Verdict, Bounds]:
    """The verdict, and the bounds that decided it."""
    tolerance, shape = claim.tolerance, claim.shape or (claim.tolerance if shape_only else None)
    place = _place(tolerance, claim.paper, point, around)
    if place == "in" and not shape_only:
        return "reproduced", tolerance
    in_shape = _place(shape, claim.paper, point, around) if shape else "out"
    if in_shape == "in" and (shape_only or not tolerance.holds(point)):
        return "same shape", shape or tolerance
    if "unsure" in (place if not shape_only else "out", in_shape):
        return "inconclusive", tolerance if place == "unsure" and not shape_only else shape or tolerance
    return "contradicted", shape or tolerance


def _place(bounds: Bounds, paper: float, point: float, around: Interval | None) -> _Place:
    if around is None:
        return "in" if bounds.holds(point) else "out"
    low, high = around
    if bounds.holds(point):
        below = bounds.low is not None and low < bounds.low - (paper - bounds.low)
        above = bounds.high is not None and high > bounds.high + (bounds.high - paper)
        return "unsure" if below or above else "in"
    apart = (bounds.low is not None and high < bounds.low) or (bounds.high is not None and low > bounds.high)
    return "out" if apart else "unsure"


def _more_runs(bounds: Bounds, paper: float, point: float, repeats: Sequence[float]) -> int | None:
    """How many more repeats would decide it, if they spread like these: until the interval is narrower than the gap."""
    summary = summarise(repeats)
    if summary is None or not summary.sd:
        return None
    ends = [(end, abs(paper - end)) for end in (bounds.low, bounds.high) if end is not None]
    inside = bounds.holds(point)
    gap = min(abs(point - end) + (slack if inside else 0.0) for end, slack in ends)
    needed = runs_needed(summary.sd, gap)
    return max(needed - summary.n, 1) if needed else None


def _reason(
    claim: Claim,
    verdict: Verdict,
    bounds: Bounds,
    around: Interval | None,
    n: int,
    more: int | None,
    repeatable: bool,
) -> str:
    if around is not None:
        known = ""
    elif repeatable:
        known = "; one start, no interval" if n == 1 else "; no interval"
    else:
        known = "; itself a spread over repeats, no interval"
    if verdict == "reproduced":
        failing = ", the known failure recurs" if claim.known_failure else ""
        return f"within {bounds}{failing}{known}"
    if verdict == "same shape":
        return f"within {bounds}, the bounds of the same finding on other hardware{known}"
    if verdict == "contradicted":
        return f"outside {bounds}{known}"
    runs = f"about {more} more repeats would decide" if more else "repeats alone will hardly decide"
    return f"the interval crosses {bounds}; {runs}"
