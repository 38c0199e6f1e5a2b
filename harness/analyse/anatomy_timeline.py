"""A few consecutive engine steps of a level, span by span, in seconds since the first of them.

Which steps: of the detail interval in the middle of the load (or the next that has so many steps) the first ones. So
the same run gives the same steps, and the first steps of a load, which are not like the others, are not shown.
"""

from collections.abc import Iterator
from itertools import pairwise

from harness.analyse.anatomy_level import LevelView, Seen
from harness.analyse.intervals import Interval
from harness.analyse.stages import SCHEDULE
from harness.record.plain import printable
from harness.record.serving_trace import ENGINE
from harness.record.tables import MAX_CELL, Cell

STEPS = 4
MAIN, OTHER = "main", "other"  # threads
_MOST_SPANS = 4000  # of a drawing that can be read; a long prefill has fewer

Row = tuple[Cell, ...]


def shown_steps(view: LevelView) -> Interval | None:
    """From the begin of the first step shown to the end of the last; None: no detail interval has a whole step."""
    begins = [
        span.begin_ns for seen in view.of(ENGINE) for span in seen.spans([SCHEDULE], main=True) if span.told is not None
    ]
    steps = list(pairwise(sorted(begins)))
    seen_whole = view.seen_whole
    middle = len(seen_whole) // 2
    best: list[Interval] = []
    for begin, end in [*seen_whole[middle:], *seen_whole[:middle]]:
        inside = [step for step in steps if begin <= step[0] and step[1] <= end]
        if len(inside) > len(best):
            best = inside
        if len(best) >= STEPS:
            break
    return (best[0][0], best[min(STEPS, len(best)) - 1][1]) if best else None


def timeline_rows(view: LevelView) -> Iterator[Row]:
    """Rows of timeline.csv: outer spans before those within them."""
    shown = shown_steps(view)
    if shown is None:
        return
    begin, end = shown
    facts = view.run.facts
    at = (facts.case, facts.run, view.level.concurrency)
    rows: list[tuple[tuple[int, int], Row]] = []
    for process, seen in _named(view):
        for span in seen.spans():
            first, last = max(span.begin_ns, begin), min(span.end_ns, end)
            if first < last:
                hook = seen.trace.hooks[span.hook]
                thread = MAIN if span.tid == seen.trace.main_tid else OTHER
                what = (process, thread, hook.stage, hook.kind, printable(hook.name, MAX_CELL))
                seconds = ((first - begin) * 1e-9, (last - begin) * 1e-9)
                rows.append(((first, -last), (*at, *what, *seconds)))
    yield from (row for _, row in sorted(rows)[:_MOST_SPANS])


def _named(view: LevelView) -> Iterator[tuple[str, Seen]]:
    """Each process by its role, further ones of a role with a number."""
    counts: dict[str, int] = {}
    for seen in view.processes:
        role = seen.trace.role
        counts[role] = counts.get(role, 0) + 1
        yield role if counts[role] == 1 else f"{role} {counts[role]}", seen
