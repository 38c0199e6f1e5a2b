"""What the evidence says about two badges of the ACM, as a proposal: the evaluator grants them, nobody else.

*Artifacts Evaluated – Functional*: documented, consistent, complete, exercisable. What can be read off data is that it
was exercised here and that its results are consistent; the rest is for a person.
*Results Reproduced*: the main results were obtained by others than the authors, using the artifact.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.analyse.judged import VERDICTS, Judged, Verdict
from harness.analyse.known_runs import KnownRun

_LEAST_EXPLAINED = 0.99  # of exec→ready, of every start: what no hook explains could hide a phase
_CONFIRMED: tuple[Verdict, ...] = ("reproduced", "same shape")


@dataclass(frozen=True)
class Point:
    """One thing that a badge rests on. ``met`` None: it cannot be told."""

    met: bool | None
    text: str


@dataclass(frozen=True)
class Badge:
    """A proposal: whether the evidence supports the badge, and each thing that it rests on."""

    name: str
    title: str  # as the ACM words it
    supported: bool
    points: tuple[Point, ...]


def functional(figure_2: Sequence[KnownRun], own_command: str) -> Badge:
    """``figure_2``: the starts of figure 2 that were made on this machine; ``own_command``: what makes them."""
    measured = [run for run in figure_2 if run.kind == "measured"]
    counted = [run for run in measured if run.counts]
    ran = Point(
        bool(counted),
        f"`{own_command}` ran here: measured starts that count: {len(counted)}"
        if counted
        else f"`{own_command}` has not given a start that counts here",
    )
    finished = [run for run in figure_2 if run.status == "ok" and run.certificate]
    held = [run for run in finished if run.counts]
    proved = Point(
        None if not figure_2 else bool(held) and not any(run.counts and not run.certificate for run in figure_2),
        f"state certificates hold for {len(held)} of {len(finished)} finished starts of figure 2; "
        "where the proof failed, the start is kept and not averaged"
        if finished
        else "no start of figure 2 carries a state certificate",
    )
    shares = [share for run in counted if (share := run.unattributed_share) is not None]
    explained = Point(
        None if not shares else 1 - max(shares) >= _LEAST_EXPLAINED,
        f"{100 * (1 - max(shares)):.2f} % of exec→ready is explained in the least explained measured start "
        f"(at least {100 * _LEAST_EXPLAINED:.0f} % wanted)"
        if shares
        else "no traced start whose share of explained time could be told",
    )
    failed = [run for run in figure_2 if run.status != "ok"]
    points = (ran, proved, explained, *([Point(None, f"{_starts(len(failed))} of figure 2 failed")] if failed else []))
    return Badge(
        "functional",
        "Artifacts Evaluated – Functional",
        all(point.met for point in (ran, proved, explained)),
        points,
    )


def reproduced(judged: Sequence[Judged], originals_on_gpu: bool) -> Badge:
    """``originals_on_gpu``: whether the judged starts are of original weights on a GPU engine."""
    counts = Counter(each.verdict for each in judged)
    confirmed = sum(counts[verdict] for verdict in _CONFIRMED)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    shares = Point(
        bool(judged) and confirmed == len(judged),
        f"{confirmed} of {len(judged)} claims reproduced or of the same shape ({told})"
        if judged
        else "no claim judged",
    )
    against = [each.claim.id for each in judged if each.verdict == "contradicted"]
    contradicted = Point(
        not against if confirmed or against else None,
        f"contradicted here: {', '.join(against)}" if against else "no claim is contradicted",
    )
    hardware = Point(
        originals_on_gpu,
        "measured with original weights on a GPU engine"
        if originals_on_gpu
        else "what was measured here is of structural twins or of the CPU engine: that can support shapes, not results",
    )
    points = (shares, contradicted, hardware)
    return Badge("reproduced", "Results Reproduced", all(point.met for point in points), points)


def _starts(number: int) -> str:
    return f"{number} start{'s' if number != 1 else ''}"
