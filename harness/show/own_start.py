"""A measured command's start as a table for a terminal, and as a JSON document."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from harness.analyse.by_process import Table, merged
from harness.analyse.stats import Summary
from harness.record.plain import printable

SMALL = 0.002  # a phase under 0.2 % of every kind of start is summed up in one line


def table(found: Table, title: str, headings: dict[str, str]) -> RenderableType:
    """The phases, longest first. ``headings``: kind of run → what its column is called."""
    kinds = [kind for kind in headings if kind in found.ready]
    out = RichTable(box=SIMPLE_HEAD, show_edge=False, padding=0)  # 80 columns hold the longest phase
    out.add_column("phase, seconds", overflow="fold")  # where they do not, no number is cut
    out.add_column("process", no_wrap=True)
    for kind in kinds:
        heading = (f"{headings[kind]} n={found.ready[kind].n}", "±95 %", "%")
        for name in heading if found.ready[kind].n > 1 else heading[::2]:
            out.add_column(name, justify="right", no_wrap=True)
    shown, small = merged(found, SMALL)
    for line in shown:
        cells = [cell for kind in kinds for cell in _cells(line.by_kind[kind], found.ready[kind].mean)]
        out.add_row(printable(line.phase), printable(line.process), *cells)
    if small:
        sums = {kind: sum(line.by_kind[kind].mean for line in small) for kind in kinds}
        cells = []
        for kind in kinds:
            between = [""] if found.ready[kind].n > 1 else []
            cells += [f"{sums[kind]:.3f}", *between, f"{100 * sums[kind] / found.ready[kind].mean:.1f}"]
        out.add_row(f"{len(small)} smaller ones", "", *cells)
    out.add_section()
    cells = [cell for kind in kinds for cell in _cells(found.ready[kind], found.ready[kind].mean)]
    out.add_row("exec→ready", "", *cells, style="bold")
    notes = [
        Text(f"{number} {headings.get(kind, kind)} {'run' if number == 1 else 'runs'} left out (see above)")
        for kind, number in found.left_out.items()
        if number
    ]
    return Group(Text(printable(title), "bold"), out, *notes)


def _cells(summary: Summary, total: float) -> list[str]:
    interval = [] if summary.half_width is None else [f"{summary.half_width:.3f}"]
    return [f"{summary.mean:.3f}", *interval, f"{100 * summary.mean / total:.1f}"]


def document(found: Table) -> dict[str, Any]:
    """The same for programs: seconds; ``half_width`` (of the 95 % interval) is null for a single run."""
    return {
        "ready": {kind: _numbers(summary) for kind, summary in found.ready.items()},
        "phases": [
            {
                "phase": line.phase,
                "process": line.process,
                **{kind: _numbers(summary) for kind, summary in line.by_kind.items()},
            }
            for line in found.lines
        ],
    }


def _numbers(summary: Summary) -> dict[str, Any]:
    return {"n": summary.n, "mean": summary.mean, "half_width": summary.half_width}
