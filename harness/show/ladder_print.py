"""The ladder's numbers for a terminal of 80 columns: starts, what is saved of them and of each phase, and the sum."""

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.analyse.dataset import Side
from harness.analyse.ladder import INTERACTION, Ladder, Seconds
from harness.analyse.rungs import EVERYTHING, NOTHING, Rungs
from harness.record.plain import printable
from harness.show.caption import whose
from harness.show.ladder_text import amount, each_alone, first, name, saved_printed, share, starts_printed, sum_line

_HEADS = {
    "model_info": "model\ninfo",
    "compile_cache": "compile\ncache",
    INTERACTION: "inter-\naction",
    EVERYTHING: "all",
}


def tables(side: Side, model: str, rungs: Rungs, found: Ladder) -> RenderableType:
    """Everything that is known of one model's ladder."""
    heading = Text(printable(f"{side.slot}, {whose(side)}: {model}"), "bold")
    parts: list[RenderableType] = [heading, _starts(rungs, found)]
    if found.steps:
        parts += [_phases(found), Text(_legend(found))]
    return Group(*parts, Text(f"{first(found)} {each_alone(found)}"), Text(sum_line(found)))


def _starts(rungs: Rungs, found: Ladder) -> Table:
    table = _table("kept", "start, s", "±95 %", "n", "saved, s", "±95 % ", "of nothing")
    starts, saved = starts_printed(found), saved_printed(found)
    for key in (*rungs.states, INTERACTION):
        cells = ["–", "–", "0"] if key in rungs.states else ["", "", ""]
        if key in starts:
            ready = found.starts[key].ready
            cells = [amount(starts[key]), _half(ready.half_width), str(ready.n)]
        if key in saved:
            start = found.saved[key].start
            cells += [amount(saved[key]), _half(start.half_width), share(found, start)]
        elif key != NOTHING:
            cells += ["–", "–", "–"]
        table.add_row(name(key), *cells)
    return table


def _phases(found: Ladder) -> Table:
    columns = {key: found.saved[key] for key in (*found.kinds, INTERACTION, EVERYTHING) if key in found.saved}
    table = _table("saved, seconds", *(_HEADS.get(key, name(key)) for key in columns))
    for phase in found.phases:
        table.add_row(phase, *(_part(saved.by_phase[phase]) for saved in columns.values()))
    table.add_section()
    numbers = saved_printed(found)
    table.add_row("whole start", *(amount(numbers[key]) for key in columns), style="bold")
    return table


def _part(part: Seconds) -> str:
    text = amount(round(100 * part.seconds))
    return text if part.is_clear or part.half_width is None or part.half_width == 0 else f"({text})"


def _legend(found: Ladder) -> str:
    if any(saved.start.half_width is None for saved in found.saved.values()):
        return "single starts have no interval"
    return "(x): its interval holds 0; the intervals of one column's phases hold together with 95 %"


def _half(half_width: float | None) -> str:
    return f"{half_width:.2f}" if half_width is not None else "–"


def _table(name: str, *numbers: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=0)  # 80 columns must do
    table.add_column(name, no_wrap=True)
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True, min_width=7)
    return table
