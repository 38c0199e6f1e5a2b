"""Claims → verdicts.

The point is the claim's number over the means of all repeats, as the paper computes it. Its interval is over repeats:
each repeat gives one estimate, and their spread, on the number's own scale, is laid around the point.

    reproduced     the point is within the claim's tolerance, and the interval with it
    same shape     not that (or a twin or a CPU engine cannot say), but the interval is within the same finding's bounds
    contradicted   the interval is outside both
    inconclusive   the interval reaches so far that more repeats are needed to say; or the point is outside without one
    not run        the claim is not about what was started here; the reason says what is lacking

An interval may reach out of a tolerance by as much as the paper's own value lies within it (a tolerance width), and not
at all out of a shape. How: ``harness.analyse.weigh``.
"""

from collections.abc import Iterable, Sequence

from harness.analyse.claimed_starts import Number, Used, left_out
from harness.analyse.data_flags import flags_of, storage_flags
from harness.analyse.estimators import estimate
from harness.analyse.evidence import Device, Evidence, Here, NotMeasuredError, Origin, measured
from harness.analyse.judged import Judged, Verdict
from harness.analyse.stats import Bounds as Interval
from harness.analyse.weigh import Weighed, interval_around, more_repeats, weigh
from harness.spec.claims import Claim
from harness.spec.estimates import PredictionError, Starts

NO_GPU, TWIN, OTHER_MACHINE = "no GPU", "twin", "another machine"


def judge_all(claims: Iterable[Claim], evidence: Evidence, here: Here) -> list[Judged]:
    """Every claim's verdict. ``here``: the machine on which this is asked, for claims without any start."""
    return [judge(claim, evidence, here) for claim in claims]


def judge(claim: Claim, evidence: Evidence, here: Here) -> Judged:
    """One claim's verdict."""
    try:
        number = estimate(claim.estimate, evidence, claim.figure)
    except NotMeasuredError as error:
        return Judged(claim, "not run", None, None, 0, _why_not(claim, error, evidence, here))
    limit = _limit(claim, number.used, [evidence.origins[figure, slot] for figure, slot, _ in number.used])
    if limit and not _only_shape(claim, limit):
        return Judged(claim, "not run", None, None, 0, limit)
    if number.repeatable and (apart := _apart(number.used, evidence)):
        return Judged(claim, "not run", None, None, 0, apart)
    repeats, lost = _per_repeat(claim, evidence, number)
    around = interval_around(claim, repeats, number.value) if number.repeatable else None
    n = len(repeats) if number.repeatable else min(measured(case) for _, _, case in number.used)
    states = storage_flags(number.used) if "weights" in claim.rests_on else ()
    limits = [f"{limit}: at most the shape"] if limit else []
    flags = (*number.notes, *lost, *left_out(evidence, number.used), *states, *flags_of(number.used), *limits)
    weighed = weigh(claim, number.value, around, limit is not None or number.shape_only, number.repeatable)
    verdict = weighed.verdict
    if verdict in ("reproduced", "same shape") and states and claim.states == "one":
        reason = "weights were loaded in more than one storage state; measure those models again"
        return Judged(claim, "inconclusive", number.value, around, max(n, 1), reason, flags)
    more = more_repeats(claim, weighed, number.value, repeats) if verdict == "inconclusive" and around else None
    doubt = _doubt(number, around, n)
    reason = f"{_reason(claim, weighed, around, more)}{f'; {number.partial}' if number.partial else ''}{doubt}"
    return Judged(claim, verdict, number.value, around, max(n, 1), reason, flags, more)


def _why_not(claim: Claim, error: NotMeasuredError, evidence: Evidence, here: Here) -> str:
    """Why there is no number: damage, what this machine lacks for it, or what would have to be measured."""
    if evidence.recorded or error.what in evidence.problems.values():
        return error.what
    twins = next((figure for figure in _figures_of(claim) if _of_twins(figure, evidence, here)), None)
    lacking = _lacking(claim, here.device, twins is not None)
    if lacking and lacking.startswith(TWIN):
        lacking += f" (python3 download_models.py --figure {twins})"
    return lacking or str(error)


