"""What the drawings against a size say in words: units, captions, and why a side has no panel."""

from collections import Counter

from harness.analyse.dataset import MEASURED
from harness.analyse.points import Point, Series
from harness.analyse.regression import Fit
from harness.show.caption import about, whose
from harness.spec.figure import Axis

# axis → what it is, unit
AXES: dict[Axis, tuple[str, str]] = {
    "tokenizer_mb": ("size of the tokenizer file", "MB"),
    "size_b": ("parameter count", "B"),
    "checkpoint_mb": ("size of the checkpoint", "MB"),
    "graph_kb": ("size of the compiled graph (the paper's)", "KB"),
    "graph_code_kb": ("code size of the traced graph", "kB"),
    "captured_sizes": ("captured batch sizes", "sizes"),
}


def axis_label(axis: Axis) -> str:
    """For below the bars."""
    what, unit = AXES[axis]
    return what if what.endswith(unit) else f"{what}, {unit}"


def seconds(value: float) -> str:
    """Three digits that count, but no less than milliseconds; hundreds in full."""
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{decimals}f}"


def size(x: float) -> str:
    """An x as short as it can be said."""
    return f"{x:.0f}" if abs(x) >= 1000 else f"{x:.3g}"


def line_words(line: Fit, axis: Axis) -> str:
    """The equation, and how well it holds."""
    sign = "−" if line.intercept < 0 else "+"
    equation = f"{_minus(line.slope)} · {AXES[axis][1]} {sign} {abs(line.intercept):.4g}"
    return f"seconds = {equation}, r={line.r:.4f}, R²={line.r2:.4f}, n={line.n} points"


def _minus(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def caption(series: Series) -> list[str]:
    """Whose data, by what, the line, and what is no part of it or has no bar."""
    sentences = about(series.side, (point.seconds.n for point in series.points))
    sentences += _by(series.points)
    if series.line:
        sentences.append(f"Least squares: {line_words(series.line, series.axis)}.")
    else:
        sentences.append("No line: it needs three points that differ in both directions.")
    if outside := [point.label for point in series.points if point.outside_fit]:
        sentences.append(f"Dashed, not part of the line: {', '.join(outside)}.")
    if outliers := [point.label for point in series.points if point.outlier]:
        sentences.append(f"Outlier of the line (*): {', '.join(outliers)}.")
    if series.without_value:
        sentences.append(f"Declared, without data here: {', '.join(series.without_value)}.")
    if series.without_x:
        sentences.append(f"Not drawn, {AXES[series.axis][0]} unknown: {', '.join(series.without_x)}.")
    return sentences


def _by(points: tuple[Point, ...]) -> list[str]:
    usual, *others = Counter(point.by for point in points).most_common()
    exceptions = [f"; by {by}: {', '.join(point.label for point in points if point.by == by)}" for by, _ in others]
    return [f"Seconds by {usual[0]}{''.join(exceptions)}."]


def nothing(series: Series) -> str:
    """Why this side has no panel, in one line."""
    side = series.side
    if series.without_x:
        reason = f"{AXES[series.axis][0]} unknown: {', '.join(series.without_x)}"
    elif any(repeat.kind == MEASURED for case in side.cases for repeat in case.repeats):
        starts = "recorded starts" if side.whose == "paper" else "engine's starts"
        reason = f"the {starts} have no {series.quantity} phase"
    else:
        reason = "no measured start counts"
    return f"{whose(side)}: {reason}"
