"""The tables of figure 2: every block of the stack with its numbers, and the log's view of the same starts."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from harness.analyse.phases import UNATTRIBUTED
from harness.analyse.startup import MEASURED, WARMUP, Line, StartUp
from harness.show.caption import CAPTION_PT
from harness.show.panel import MARGIN_IN, RIGHT_IN, Panel, draw_block, draw_key
from harness.show.startup_colours import Look
from harness.show.startup_text import has_first_token, label, log_rows
from harness.show.style import BLACK, GREY, SKY

BAR_NAMES = {WARMUP: "uncached", MEASURED: "cached"}
AFTER_READY_HEIGHT = 0.4  # of a bar's

# Inches. Columns are the right edges of numbers.
_ROW, _NOTE_ROW = 0.137, 0.112
_COLUMNS = {
    (WARMUP, "seconds"): 2.12,
    (WARMUP, "share"): 2.43,
    (MEASURED, "seconds"): 2.82,
    (MEASURED, "interval"): 3.14,
    (MEASURED, "share"): RIGHT_IN,
}
_NAMES_END = 1.78
_HEADS = {"seconds": "s", "share": "%", "interval": "95 %"}
_LOG_BAR_LEFT, _LOG_BAR_WIDTH = 1.75, 0.7
_LOG_COLUMN, _SPANS_COLUMN = _COLUMNS[MEASURED, "seconds"], RIGHT_IN


@dataclass(frozen=True)
class Block:
    """One block of the stack: what it is, how it looks, the letter that ties bar and table together."""

    line: Line
    look: Look
    key: str


def table_height(startup: StartUp, blocks: int) -> float:
    """Inches that ``draw_table`` takes."""
    return (blocks + 4 + has_first_token(startup)) * _ROW


def draw_after_ready(axes: Axes, corner: tuple[float, float], width: float, height: float) -> None:
    """What comes after ready: drawn unlike any block, for it is none of them."""
    axes.add_patch(Rectangle(corner, width, height, facecolor="white", edgecolor=BLACK, hatch="....", lw=0.6, ls=":"))


def draw_table(panel: Panel, startup: StartUp, blocks: list[Block], y: float) -> None:
    """Key, name, seconds and share of each block, in the order of the stack; the total below."""
    for kind, name in BAR_NAMES.items():
        middle = (_COLUMNS[kind, "seconds"] - 0.25 + _COLUMNS[kind, "share"]) / 2
        panel.text(middle, y, name, ha="center", weight="bold")
    y += _ROW
    panel.text(MARGIN_IN, y, "phase, in the bar's order", style="italic")
    for (_, column), x in _COLUMNS.items():
        panel.text(x, y, _HEADS[column], ha="right", style="italic")
    panel.rule(y + _ROW / 2)
    for block in blocks:
        y += _ROW
        draw_block(panel.page, (MARGIN_IN, y - _ROW * 0.42), 0.2, _ROW * 0.84, block.look)
        draw_key(panel.page, MARGIN_IN + 0.1, y, block.key)
        weight = "bold" if block.line.name == UNATTRIBUTED else "normal"
        panel.name(MARGIN_IN + 0.25, y, label(startup, block.line.name), _NAMES_END, weight=weight)
        _draw_numbers(panel, startup, block.line, y)
    y += _ROW
    panel.rule(y - _ROW / 2)
    panel.text(MARGIN_IN + 0.25, y, "total", weight="bold")
    _draw_numbers(panel, startup, startup.total, y)
    if has_first_token(startup):
        y += _ROW
        draw_after_ready(panel.page, (MARGIN_IN, y - _ROW * 0.3), 0.2, _ROW * 0.6)
        panel.name(MARGIN_IN + 0.25, y, "after ready: first token", _NAMES_END)
        _draw_numbers(panel, startup, startup.first_token, y, with_share=False)


def _draw_numbers(panel: Panel, startup: StartUp, line: Line, y: float, with_share: bool = True) -> None:
    for (kind, column), x in _COLUMNS.items():
        summary, share = line.by_kind[kind], startup.share(line, kind)
        if summary is None or summary.mean == 0:
            text = "–" if column == "seconds" else ""
        elif column == "seconds":
            text = f"{summary.mean:.2f}"
        elif column == "interval":
            text = f"±{summary.half_width:.2f}" if summary.half_width is not None else ""
        else:
            text = f"{100 * share:.1f}" if share is not None and with_share else ""
        panel.text(x, y, text, ha="right")


def log_height(startup: StartUp) -> float:
    """Inches that ``draw_log`` takes."""
    steps, notes = log_rows(startup)
    return (len(steps) + 2) * _ROW + len(notes) * _NOTE_ROW if steps or notes else 0.0


def draw_log(panel: Panel, startup: StartUp, y: float) -> None:
    """The paper's log quantities of the same starts: bar and number from the log, diamond and number from the spans."""
    steps, notes = log_rows(startup)
    if steps:
        panel.text(MARGIN_IN, y, "the paper's log quantities", style="italic")
        panel.text(_LOG_COLUMN, y, "log, s", ha="right", style="italic")
        panel.text(_SPANS_COLUMN, y, "spans, s", ha="right", style="italic")
        panel.rule(y + _ROW / 2)
    inches_per_s = _LOG_BAR_WIDTH / max((max(step.log_s, step.spans_s or 0) for step in steps), default=1)
    for step in steps:
        y += _ROW
        panel.name(MARGIN_IN + 0.02, y, step.label, _LOG_BAR_LEFT - 0.05)
        corner = (_LOG_BAR_LEFT, y - _ROW / 4)
        panel.page.add_patch(Rectangle(corner, step.log_s * inches_per_s, _ROW / 2, facecolor=SKY, edgecolor=BLACK))
        panel.text(_LOG_COLUMN, y, f"{step.log_s:.2f}", ha="right")
        if step.spans_s is not None:
            at = _LOG_BAR_LEFT + step.spans_s * inches_per_s
            panel.page.plot(at, y, "D", ms=2.2, mfc="white", mec=BLACK, mew=0.6)
            panel.text(_SPANS_COLUMN, y, f"{step.spans_s:.2f}", ha="right")
    y += _ROW
    for number, note in enumerate(notes):
        panel.text(MARGIN_IN, y + number * _NOTE_ROW, note, CAPTION_PT, color="#404040")
    if steps or notes:
        panel.rule(y + (len(notes) - 0.4) * _NOTE_ROW, GREY)
