"""Figure 2: the own starts as `startup` draws them, and the paper's as it does: 11 steps stacked, the total above.

The paper's steps are read from log lines. They overlap nothing but leave gaps, so their sum is less than a whole start;
it marks each step as CPU- or GPU-dominant.
"""

from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.analyse.dataset import MEASURED, PAPER_VERSION, CaseData, Side
from harness.analyse.startup import GPU_DOMINANT, PAPER_STEPS, startups
from harness.analyse.stats import Summary, summarise
from harness.record.plain import printable
from harness.show import startup
from harness.show.caption import CAPTION_PT, CAPTION_ROW_IN, about, caption_height, caption_lines, whose
from harness.show.command import FigureData
from harness.show.panel import MARGIN_IN, RIGHT_IN, Panel, draw_block, draw_key
from harness.show.startup_colours import Look, looks
from harness.show.startup_print import tables
from harness.show.style import BLACK, COLUMN_IN, FONT_PT

# Inches.
_LABEL_Y, _BAR_TOP, _BAR, _MARKS = 0.33, 0.4, 0.27, 0.22
_TABLE_TOP = _BAR_TOP + _BAR + _MARKS + 0.44  # below the axis' ticks and label
_ROW = 0.137
_RIGHT = {"s": 2.6, "±95 %": 3.1, "%": RIGHT_IN}  # right edges of the numbers
_MARK_AT = 1.85
_KEY_WIDTH = 0.075  # the least width of a block that holds its letter


@dataclass(frozen=True)
class Step:
    """One block of the stack."""

    name: str
    mark: str  # CPU or GPU: what the paper says dominates it
    seconds: Summary


def draw(data: FigureData) -> tuple[Figure, list[RenderableType]]:
    """Own and merged slots with one panel per case, then one for each of the paper's cases; all on one scale."""
    own = [(slot, startups(slot)) for slot in data.slots]
    paper = [(side, case) for side in data.paper for case in side.cases if steps(case)]
    notes: list[RenderableType] = [tables(slot, each) for slot, per_case in own for each in per_case]
    notes += [_table(side, case) for side, case in paper]
    return startup.draw(own, [_column(side, case) for side, case in paper], data.own), notes


def steps(case: CaseData) -> list[Step]:
    """The paper's steps that this case's measured starts state, in the order of its figure."""
    found = ((name, summarise(case.values(name))) for name in PAPER_STEPS)
    return [Step(name, "GPU" if name in GPU_DOMINANT else "CPU", seconds) for name, seconds in found if seconds]


def total(case: CaseData) -> Summary | None:
    """Sum of the steps per start, over the measured starts that state every step of the bar; None without one."""
    names = [step.name for step in steps(case)]
    every = [[repeat.value(name) for name in names] for repeat in case.repeats if repeat.kind == MEASURED]
    whole = [[value for value in values if value is not None] for values in every if names and None not in values]
    return summarise(sum(values) for values in whole)


def share(case: CaseData, mark: str) -> float:
    """Part of the total in steps that are marked so, 0…1."""
    every = steps(case)
    whole = sum(step.seconds.mean for step in every)
    return sum(step.seconds.mean for step in every if step.mark == mark) / whole if whole else 0.0


def _column(side: Side, case: CaseData) -> startup.Column:
    lines = caption_lines(_caption(side, case))
    height = _TABLE_TOP + (len(steps(case)) + 2.5) * _ROW + caption_height(lines) + 0.05
    sums = total(case)
    paint = partial(_draw_panel, case=case, lines=lines)
    title = f"paper: {case.model} on vLLM {case.engine or PAPER_VERSION}"
    return startup.Column(title, height, sums.mean + (sums.half_width or 0) if sums else 0.0, paint)


def _caption(side: Side, case: CaseData) -> list[str]:
    return [
        *about(side, [found.n] if (found := total(case)) else []),
        "CPU, GPU: which of them dominates the step, in the paper's marking.",
        "Steps are read from log lines; what lies between them is in no block: the total is less than a whole start.",
    ]


