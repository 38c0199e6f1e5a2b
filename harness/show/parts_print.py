"""What a phase consists of, as a table for a terminal: of every case, every part."""

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.analyse.points import Series
from harness.record.plain import printable
from harness.show.caption import whose


def parts_table(series: Series) -> RenderableType | None:
    """Every part of every case of one side; None where its starts tell no parts."""
    if not any(point.parts for point in series.points):
        return None
    out = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    out.add_column("case", overflow="fold")
    out.add_column("part", overflow="fold")
    for name in ("mean s", "%", "n", "calls", "MB", "GB/s"):
        out.add_column(name, justify="right", no_wrap=True)
    for point in series.points:
        total_s = sum(part.seconds for part in point.parts)
        for part in point.parts:
            out.add_row(
                Text(printable(point.label, 60)),
                Text(printable(part.name, 60)),
                f"{part.seconds:.4f}",
                f"{100 * part.seconds / total_s:.1f}" if total_s else "–",
                str(part.n),
                "–" if part.calls is None else f"{part.calls:g}",
                "–" if part.bytes is None else f"{part.bytes / 1e6:.1f}",
                "–" if part.bytes_per_s is None else f"{part.bytes_per_s / 1e9:.3g}",
            )
    return Group(Text(printable(f"parts of {series.quantity}, {whose(series.side)}"), "bold"), out)
