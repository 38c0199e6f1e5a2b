"""Verdicts as a table on a console, and their numbers as text."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
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

_VERDICT = max(map(len, VERDICTS))


def print_claims(judged: Sequence[Judged], console: Console) -> None:
    """Claim, paper's value, ours and the verdict, and below it why; a section for each figure.

    The reason has a line of its own: beside the numbers it would not fit into 80 columns. A line of numbers is never
    broken, however wide the console: half an interval looks like another number.
    """
    rows = [(each.claim.id, number_text(each.claim.paper, each.claim.unit)) for each in judged]
    header = ("claim", "paper")
    first, paper = (max(len(row[at]) for row in (header, *rows)) for at in range(2))
    head = f"{'claim':<{first}}  {'verdict':<{_VERDICT}}   n  {'paper':>{paper}}  mine [95 %]"
    console.print(Text(head, style="bold"), soft_wrap=True)
    figure = ""
    for (name, value), each in zip(rows, judged, strict=True):
        if each.claim.figure != figure:
            figure = each.claim.figure
            console.print(Text(f"── figure {figure}" if figure != "all" else "── all figures", style="dim"))
        line = Text(f"{name:<{first}}  ")
        line.append(f"{each.verdict:<{_VERDICT}}", style=_STYLES[each.verdict])
        line.append(f"  {each.n or '':>2}  {value:>{paper}}  {mine_text(each)}")
        console.print(line, soft_wrap=True)
        # As text: what comes from elsewhere may hold brackets, which are markup in a plain string.
        why = "; ".join(printable(part, 300) for part in (each.reason, *each.flags))
        console.print(Padding(Text(why, style="dim"), (0, 0, 0, 4), expand=False))


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
