"""Verdicts as a table for a terminal, and their numbers as text."""

from collections import Counter
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
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


def claims_table(judged: Sequence[Judged]) -> Table:
    """Claim, paper's value, ours, verdict and why; a section for each figure."""
    table = Table("claim", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("paper", justify="right")
    table.add_column("mine [95 %]", justify="right")
    table.add_column("n", justify="right")
    table.add_column("verdict", no_wrap=True)
    table.add_column("why", overflow="fold", ratio=1)
    figure = judged[0].claim.figure if judged else ""
    for each in judged:
        if each.claim.figure != figure:
            figure = each.claim.figure
            table.add_section()
        verdict = Text(each.verdict, style=_STYLES[each.verdict])
        why = "; ".join(printable(part, 300) for part in (each.reason, *each.flags))
        paper = number_text(each.claim.paper, each.claim.unit)
        # As text: what comes from elsewhere may hold brackets, which are markup in a plain string.
        table.add_row(each.claim.id, paper, Text(mine_text(each)), str(each.n or ""), verdict, Text(why))
    return table


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