def _draw_panel(panel: Panel, longest_s: float, case: CaseData, lines: list[str]) -> None:
    every = steps(case)
    colours = looks([step.name for step in every])
    keys = [chr(ord("A") + number) for number in range(len(every))]
    sums = total(case)
    if sums:
        spread = f" ± {sums.half_width:.2f}" if sums.half_width is not None else ""
        label = f"{sums.mean:.2f}{spread} s   cached, mean of {sums.n} starts, sum of {len(every)} steps"
        panel.name(MARGIN_IN, _LABEL_Y, label, RIGHT_IN, FONT_PT, weight="bold")
    width = COLUMN_IN - 2 * MARGIN_IN - 0.08
    axes = panel.axes(MARGIN_IN, _BAR_TOP, width, _BAR + _MARKS)
    axes.set(xlim=(0, longest_s * 1.01), ylim=(_BAR + _MARKS, 0), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("seconds, sum of the steps", labelpad=1)
    left = 0.0
    for step, look, key in zip(every, colours, keys, strict=True):
        draw_block(axes, (left, 0), step.seconds.mean, _BAR, look)
        if step.seconds.mean * width / (longest_s * 1.01) > _KEY_WIDTH:
            draw_key(axes, left + step.seconds.mean / 2, _BAR / 2, key)
        left += step.seconds.mean
    _draw_marks(axes, case)
    if sums and sums.half_width is not None:
        axes.errorbar(sums.mean, _BAR / 2, xerr=sums.half_width, color=BLACK, capsize=2, lw=0.8, capthick=0.8)
    _draw_table(panel, case, list(zip(every, colours, keys, strict=True)))
    y = _TABLE_TOP + (len(every) + 2.5) * _ROW
    for number, text in enumerate(lines):
        panel.text(MARGIN_IN, y + number * CAPTION_ROW_IN, text, CAPTION_PT)


def _draw_marks(axes: Axes, case: CaseData) -> None:
    """A bracket under the CPU-dominant steps and one under the GPU-dominant: each is one run of the stack."""
    left, said = 0.0, []
    for mark, side in (("CPU", "left"), ("GPU", "right")):
        seconds = sum(step.seconds.mean for step in steps(case) if step.mark == mark)
        if seconds:
            axes.plot([left, left, left + seconds, left + seconds], [0.29, 0.32, 0.32, 0.29], color=BLACK, lw=0.6)
            said.append(f"{side} bracket: {mark}-dominant, {100 * share(case, mark):.0f} %")
        left += seconds
    axes.text(0, 0.4, "; ".join(said), va="center_baseline", fontsize=CAPTION_PT)


def _draw_table(panel: Panel, case: CaseData, blocks: list[tuple[Step, Look, str]]) -> None:
    y = _TABLE_TOP
    for head, x in _RIGHT.items():
        panel.text(x, y, head, ha="right", style="italic")
    panel.rule(y + _ROW / 2)
    sums = total(case)
    for step, look, key in blocks:
        y += _ROW
        draw_block(panel.page, (MARGIN_IN, y - 0.05), 0.16, 0.1, look)
        draw_key(panel.page, MARGIN_IN + 0.08, y, key)
        panel.text(MARGIN_IN + 0.25, y, step.name)
        panel.text(_MARK_AT, y, step.mark)
        _draw_numbers(panel, y, step.seconds, step.seconds.mean / sums.mean if sums and sums.mean else None)
    y += _ROW
    panel.rule(y - _ROW / 2)
    panel.text(MARGIN_IN + 0.25, y, "total of the steps", weight="bold")
    if sums:
        _draw_numbers(panel, y, sums, 1.0)


def _draw_numbers(panel: Panel, y: float, seconds: Summary, part: float | None) -> None:
    half = f"±{seconds.half_width:.2f}" if seconds.half_width is not None else ""
    cells = (f"{seconds.mean:.2f}", half, f"{100 * part:.1f}" if part is not None else "")
    for text, x in zip(cells, _RIGHT.values(), strict=True):
        panel.text(x, y, text, ha="right")


def _table(side: Side, case: CaseData) -> RenderableType:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("step, seconds", "dominated by", "mean", "±95 %", "%", "n"):
        table.add_column(name, justify="left" if name in ("step, seconds", "dominated by") else "right", no_wrap=True)
    sums = total(case)
    rows = [(step.name, step.mark, step.seconds) for step in steps(case)]
    for name, mark, seconds in [*rows, *([("total of the steps", "", sums)] if sums else [])]:
        half = f"{seconds.half_width:.3f}" if seconds.half_width is not None else "–"
        part = f"{100 * seconds.mean / sums.mean:.1f}" if sums and sums.mean else "–"
        table.add_row(name, mark, f"{seconds.mean:.3f}", half, part, str(seconds.n))
    heading = Text(printable(f"{side.slot}, {whose(side)}: {case.model}"), "bold")
    return Group(heading, table, Text(f"CPU-dominant: {100 * share(case, 'CPU'):.1f} % of the total"))
