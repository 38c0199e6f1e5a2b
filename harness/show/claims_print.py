"""Verdicts as a table for a terminal, and their numbers as text."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from harness.analyse.judged import VERDICTS, Judged, Verdict
from harness.record.plain import printable

# A word is read without its colour, too.
_STYLES: dict[Verdict, str] = {
    "reproduced": "bold green",
    "same shape": "green",
    "contradicted": "bold red",
    "inconclusive": "yellow",
    "not run": "dim",
}


def claims_table(judged: Sequence[Judged]) -> RenderableType:
    """Claim, paper's value, ours and the verdict, and below it why; a section for each figure.

    The reason has a line of its own: beside the numbers it would not fit into 80 columns.
    """
    rows = [(each.claim.id, number_text(each.claim.paper, each.claim.unit), mine_text(each)) for each in judged]
    header = ("claim", "paper", "mine [95 %]")
    widths = [max(len(row[at]) for row in (header, *rows)) for at in range(3)]
    parts: list[RenderableType] = [Text(_line(header, widths, " n", "verdict"), style="bold")]
    figure = ""
    for row, each in zip(rows, judged, strict=True):
        if each.claim.figure != figure:
            figure = each.claim.figure
            name = f"figure {figure}" if figure != "all" else "all figures"
            parts.append(Text(f"── {name}", style="dim"))
        line = Text(_line(row, widths, f"{each.n or '':>2}", ""))
        line.append(each.verdict, style=_STYLES[each.verdict])
        # As text: what comes from elsewhere may hold brackets, which are markup in a plain string.
        why = "; ".join(printable(part, 300) for part in (each.reason, *each.flags))
        parts += [line, Padding(Text(why, style="dim"), (0, 0, 0, 4))]
    return Group(*parts)


def _line(cells: Sequence[str], widths: Sequence[int], repeats: str, verdict: str) -> str:
    claim, paper, mine = (
        f"{cells[0]:<{widths[0]}}",
        f"{cells[1]:>{widths[1]}}",
        f"{cells[2]:>{widths[2]}}",
    )
    return f"{claim}  {paper}  {mine}  {repeats}  {verdict}"


def summary_line(judged: Sequence[Judged]) -> str:
    """``61 claims: 3 same shape, 58 not run``."""
    counts = Counter(each.verdict for each in judged)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    return f"{len(judged)} claims: {told}"


def mine_text(judged: Judged) -> str:
    """``0.994 [0.99, 0.997]``; without an interval the number alone; a dash if nothing was measured."""
    if judged.mine is None:
        return "–"
    value = number_text(judged.mine, judged.claim.unit)
    if judged.interval is None:
        return value
    low, high = (number_text(end, "") for end in judged.interval)
    return f"{value} [{low}, {high}]"


def number_text(value: float, unit: str) -> str:
    """Four significant digits and the unit: ``20.95 s``, ``8.489 %``."""
    return f"{value:.4g}{f' {unit}' if unit else ''}"
