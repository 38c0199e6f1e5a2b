"""What to know of the starts behind a number: odd ones, and a machine that changed while they were made.

Nothing is left out because of it; a verdict that rests on such starts says so.
"""

from collections.abc import Iterable
from dataclasses import replace
from statistics import fmean

from harness.analyse.claimed_starts import Used
from harness.analyse.dataset import MEASURED, TOTAL, CaseData, Side
from harness.analyse.forecast_starts import starts_of
from harness.analyse.forecast_states import sort_starts
from harness.analyse.paper_average import seconds
from harness.analyse.stats import drift, outliers
from harness.record.slotfacts import AT_ONCE

_NAMED = 3  # odd starts that are named one by one
_STATE = "storage state"  # in the reason of a start that was set aside for it


def flags_of(used: Used) -> tuple[str, ...]:
    """Per slot: odd repeats by their total, its drift over the order of the repeats, slots measured at once."""
    slots: dict[tuple[str, str], list[CaseData]] = {}
    for figure, slot, case in used:
        cases = slots.setdefault((figure, slot), [])
        if case not in cases:
            cases.append(case)
    return tuple(flag for (figure, slot), cases in slots.items() for flag in _flags(f"figure {figure} {slot}", cases))


def storage_flags(used: Used) -> tuple[str, ...]:
    """Models whose weights were loaded in another storage state than most: of one slot, by declaration or bandwidth."""
    slots: dict[tuple[str, str], list[CaseData]] = {}
    for figure, slot, case in used:
        slots.setdefault((figure, slot), []).append(case)
    flags = []
    for (figure, slot), cases in slots.items():
        counted = [replace(case, repeats=tuple(r for r in case.repeats if r.kind == MEASURED)) for case in cases]
        found = sort_starts(starts_of(Side(slot, "mine", "", tuple(counted))))
        flags += [
            f"figure {figure} {slot}: {flag.model} {flag.reason}" for flag in found.flags if _STATE in flag.reason
        ]
    return tuple(dict.fromkeys(flags))


def _flags(where: str, cases: Iterable[CaseData]) -> list[str]:
    totals = [(case, values) for case in cases if (values := _totals(case))]
    odd = [
        f"{case.model} #{at + 1} ({values[at]:.1f} s)"
        for case, values in totals
        for at in outliers(values, samples=len(totals))
    ]
    flags = []
    if odd:
        more = f" and {len(odd) - _NAMED} more" if len(odd) > _NAMED else ""
        flags.append(f"{where}: odd starts: {', '.join(odd[:_NAMED])}{more}")
    rounds = min((len(values) for _, values in totals), default=0)
    relative = [fmean(values[at] / fmean(values) for _, values in totals) for at in range(rounds)]
    if (found := drift(relative)) and found.is_clear:
        flags.append(f"{where}: starts drift by {found.per_repeat:+.1%} from repeat to repeat")
    if any(case.parameters.get("parallel") == AT_ONCE for case, _ in totals):
        flags.append(f"{where}: both slots {AT_ONCE}")
    return flags


def _totals(case: CaseData) -> list[float]:
    found = [seconds(repeat, TOTAL) for repeat in case.repeats if repeat.kind == MEASURED]
    return [value for value in found if value]
