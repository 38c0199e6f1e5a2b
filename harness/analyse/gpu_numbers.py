"""Numbers that say whether a start on a GPU was measured soundly: shares, the rate of copies, the line of captures."""

from collections.abc import Iterable, Sequence

from harness.analyse.dataset import CaseData
from harness.analyse.part_means import sizes
from harness.analyse.parts import Part
from harness.analyse.points import Point
from harness.analyse.regression import Fit, fit
from harness.record.run import Run

TO_GPU = "copy cpu to cuda"  # the part of loading that crosses the bus


def load_rate(parts: Iterable[Part], part: str = TO_GPU) -> float | None:
    """Bytes per second of the copies called ``part``, over all phases; None where none are told, or they took no time.

    Copies from pageable memory, and those that do not ask to go on meanwhile, are over when they return. What asks to
    (``non_blocking``, from pinned memory) returns earlier: then the rate is too high.
    """
    copies = [each for each in parts if each.part == part and each.bytes]
    seconds = sum(each.seconds for each in copies)
    return sum(each.bytes or 0 for each in copies) / seconds if seconds > 0 else None


def attributed_share(run: Run) -> float | None:
    """Of exec→ready, the part that hooks and imports explain, 0…1; None for a start without spans."""
    if run.ready_s is None or run.unattributed_s is None or not run.tracer.get("processes"):
        return None
    return 1 - run.unattributed_s / run.ready_s


def hook_share(run: Run) -> float | None:
    """Time inside the tracer, of all processes together, as a part of exec→ready; None for a start without spans.

    It is an upper bound of what tracing adds to the start: processes that nobody waits for count too.
    """
    self_s = run.tracer.get("self_s")
    return self_s / run.ready_s if run.ready_s and run.tracer.get("processes") and self_s is not None else None


def capture_line(points: Sequence[tuple[float, float]]) -> Fit | None:
    """The line through (number of captured sizes, seconds of graph_capturing), with its R²; None without three points.

    Raises:
        ValueError: a number is not finite.
    """
    return fit([(f"{x:g}", x, seconds) for x, seconds in points])


def capture_points(cases: Iterable[CaseData]) -> list[tuple[float, float]]:
    """(number of captured sizes, mean seconds) of each case that says both, ascending: what ``capture_line`` takes."""
    found = []
    for case in cases:
        seconds = case.values("graph_capturing")
        if seconds and "captured_sizes" in case.facts:
            found.append((case.facts["captured_sizes"], sum(seconds) / len(seconds)))
    return sorted(found)


def size_line(point: Point) -> Fit | None:
    """The line through (captured size, its seconds) of one case's captures; None where its starts tell no sizes."""
    return capture_line(sizes(point.parts))
