"""The points and the line of a drawing against a size, as a table for a terminal."""

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.analyse.points import Point, Series
from harness.record.plain import printable
from harness.show.caption import whose
from harness.show.linear_text import AXES, caption, line_words, size


def table(series: Series) -> RenderableType:
    """One side's points, its fit and its caption."""
    out = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    out.add_column("case", overflow="fold")
    for name in (AXES[series.axis][1], "mean s", "±95 % s", "n", "line s"):
        out.add_column(name, justify="right", no_wrap=True)
    for name in ("by", ""):
        out.add_column(name, no_wrap=True)
    for point in series.points:
        out.add_row(*_cells(series, point))
    heading = Text(printable(f"{series.quantity}, {whose(series.side)}"), "bold")
    line, told = Text("fit: none"), [Text(printable(" ".join(caption(series))))]
    if series.line:
        outliers = printable(", ".join(series.line.outliers)) or "none"
        line = Text(f"fit: {line_words(series.line, series.axis)}; outliers: {outliers}")
    return Group(heading, out, line, *told)


def _cells(series: Series, point: Point) -> tuple[Text | str, ...]:
    half_width = point.seconds.half_width
    return (
        Text(printable(point.label, 60)),
        size(point.x),
        f"{point.seconds.mean:.3f}",
        "–" if half_width is None else f"{half_width:.3f}",
        str(point.seconds.n),
        f"{series.line.predict(point.x):.3f}" if series.line else "–",
        point.by,
        "not in the fit" if point.outside_fit else "outlier" if point.outlier else "",
    )