def _figures_of(claim: Claim) -> tuple[str, ...]:
    """The figures whose starts the claim's number is taken from."""
    named = [starts.figure or claim.figure for starts in vars(claim.estimate).values() if isinstance(starts, Starts)]
    trained = [claim.figure] if isinstance(claim.estimate, PredictionError) else []
    return tuple(dict.fromkeys([*named, *trained])) or (claim.figure,)


def _of_twins(figure: str, evidence: Evidence, here: Here) -> bool:
    """Whether the figure's starts are of twins, or would be here. (A second slot will be of the first one's models.)"""
    if cases := [case for side in evidence.sides.get(figure, {}).values() for case in side.cases]:
        return any(case.twin for case in cases)
    models = evidence.figures[figure].models if figure in evidence.figures else ()
    return any(model not in here.real_models for model in models)


def _apart(used: Used, evidence: Evidence) -> str | None:
    """Why starts of several figures cannot be held against each other: they are of several machines or engines."""
    origins: dict[str, set[tuple[str, str, bool]]] = {}
    for number, slot, case in used:
        figure = evidence.figures[number]
        if figure.differ in ("gpu", "cpu") and slot != figure.slots[0]:  # the other node, which is to differ
            continue
        made = (evidence.origins[number, slot].node, case.engine, case.twin)
        origins.setdefault(number, set()).add(made)
    (first, facts), *others = origins.items()
    for number, other in others:
        if other != facts:
            words = " and ".join(f"figure {name} is of {_told(of)}" for name, of in ((first, facts), (number, other)))
            return f"{words}: measure both on one machine, with one engine"
    return None


def _told(facts: set[tuple[str, str, bool]]) -> str:
    return ", ".join(
        f"{node}{f' vLLM {engine}' if engine else ''}{' twins' if twin else ''}" for node, engine, twin in sorted(facts)
    )


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


def _per_repeat(claim: Claim, evidence: Evidence, number: Number) -> tuple[list[float], list[str]]:
    """One estimate of each repeat that has every case behind the number, and which repeats do not.

    A repeat that lacks a case is no estimate: an interval must not be over models.
    """
    whole = sorted((figure, slot, case.model, repr(case.parameters)) for figure, slot, case in number.used)
    out, lost = [], []
    for at in range(min(measured(case) for _, _, case in number.used)):
        try:
            one = estimate(claim.estimate, evidence.of_repeat(at), claim.figure)
        except NotMeasuredError:  # that repeat alone does not say it
            lost.append(at + 1)
            continue
        if sorted((figure, slot, case.model, repr(case.parameters)) for figure, slot, case in one.used) == whole:
            out.append(one.value)
        else:
            lost.append(at + 1)
    flags = [f"repeat {', '.join(map(str, lost))} lacks a part of it and is not in the interval"] if lost else []
    return out, flags if number.repeatable else []


def _reason(claim: Claim, weighed: Weighed, around: Interval | None, more: int | None) -> str:
    bounds = weighed.bounds
    if weighed.verdict == "reproduced":
        return f"within {bounds}{', the known failure recurs' if claim.known_failure else ''}"
    if weighed.verdict == "same shape":
        return f"within {bounds}, the bounds of the same finding on other hardware"
    if weighed.verdict == "contradicted":
        return f"outside {bounds}"
    if around is None:
        return f"outside {bounds}, which a point alone does not show"
    runs = f"about {more} more repeats would decide" if more else "repeats alone will hardly decide"
    return f"the interval crosses {bounds}; {runs}"


def _doubt(number: Number, around: Interval | None, n: int) -> str:
    """Why there is no interval; nothing, if there is one."""
    if around is not None:
        return ""
    if not number.repeatable:
        return "; itself a spread over repeats, no interval"
    counts = {case.model: measured(case) for _, _, case in number.used}
    if n <= 1 and max(counts.values()) > 1:
        short = min(counts, key=lambda model: counts[model])
        return f"; {short} has {counts[short]} repeat, others up to {max(counts.values())}: no interval"
    return "; one start, no interval" if n <= 1 else "; no interval"
