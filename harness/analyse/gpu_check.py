"""The numbers of the check of a machine with a GPU, each with its bound, from its starts and its timed copies."""

from collections.abc import Iterable, Sequence
from statistics import fmean, median

from harness.analyse.dataset import MEASURED, CaseData, Repeat
from harness.analyse.part_means import CAPTURING, MeanPart, mean_parts
from harness.analyse.parts import Part, parts_from
from harness.analyse.regression import fit
from harness.record.gpu_check import CheckedStart, Copy, Number
from harness.record.tables import PARTS
from harness.spec.gpu_check import Targets

# A marked span waits for the GPU before it ends: that wait is in its phase, what it keeps from overlapping in none.
_NOT_IN_HOOKS = "without the waits for the GPU at the ends of spans (benchmarks/tracer_overhead.py has the whole)"
LOADING = "load_weights"
COPYING = "copy cpu to cuda"
PINNED, PAGEABLE, MAPPED = "pinned", "pageable", "mapped"


def numbers_of(
    starts: Sequence[CheckedStart],
    copies: Sequence[Copy],
    targets: Targets,
    graph_figure: str,
    ram_slot: tuple[str, str],
) -> list[Number]:
    """Every number of the check.

    ``graph_figure``: the one whose starts differ in how many sizes are captured. ``ram_slot``: figure and slot whose
    starts load weights from memory.
    """
    measured = [start for start in starts if start.counts and start.kind == MEASURED]
    return [
        _unattributed(measured, targets),
        _hooks(measured, targets),
        _capture(_of(measured, graph_figure), targets),
        _loading([start for start in measured if (start.figure, start.slot) == ram_slot], copies, targets),
    ]


def _of(starts: Iterable[CheckedStart], figure: str) -> list[CheckedStart]:
    return [start for start in starts if start.figure == figure]


def _unattributed(starts: Sequence[CheckedStart], targets: Targets) -> Number:
    """The start with the most time that no hook explains, measured by its own bound."""

    def bound_s(start: CheckedStart) -> float:
        return max(targets.unattributed_s, targets.unattributed_share * (start.ready_s or 0.0))

    told = [(start.unattributed_s, start) for start in starts if start.unattributed_s is not None]
    what = "s of a start that no hook explains, of all measured starts the most"
    bound = f"≤ {targets.unattributed_s:g} s or {targets.unattributed_share:.1%}, whichever is more"
    if not told:
        return _untold("unattributed", what, bound, "no measured start counts")
    worst_s, worst = max(told, key=lambda each: each[0] / bound_s(each[1]))
    why = f"{worst.run_id} of figure {worst.figure}: {worst_s / (worst.ready_s or 1):.2%} of it; n = {len(told)}"
    return Number("unattributed", what, worst_s, bound, worst_s <= bound_s(worst), why)


def _hooks(starts: Sequence[CheckedStart], targets: Targets) -> Number:
    told = [(start.hook_s / start.ready_s, start) for start in starts if start.hook_s is not None and start.ready_s]
    what, bound = "time in the hooks, summed over processes, of exec to ready, the most", f"≤ {targets.hook_share:.1%}"
    if not told:
        return _untold("hook cost", what, bound, "no measured start counts")
    share, worst = max(told, key=lambda each: each[0])
    why = f"{worst.run_id} of figure {worst.figure}: {worst.hook_s:.3f} s; n = {len(told)}; {_NOT_IN_HOOKS}"
    return Number("hook cost", what, share, bound, share <= targets.hook_share, why)


def _capture(starts: Sequence[CheckedStart], targets: Targets) -> Number:
    """R² of capture against the number of captured sizes, over the means of each number."""
    seconds: dict[int, list[float]] = {}
    for start in starts:
        if start.captured_sizes is not None and CAPTURING in start.phases:
            seconds.setdefault(start.captured_sizes, []).append(start.phases[CAPTURING])
    what, bound = "R² of graph capture against the number of captured sizes", f"≥ {targets.capture_r2:g}"
    line = fit([(str(size), float(size), fmean(found)) for size, found in sorted(seconds.items())])
    if line is None:
        return _untold("graph capture", what, bound, f"{len(seconds)} numbers of sizes were captured, of three or more")
    why = f"{line.slope * 1000:.1f} ms a size, {line.intercept:.2f} s besides; {line.n} numbers of sizes"
    return Number("graph capture", what, line.r2, bound, line.r2 >= targets.capture_r2, why + _by_graphs(starts))


def _by_graphs(starts: Iterable[CheckedStart]) -> str:
    """The same line against the graphs that were captured: an engine may capture a size twice, or leave it out."""
    points = []
    for start in starts:
        sizes = [part for part in _parts_of(start) if part.phase == CAPTURING and part.part.isdecimal()]
        graphs = float(sum(part.calls or 0 for part in sizes))
        if graphs and CAPTURING in start.phases:
            points.append((start.run_id, graphs, start.phases[CAPTURING]))
    line = fit(points)
    return "" if line is None else f"; against captured graphs R² {line.r2:.4f}, {line.slope * 1000:.1f} ms a graph"


def _loading(starts: Sequence[CheckedStart], copies: Sequence[Copy], targets: Targets) -> Number:
    what = "rate of loading weights from memory, of that of copies from pinned memory"
    bound = f"≥ {targets.load_share:.0%}, or the reason"
    rates = [
        start.tensor_bytes / start.phases[LOADING]
        for start in starts
        if start.tensor_bytes and start.phases.get(LOADING, 0) > 0
    ]
    if not rates:
        return _untold("weight loading", what, bound, "no measured start that loads from memory counts")
    achieved, parts = fmean(rates), _parts_of_loading(starts)
    told = [f"loading {_gb(achieved)} (n = {len(rates)})"]
    told += [f"{kind} {_gb(rate)}" for kind in (PINNED, PAGEABLE, MAPPED) if (rate := rate_of(copies, kind))]
    told += [f"of it {part.name} {part.seconds:.2f} s" for part in parts]
    # From mapped memory, as here, a copy to the GPU waits for itself: its seconds are those of its bytes.
    told += [f"{COPYING} {_gb(part.bytes_per_s)}" for part in parts if part.name == COPYING and part.bytes_per_s]
    limit = rate_of(copies, PINNED)
    if limit is None:
        return _untold("weight loading", what, bound, "; ".join([*told, "no copy from pinned memory was timed"]))
    share = achieved / limit
    return Number("weight loading", what, share, bound, share >= targets.load_share, "; ".join(told))


def rate_of(copies: Iterable[Copy], memory: str) -> float | None:
    """Bytes per second of the largest copies from this kind of memory, their median; None if there are none."""
    of_kind = [copy for copy in copies if copy.memory == memory]
    largest = max((copy.bytes for copy in of_kind), default=0)
    return median(copy.bytes / copy.seconds for copy in of_kind if copy.bytes == largest) if of_kind else None


def _parts_of_loading(starts: Sequence[CheckedStart]) -> tuple[MeanPart, ...]:
    """The parts of loading, means over the starts."""
    repeats = tuple(Repeat(MEASURED, start.run_id, parts=_parts_of(start)) for start in starts)
    return mean_parts(CaseData("", False, {}, {}, repeats), LOADING)


def _parts_of(start: CheckedStart) -> tuple[Part, ...]:
    return tuple(parts_from([row[column] for column in PARTS.columns] for row in start.parts))


def _gb(rate: float) -> str:
    return f"{rate / 1e9:.2f} GB/s"


def _untold(name: str, what: str, bound: str, why: str) -> Number:
    return Number(name, what, None, bound, None, why)
