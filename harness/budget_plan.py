"""``run_figure.sh NUM --budget MINUTES``: of what a call asks for, the part that fits, and how it went.

What counts is claims that can be decided on this machine. Choosing: ``harness.analyse.budget``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from harness.analyse.budget import Candidate, Chosen, Cost, choose, part_of
from harness.analyse.claimed_starts import LEAST_POINTS
from harness.analyse.evidence import Device, Evidence
from harness.analyse.judge import best_verdict
from harness.engine.real_weights import has_real_weights
from harness.errors import HarnessError
from harness.figure_cases import Asked
from harness.figure_plan import Planned, case_key
from harness.measure.case import Options
from harness.record.run import Run
from harness.spec.claims import Claim
from harness.spec.estimates import PredictionError, Starts


@dataclass(frozen=True)
class Budgeted:
    """The call, cut to its budget: figures with the points that were chosen, options with the repeats that fit."""

    asked: list[Asked]
    options: Options
    chosen: Chosen
    planned: list[Planned]
    left_out: tuple[tuple[str, str], ...]  # claim that could be decided here, and why it is not among the chosen


def within_budget(
    asked: list[Asked],
    planned: list[Planned],
    options: Options,
    budget_s: float,
    claims: Iterable[Claim],
    evidence: Evidence,
    models: Path,
) -> Budgeted:
    """Cut the call to ``budget_s``. ``evidence``: what is measured already; ``models``: the folder of model files.

    Raises:
        HarnessError: not one claim of these figures can be decided here, or none in this time; says what would do.
    """
    candidates = list(_candidates(asked, claims, evidence, models))
    if not candidates:
        names = ", ".join(each.number for each in asked)
        raise HarnessError(f"no claim about figure {names} can be decided on this machine (python -m harness claims)")
    costs = {each.key: each.cost for each in planned}
    iterations = max(options.iterations_of(each.figure) for each in asked)
    chosen = choose(costs, candidates, budget_s, iterations)
    if chosen is None:
        least = min(_seconds(costs, part_of(candidate, costs), 1) for candidate in candidates) / 60
        raise HarnessError(
            f"--budget {budget_s / 60:g}: the shortest comparison takes about {least:.0f} minutes of starts; "
            "give more, or measure a few models without a claim: --smoke"
        )
    cut = [
        replace(each, points=tuple(point for point in each.points if case_key(each, point) in chosen.cases))
        for each in asked
    ]
    left_out = [
        (each.claim, f"{_seconds(costs, each, chosen.iterations) / 60:.0f} minutes by itself")
        for each in candidates
        if each.claim not in chosen.claims
    ]
    kept = [each for each in planned if each.key in chosen.cases]
    return Budgeted(cut, replace(options, iterations=chosen.iterations), chosen, kept, tuple(left_out))


def print_budgeted(budgeted: Budgeted, budget_s: float, console: Console) -> None:
    """The plan, before anything is started."""
    chosen = budgeted.chosen
    table = Table("figures", "model", "starts", "minutes")
    for each in budgeted.planned:
        missing = max(0, chosen.iterations - each.cost.stored)
        warm_up = "1 + " if missing and each.cost.warm_up_s else ""
        minutes = each.cost.seconds(chosen.iterations) / 60
        table.add_row(",".join(each.figures), each.model, f"{warm_up}{missing}", f"{minutes:.1f}")
    console.print(table)
    part = "" if chosen.whole else ", each by a part of its models: no whole comparison fits"
    console.print(
        f"budget {budget_s / 60:g} minutes: {chosen.seconds / 60:.1f} minutes of starts, {chosen.iterations} measured "
        f"per case, for {', '.join(chosen.claims)}{part}",
        soft_wrap=True,
    )
    for claim, why in budgeted.left_out:
        console.print(f"left out: {claim} ({why})", soft_wrap=True)


def print_outcome(budgeted: Budgeted, runs: Sequence[Run], whole_s: float, console: Console) -> None:
    """Predicted against actual, case by case, after the starts were made. ``whole_s``: of the whole measuring."""
    if not runs:
        return
    table = Table("model", "predicted, minutes", "took", "difference")
    predicted_s = took_s = 0.0
    for each in budgeted.planned:
        predicted = each.cost.seconds(budgeted.chosen.iterations)
        took = sum(run.wall_s for run in runs if run.case.get("model") == each.model)
        if predicted and took:
            predicted_s, took_s = predicted_s + predicted, took_s + took
            table.add_row(each.model, f"{predicted / 60:.1f}", f"{took / 60:.1f}", f"{took / predicted - 1:+.0%}")
    console.print(table)
    if predicted_s:
        console.print(
            f"predicted {predicted_s / 60:.1f} minutes of starts, took {took_s / 60:.1f} "
            f"({took_s / predicted_s - 1:+.0%}); with preparations {whole_s / 60:.1f}",
            soft_wrap=True,
        )


def _seconds(costs: dict[str, Cost], candidate: Candidate, iterations: int) -> float:
    return sum(costs[case].seconds(iterations) for case in candidate.cases)


def _candidates(
    asked: Sequence[Asked], claims: Iterable[Claim], evidence: Evidence, models: Path
) -> Iterator[Candidate]:
    """The claims that starts of these figures decide, with all their cases there."""
    by_number = {each.number: each for each in asked if each.points}
    for claim in claims:
        needed = set(_needed(claim.estimate, claim.figure))
        here = [by_number[number] for number, slot in needed if _is_asked(by_number, number, slot)]
        there = [(number, slot) for number, slot in needed if not _is_asked(by_number, number, slot)]
        if not here or any(not _is_there(evidence, number, slot) for number, slot in there):
            continue
        points = [(each, point) for each in here for point in each.points]
        device: Device = "cpu" if any(point.pin.device == "cpu" for _, point in points) else "cuda"
        twins = not all(has_real_weights(point.model, models) for _, point in points)
        if best_verdict(claim, device, twins) == "not run":
            continue
        cases = tuple(dict.fromkeys(case_key(each, point) for each, point in points))
        yield Candidate(claim.id, cases, min(LEAST_POINTS, len(cases)))


def _is_asked(asked: dict[str, Asked], number: str, slot: str | None) -> bool:
    return number in asked and slot in (None, asked[number].slot)


def _is_there(evidence: Evidence, number: str, slot: str | None) -> bool:
    slots = evidence.sides.get(number, {})
    return bool(slots) if slot is None else slot in slots


def _needed(part: BaseModel, figure: str) -> Iterator[tuple[str, str | None]]:
    """Figure and slot of every set of starts that an estimate names; the claim's own figure where it names none."""
    named = [value for _, value in part if isinstance(value, Starts)]
    if (figure != "all" and not named) or isinstance(part, PredictionError):  # which trains on the claim's figure
        yield figure, None
    for starts in named:
        yield starts.figure or figure, starts.slot
