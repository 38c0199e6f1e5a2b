"""Figure 2's drawing: one panel as wide as a paper's column for each case of each slot.

A panel, from top to bottom: two stacked bars on one scale in seconds, uncached (the warm-up start) and cached (mean of
the measured starts), time running to the right, and after ready, apart and lower, the time to the first token; a table
that names every block with seconds and share; the same starts as the paper's log quantities tell them; a caption that
says what was measured.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.analyse.dataset import Side
from harness.analyse.phases import UNATTRIBUTED
from harness.analyse.startup import KINDS, WARMUP, StartUp, merge_small
from harness.record.slot import Slot
from harness.show.caption import CAPTION_PT
from harness.show.panel import MARGIN_IN, RIGHT_IN, Panel, draw_block, draw_key
from harness.show.startup_colours import looks
from harness.show.startup_rows import (
    AFTER_READY_HEIGHT,
    BAR_NAMES,
    Block,
    draw_after_ready,
    draw_log,
    draw_table,
    log_height,
    table_height,
)
from harness.show.startup_text import caption, has_first_token, no_start, title
from harness.show.style import BLACK, COLUMN_IN, FONT_PT, SMALLEST_PT, style

# Inches.
_BARS_TOP = 0.26
_LABEL, _BAR, _BAR_ROW = 0.14, 0.27, 0.57  # a bar's label, the bar, and both with the room for what points at it
_BARS_HEIGHT = len(KINDS) * _BAR_ROW
_TABLE_TOP = _BARS_TOP + _BARS_HEIGHT + 0.4  # below the axis' ticks and label
_CAPTION_ROW = 0.115
_APART = 0.025  # between the bar and what comes after ready
_KEY_WIDTH = 0.075  # the least width of a block that holds its letter

_KEYS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Column:
    """One panel of the figure, before it has a place. ``end_s``: where its longest bar ends, seconds."""

    title: str
    height: float  # inches
    end_s: float
    paint: Callable[[Panel, float], None]  # on the panel, with the end of the common scale in seconds


def draw(
    slots: list[tuple[Slot, list[StartUp]]], more: Sequence[Column] = (), sides: Sequence[Side] | None = None
) -> Figure:
    """The figure for these slots; every case of every slot is a panel, two panels to a row, ``more`` after them.

    ``sides``: the slots as sides, where it must be said whose they are.
    """
    several_slots = len(slots) > 1
    whose: Sequence[Side | None] = sides or [None] * len(slots)
    panels = [
        _column(slot, startup, _name(slot, several_slots, side), side.notes if side else ())
        for (slot, startups), side in zip(slots, whose, strict=True)
        for startup in startups
    ]
    panels += more
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    height = max(column.height for column in panels)
    longest_s = max(column.end_s for column in panels) or 1.0
    with style():
        figure = Figure(figsize=(columns * COLUMN_IN, rows * height))
        for number, column in enumerate(panels):
            panel = Panel(figure, number % columns * COLUMN_IN, number // columns * height, height)
            panel.name(MARGIN_IN, 0.12, column.title, RIGHT_IN, FONT_PT + 1, weight="bold")
            column.paint(panel, longest_s)
    return figure


def _name(slot: Slot, several_slots: bool, side: Side | None) -> str:
    """Which slot, where there are several, and whose it is, where that is known: "node1, merged"."""
    names = [str(slot.manifest["slot"])] if several_slots else []
    return ", ".join([*names, *(["this machine" if side.whose == "mine" else side.whose] if side else [])])


def _column(slot: Slot, startup: StartUp, name: str, notes: Sequence[str]) -> Column:
    lines = caption(slot, startup, notes)
    paint = partial(_draw_panel, startup=startup, caption_lines=lines)
    end_s = max(_end(startup, kind) for kind in KINDS)
    return Column(f"{name}: {title(startup)}" if name else title(startup), _height(startup, lines), end_s, paint)


def _draw_panel(panel: Panel, longest_s: float, startup: StartUp, caption_lines: list[str]) -> None:
    lines = merge_small(startup)
    keys = iter(_KEYS)
    blocks = [
        Block(line, look, "" if line.name == UNATTRIBUTED else next(keys, ""))
        for line, look in zip(lines, looks([line.name for line in lines]), strict=True)
    ]
    _draw_bars(panel, startup, blocks, longest_s)
    draw_table(panel, startup, blocks, _TABLE_TOP)
    y = _TABLE_TOP + table_height(startup, len(blocks))
    draw_log(panel, startup, y)
    y += log_height(startup)
    for row, text in enumerate(caption_lines):
        panel.text(MARGIN_IN, y + row * _CAPTION_ROW, text, CAPTION_PT)


def _height(startup: StartUp, caption_lines: Sequence[str]) -> float:
    table = table_height(startup, len(merge_small(startup)))
    return _TABLE_TOP + table + log_height(startup) + len(caption_lines) * _CAPTION_ROW + 0.05


def _end(startup: StartUp, kind: str) -> float:
    total, first_token = startup.total.by_kind[kind], startup.first_token.by_kind[kind]
    if total is None:
        return 0.0
    return total.mean + max(total.half_width or 0, first_token.mean if first_token else 0)


def _draw_bars(panel: Panel, startup: StartUp, blocks: list[Block], longest_s: float) -> None:
    width = COLUMN_IN - 2 * MARGIN_IN - 0.08
    axes = panel.axes(MARGIN_IN, _BARS_TOP, width, _BARS_HEIGHT)
    axes.set(xlim=(0, longest_s * 1.01), ylim=(_BARS_HEIGHT, 0), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_formatter("{x:g}")
    beyond = "; dotted, beyond it: to the first token" if has_first_token(startup) else ""
    axes.set_xlabel(f"seconds from exec to ready{beyond}", labelpad=1)
    inches_per_s = width / (longest_s * 1.01)
    for number, kind in enumerate(KINDS):
        top = number * _BAR_ROW + _LABEL
        total = startup.total.by_kind[kind]
        if total is None:
            axes.text(0, top + _BAR / 2, f"{BAR_NAMES[kind]}: {no_start(startup, kind)}", va="center")
            continue
        spread = f" ± {total.half_width:.2f}" if total.half_width is not None else ""
        what = "warm-up start" if kind == WARMUP else "one start" if total.n == 1 else f"mean of {total.n} starts"
        label = f"{total.mean:.2f}{spread} s   {BAR_NAMES[kind]}, {what}"
        axes.text(0, top - 0.03, label, va="bottom", weight="bold", fontsize=FONT_PT)
        _draw_stack(axes, blocks, kind, top, inches_per_s)
        if first_token := startup.first_token.by_kind[kind]:
            corner = (total.mean + _APART / inches_per_s, top + (1 - AFTER_READY_HEIGHT) * _BAR)
            draw_after_ready(axes, corner, first_token.mean, AFTER_READY_HEIGHT * _BAR)
        if total.half_width is not None:
            spread_at = (total.mean, top + _BAR / 2)
            axes.errorbar(*spread_at, xerr=total.half_width, color=BLACK, capsize=2, lw=0.8, capthick=0.8)


def _draw_stack(axes: Axes, blocks: list[Block], kind: str, top: float, inches_per_s: float) -> None:
    left = 0.0
    for block in blocks:
        summary = block.line.by_kind[kind]
        seconds = summary.mean if summary else 0.0
        draw_block(axes, (left, top), seconds, _BAR, block.look)
        if block.key and seconds * inches_per_s > _KEY_WIDTH:
            draw_key(axes, left + seconds / 2, top + _BAR / 2, block.key)
        if block.line.name == UNATTRIBUTED:
            _point_at(axes, left + seconds / 2, top + _BAR, f"{UNATTRIBUTED} {seconds:.2f} s", inches_per_s)
        left += seconds


def _point_at(axes: Axes, x: float, y: float, text: str, inches_per_s: float) -> None:
    """Name a block from below the bar: thin as it may be, what is not explained must be seen."""
    side = -1 if x * inches_per_s > 1.2 else 1
    axes.plot(x, y + 0.035, "^", ms=2.5, color=BLACK, clip_on=False)
    ha = "right" if side < 0 else "left"
    axes.text(x + side * 0.04 / inches_per_s, y + 0.07, text, ha=ha, va="center_baseline", fontsize=SMALLEST_PT)
