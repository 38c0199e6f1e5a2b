"""``run_figure.sh NUM --budget MINUTES``: of what a call asks for, the part that fits, and how it went.

What counts is claims that can be decided on this machine. Choosing: ``harness.analyse.budget``.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table

from harness.analyse.budget import Candidate, Chosen, Cost, choose, is_measured, least_seconds, whole_seconds
from harness.analyse.evidence import Evidence
from harness.commands.figure.budget_claims import Machine, candidates
from harness.commands.figure.cases import Asked
from harness.commands.figure.plan import Planned, case_key, runs_of
from harness.errors import HarnessError
from harness.measure.case import Options
from harness.record.run import Run
from harness.spec.claims import Claim

MOST_S = 7 * 24 * 3600.0


@dataclass(frozen=True)
class Budgeted:
    """The call, cut to its budget: figures with the points that were chosen, options with the repeats that fit."""

    asked: list[Asked]
    options: Options
    chosen: Chosen
    planned: list[Planned]
    left_out: tuple[tuple[str, str], ...]  # claim that could be decided here, and why it is not among the chosen
    measured: tuple[str, ...]  # claims for which nothing is left to start
    elsewhere: tuple[tuple[str, str], ...]  # chosen claim that needs another slot too, and the command that measures it


def check_budget(budget_s: float) -> None:
    """Raise HarnessError unless it is a time that somebody would wait."""
    if not 0 < budget_s <= MOST_S:
        raise HarnessError(
            f"--budget {budget_s / 60:g}: give minutes, more than 0 and at most {MOST_S / 60:g} (a week)"
        )


def within_budget(
    asked: list[Asked],
    planned: list[Planned],
    options: Options,
    budget_s: float,
    claims: Iterable[Claim],
    evidence: Evidence,
    machine: Machine,
) -> Budgeted:
    """Cut the call to ``budget_s``. ``evidence``: what is measured already.

    Raises:
        HarnessError: not one claim of these figures can be decided here, or none in this time; says what would do.
    """
    iterations = max(options.iterations_of(each.figure) for each in asked)
    found = [each for each in candidates(asked, claims, evidence, machine) if each.needs.repeats <= iterations]
    if not found:
        raise HarnessError(_nothing_decides(asked, options))
    costs = {each.key: each.cost for each in planned}
    undecided = [each for each in found if not is_measured(each, costs, iterations)]
    chosen = choose(costs, undecided, budget_s, iterations) if undecided else Chosen((), iterations, (), 0.0)
    if chosen is None:
        least = min(least_seconds(candidate, costs, iterations) for candidate in undecided) / 60
        raise HarnessError(
            f"--budget {budget_s / 60:g}: the shortest comparison takes about {least:.3g} minutes of starts; "
            "give more, or measure a few models without a claim: --smoke"
        )
    stored = {each.key for each in planned if each.stored}
    rest = [each for each in found if each.claim not in chosen.claims]
    measured = [each for each in rest if is_measured(each, costs, chosen.iterations)]
    return Budgeted(
        [_cut(each, chosen.cases, stored) for each in asked],
        replace(options, iterations=chosen.iterations),
        chosen,
        [each for each in planned if each.key in chosen.cases],
        tuple((each.claim, _minutes(each, costs, chosen.iterations)) for each in rest if each not in measured),
        tuple(each.claim for each in measured),
        tuple(_elsewhere([each for each in found if each.claim in chosen.claims], evidence, budget_s)),
    )


def _nothing_decides(asked: Sequence[Asked], options: Options) -> str:
    given = {
        "--models": options.models,
        "--smoke": options.smoke,
        "--iterations 1": options.iterations == 1,
        "--storage": options.storage,
        "--mode": options.mode == "serve",
        "--eager": options.eager,
        "--drop-caches": options.drop_caches,
    }
    less = " or ".join(option for option, narrows in given.items() if narrows)
    where = f"by these starts: try without {less}" if less else "on this machine (python3 harness claims)"
    return f"no claim about figure {', '.join(each.number for each in asked)} can be decided {where}"


def _cut(asked: Asked, chosen: Collection[str], stored: Collection[str]) -> Asked:
    """The chosen points, and those that are stored: a slot holds what it is given, and would lose them."""
    points = [(point, case_key(asked, point)) for point in asked.points]
    kept = tuple(point for point, key in points if key in stored and key not in chosen)
    return replace(asked, points=tuple(point for point, key in points if key in chosen), kept=kept)


def _minutes(candidate: Candidate, costs: Mapping[str, Cost], iterations: int) -> str:
    seconds = whole_seconds(candidate, costs, max(iterations, candidate.needs.repeats))
    return f"{seconds / 60:.0f} minutes by itself"


def _elsewhere(candidates: Iterable[Candidate], evidence: Evidence, budget_s: float) -> Iterator[tuple[str, str]]:
    for each in candidates:
        if each.needs.elsewhere:
            number, slot = each.needs.elsewhere
            figure = evidence.figures[number]
            node = "" if figure.differ == "storage" else " on the second node"
            command = f"bash run_figure.sh {number} {figure.slots.index(slot)} --budget {budget_s / 60:g}{node}"
            yield each.claim, command


def print_budgeted(budgeted: Budgeted, budget_s: float, console: Console) -> None:
    """The plan, before anything is started."""
    chosen = budgeted.chosen
    if budgeted.planned:
        table = Table("figures", "model", "setting", "starts", "minutes")
        for each in budgeted.planned:
            missing = max(0, chosen.iterations - each.cost.stored)
            warm_up = "1 + " if missing and each.cost.warm_up_s else ""
            minutes = each.cost.seconds(chosen.iterations) / 60
            table.add_row(",".join(each.figures), each.model, each.setting, f"{warm_up}{missing}", f"{minutes:.1f}")
        console.print(table)
        claims = [
            each.claim + ("" if each.whole else f" (by {each.points} of {each.declared})") for each in chosen.decided
        ]
        console.print(
            f"budget {budget_s / 60:g} minutes: {chosen.seconds / 60:.1f} minutes of starts, {chosen.iterations} "
            f"measured per case, for {', '.join(claims)}",
            soft_wrap=True,
        )
    if budgeted.measured:
        nothing = "" if budgeted.planned else "; nothing to start (--again measures a new session)"
        console.print(f"already measured: {', '.join(budgeted.measured)}{nothing}", soft_wrap=True)
    for claim, command in budgeted.elsewhere:
        console.print(f"{claim} needs the other slot too: {command}", soft_wrap=True)
    for claim, why in budgeted.left_out:
        console.print(f"left out: {claim} ({why})", soft_wrap=True)


def print_outcome(budgeted: Budgeted, runs: Sequence[Run], whole_s: float, console: Console) -> None:
    """Predicted against actual, case by case, after the starts were made. ``whole_s``: of the whole measuring."""
    if not runs:
        return
    table = Table("model", "setting", "predicted, minutes", "took", "difference")
    predicted_s = took_s = 0.0
    for each in budgeted.planned:
        predicted = each.cost.seconds(budgeted.chosen.iterations)
        took = sum(run.wall_s for run in runs_of(each, runs))
        if predicted and took:
            predicted_s, took_s = predicted_s + predicted, took_s + took
            minutes = (f"{predicted / 60:.1f}", f"{took / 60:.1f}", f"{took / predicted - 1:+.0%}")
            table.add_row(each.model, each.setting, *minutes)
    console.print(table)
    if predicted_s:
        console.print(
            f"predicted {predicted_s / 60:.1f} minutes of starts, took {took_s / 60:.1f} "
            f"({took_s / predicted_s - 1:+.0%}); with preparations {whole_s / 60:.1f}",
            soft_wrap=True,
        )
