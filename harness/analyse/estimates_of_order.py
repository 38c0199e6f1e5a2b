"""Estimators of order: which quantity is larger, and whether one rises."""

from itertools import pairwise, product
from statistics import fmean

from harness.analyse.claimed_starts import Number, find, points_of, seconds_of, settings_of, step_seconds
from harness.analyse.estimates_of_ratios import ratios
from harness.analyse.evidence import Evidence, NotMeasuredError
from harness.spec import estimates as how
from harness.spec.estimates import Starts


def order(wanted: how.Order, evidence: Evidence, number: str) -> Number:
    """The share of pairs in the claimed order."""
    names = [name for group in wanted.groups for name in group]
    values: dict[str, float]
    if wanted.over and wanted.under:
        each = [ratios(evidence, number, name, wanted.over, wanted.under) for name in names]
        values = {name: fmean(found.values.values()) for name, found in zip(names, each, strict=True)}
        used, partial = each[0].used, each[0].partial
    else:
        found = find(evidence, number, Starts())
        told = {name: step_seconds(found.only(), name) for name in names}
        values, used = {name: value for name, value in told.items() if value is not None}, found.used
        partial = ""
    if absent := [name for name in names if name not in values]:
        raise NotMeasuredError(f"these starts do not state {absent[0]}")
    pairs = [
        (values[larger], values[smaller])
        for at, group in enumerate(wanted.groups)
        for later in wanted.groups[at + 1 :]
        for larger, smaller in product(group, later)
    ]
    return Number(sum(larger > smaller for larger, smaller in pairs) / len(pairs), used, partial=partial)


def rising(wanted: how.Rising, evidence: Evidence, number: str) -> Number:
    """The share of steps that do not fall."""
    if wanted.versions:
        found = [find(evidence, number, Starts(version=version)) for version in wanted.versions]
        values = [seconds_of(each.only(), wanted.quantity) for each in found]
        used, declared = tuple(one for each in found for one in each.used), len(values)
    else:
        cases = find(evidence, number, Starts())
        points = sorted((x, y) for *_, x, y in points_of(cases, wanted.quantity, "captured_sizes", cases.cases))
        values, used, declared = [value for _, value in points], cases.used, settings_of(cases.figure)
    known = [value for value in values if value is not None]
    if len(known) < 3 or len(known) < len(values):
        raise NotMeasuredError(f"{len(known)} points with {wanted.quantity}, needs {max(3, len(values))}")
    steps = list(pairwise(known))
    partial = f"{len(known)} of {declared} settings" if len(known) < declared else ""
    return Number(sum(after >= before for before, after in steps) / len(steps), used, partial=partial)
