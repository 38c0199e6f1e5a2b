"""A comparison as text: tables of phases and of what differs in the records, a line of conclusion, one of the gate."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.analyse.compare import Comparison, Differs, Gate
from harness.analyse.contrast import FASTER, NO_INTERVAL, SLOWER, Contrast
from harness.record.plain import printable
from harness.record.sides import Side

_WIDEST = 30  # characters of one side's value; two of them and a name fit 90 columns
_BEFORE = 6  # characters kept of what both values begin with
_NAMED = 3  # phases named in the conclusion


def tables(a: Side, b: Side, comparison: Comparison, differs: Differs) -> Group:
    """What was compared, phase by phase, and what differs in the records."""
    parts: list[RenderableType] = [Text(_side_line("A", a)), Text(_side_line("B", b) + "\n"), _phases(comparison)]
    if differs:
        parts.append(_records(differs))
    else:
        parts.append(Text("The records of A and B state the same versions, flags, machine, state and model."))
    return Group(*parts)


def conclusion(comparison: Comparison) -> str:
    """The result in one or two sentences."""
    ready = comparison.ready
    if ready.verdict == NO_INTERVAL:
        return f"B − A is {ready.difference_s:+.3f} s; one start on a side: no interval, so it shows nothing."
    flagged = [(name, line) for name, line in comparison.parts.items() if line.verdict in (SLOWER, FASTER)]
    where = "; ".join(f"{printable(name)} {_difference(line)} s" for name, line in flagged[:_NAMED])
    more = f" and {len(flagged) - _NAMED} more" if len(flagged) > _NAMED else ""
    if ready.verdict in (SLOWER, FASTER):
        head = f"B starts {ready.verdict} than A by {abs(ready.difference_s):.2f} s{_percent(ready)}"
        return f"{head}; phases: {where}{more}." if flagged else f"{head}; no single phase stands out."
    assert ready.interval_s is not None
    low, high = ready.interval_s
    head = f"No difference shown in the total: B − A lies between {low:+.2f} and {high:+.2f} s"
    return f"{head}; but in phases: {where}{more}." if flagged else f"{head}; no phase differs."


def gate_line(gate: Gate, ready: Contrast) -> str:
    """What the gate saw."""
    limit = f"gate {100 * gate.limit:g} %"
    if gate.crossed is None or ready.ratio is None or ready.ratio_interval is None or gate.crossed_from is None:
        return f"{limit}: undecided, one start on a side has no interval"
    low, high = ready.ratio_interval
    saw = f"B takes {ready.ratio:.3f} times as long as A, 95 % interval {low:.3f} to {high:.3f}"
    if gate.crossed:
        return f"{limit}: crossed; {saw}"
    return f"{limit}: not crossed; {saw} (from {gate.crossed_from:.3f} on these runs would cross it)"


def _side_line(name: str, side: Side) -> str:
    left_out = ", ".join(f"{count} {why}" for why, count in side.left_out.items())
    used = f"{name}  {printable(side.label)}: {len(side.starts)} {side.kind}"
    return f"{used}, left out: {printable(left_out)}" if left_out else used


def _phases(comparison: Comparison) -> Table:
    how = f"{'paired' if comparison.paired else 'unpaired'}; 95 % intervals, the phases' hold together"
    one = comparison.ready.verdict == NO_INTERVAL
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=0,  # 80 columns must do
        show_edge=False,
        caption="one start on a side: no intervals" if one else f"{how}; – : no difference",
        caption_justify="left",
    )
    table.add_column("phase, seconds", overflow="fold")
    for number in ("A", "B", "B − A", "B / A", ""):
        table.add_column(number, justify="right", no_wrap=True)
    for phase, line in comparison.parts.items():
        table.add_row(Text(printable(phase)), *_numbers(line))
    table.add_section()
    table.add_row("total", *_numbers(comparison.ready), style="bold")
    return table


def _numbers(line: Contrast) -> tuple[str, ...]:
    bounds = line.ratio_interval
    interval = f" [{bounds[0]:.2f}–{bounds[1]:.2f}]" if bounds and bounds[1] < 1000 else " [–]" if bounds else ""
    return (
        f"{line.a_mean_s:.3f}",
        f"{line.b_mean_s:.3f}",
        _difference(line),
        f"{line.ratio:.2f}{interval}" if line.ratio is not None else "–",
        line.verdict if line.verdict in (SLOWER, FASTER) else "?" if line.verdict == NO_INTERVAL else "–",
    )


def _difference(line: Contrast) -> str:
    if line.interval_s is None:
        return f"{line.difference_s:+.3f}"
    return f"{line.difference_s:+.3f} ±{(line.interval_s[1] - line.interval_s[0]) / 2:.3f}"


def _percent(ready: Contrast) -> str:
    if ready.ratio is None or ready.ratio_interval is None:
        return ""
    low, high = (100 * (bound - 1) for bound in ready.ratio_interval)
    return f", {100 * (ready.ratio - 1):+.1f} % [{low:+.1f}, {high:+.1f}]"


def _records(differs: Differs) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("records differ in", "", "A", "B"):
        table.add_column(column, overflow="fold")
    for group, facts in differs.items():
        for number, (name, values) in enumerate(facts.items()):
            table.add_row(
                group if number == 0 else "", Text(printable(name)), *(Text(text) for text in shorten(*values))
            )
    return table


def shorten(a: Any, b: Any) -> tuple[str, str]:
    """Both values as one line each, cut where they do not differ; an absent one is ``–``."""
    texts = ["–" if value is None else printable(str(value), 10_000) for value in (a, b)]
    if max(map(len, texts)) > _WIDEST:
        same = next((at for at, (x, y) in enumerate(zip(*texts, strict=False)) if x != y), min(map(len, texts)))
        begin = max(0, same - _BEFORE)
        texts = [("…" + text[begin:] if begin else text) for text in texts]
    return printable(texts[0], _WIDEST), printable(texts[1], _WIDEST)
