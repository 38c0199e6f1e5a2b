"""One start of figure 12, on one axis of time: phases, use of each core, busy threads, its GPUs; and the key."""

from collections.abc import Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from harness.analyse.cores import CoreUse, load_of
from harness.analyse.gpu_use import GpuUse
from harness.analyse.phases import UNATTRIBUTED
from harness.analyse.timeline import Piece, coarse, phase_seconds
from harness.record.paper_cores import INTERVAL_S
from harness.show.gpu_panel import draw_gpus, gpus_height
from harness.show.panel import MARGIN_IN, Panel, draw_block, draw_key
from harness.show.startup_colours import Look, looks
from harness.show.style import BLACK, BLUE, GREY, SMALLEST_PT, fitted, text_width_in, tint
from harness.show.time_strip import LEFT_IN, PAGE_IN, WIDTH_IN, strip_axes, write_seconds

# Inches.
_STRIP, _GAP, _BUSY, _AXIS = 0.2, 0.05, 0.5, 0.34
_MIDDLE = 0.12  # between map and busy threads: for the height of a burst
_CORE, _CORES_LEAST, _CORES_MOST = 0.16, 0.32, 1.7  # the map's height: of one core, of few, of many
_KEY_COLUMNS, _KEY_ROW, _KEY_WIDTH = 4, 0.125, 0.1

_SMALL = 0.01  # a phase that takes less of the start is not told apart
_PIXELS = 1200  # across the axis: what is shorter than one cannot be seen
_KEYS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_COLOURS = "Blues"  # idle is white, busy is dark: in print and for every eye


def start_height(use: CoreUse, pieces: Sequence[Piece], gpus: GpuUse) -> float:
    """Inches that ``draw_start`` takes."""
    strip = _STRIP + _GAP if pieces else 0.0
    key = _key_rows(len(_names(pieces))) * _KEY_ROW
    return strip + _cores_height(use) + _MIDDLE + _BUSY + gpus_height(gpus) + _AXIS + key + _GAP


def draw_start(panel: Panel, top: float, use: CoreUse, pieces: Sequence[Piece], gpus: GpuUse, longest_s: float) -> None:
    """Draw from ``top`` down; the axis of time ends at ``longest_s``."""
    if pieces:
        draw_phases(panel, top, pieces, longest_s)
        top += _STRIP + _GAP
    cores = strip_axes(panel, top, _cores_height(use), longest_s)
    bar = panel.axes(LEFT_IN + WIDTH_IN + 0.08, top, 0.07, _cores_height(use))
    _draw_cores(cores, bar, use)
    top += _cores_height(use) + _MIDDLE
    busy = strip_axes(panel, top, _BUSY, longest_s)
    _draw_busy(busy, use)
    top += _BUSY
    write_seconds([busy, *draw_gpus(panel, top, gpus, longest_s)][-1], "exec" if pieces else "the recording began")
    _draw_key(panel, top + gpus_height(gpus) + _AXIS, pieces)


def _cores_height(use: CoreUse) -> float:
    return min(max(len(use.cores) * _CORE, _CORES_LEAST), _CORES_MOST)


def _edges(use: CoreUse) -> list[float]:
    """Begin of the first interval, then the end of each."""
    return [use.times_s[0] - INTERVAL_S, *use.times_s]


def _draw_cores(axes: Axes, bar: Axes, use: CoreUse) -> None:
    number = len(use.cores)
    percent = [list(column) for column in zip(*use.percent, strict=True)]
    mesh = axes.pcolormesh(
        _edges(use), list(range(number + 1)), percent, cmap=_COLOURS, vmin=0, vmax=100, rasterized=True
    )
    step = 1 if number <= 8 else -(-number // 4)
    shown = [*range(0, number, step), *([number - 1] if number > 8 else [])]
    axes.set_yticks([at + 0.5 for at in shown], [str(use.cores[at]) for at in shown])
    axes.set_ylabel("core")
    axes.set_facecolor(tint(GREY, 0.6))  # not sampled
    axes.spines[["top", "right"]].set_visible(True)
    scale = axes.figure.colorbar(mesh, cax=bar)
    scale.set_ticks([0, 50, 100], labels=["0", "50", "100 %"])
    scale.outline.set_linewidth(0.5)


def _draw_busy(axes: Axes, use: CoreUse) -> None:
    """Rare bursts on many cores would hide the rest: they are cut off and their height is written."""
    busy, edges = use.busy, _edges(use)
    highest = min(max(*busy, 0.1), 2 * max(load_of(use).usual, 1.0)) * 1.05
    axes.stairs(busy, edges, fill=True, color=tint(BLUE, 0.45))
    axes.set_ylim(0, highest)
    intervals = list(zip(edges, edges[1:], busy, strict=False))
    for cut_off, run in groupby(intervals, key=lambda interval: interval[2] > highest):
        if cut_off:
            begin_s, end_s, peak = max(run, key=lambda interval: interval[2])
            axes.text((begin_s + end_s) / 2, highest, f"{peak:.0f}", ha="center", va="bottom", fontsize=SMALLEST_PT)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    axes.set_ylabel("busy\nthreads")


def draw_phases(panel: Panel, top: float, pieces: Sequence[Piece], longest_s: float) -> None:
    """The strip of phases, each in its look, with its letter where there is room."""
    axes = strip_axes(panel, top, _STRIP, longest_s)
    axes.set(ylim=(0, 1), yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(bottom=False)
    axes.set_ylabel("phase", rotation=0, ha="right", va="center")
    axes.yaxis.set_label_coords(-0.05 / WIDTH_IN, 0.5)
    known = {name: (key, look) for name, key, look in _key(pieces)}
    merged = next((known[name] for name in known if " " in name), ("", looks([UNATTRIBUTED])[0]))
    for phase, run in groupby(coarse(pieces, longest_s / _PIXELS), key=lambda piece: piece.phase):
        together = list(run)
        begin_s, width_s = together[0].begin_s, together[-1].end_s - together[0].begin_s
        key, look = known.get(phase, merged)
        axes.add_patch(
            Rectangle((begin_s, 0), width_s, 1, facecolor=look.colour, hatch=look.hatch, edgecolor=BLACK, linewidth=0)
        )
        if key and width_s / longest_s * WIDTH_IN > _KEY_WIDTH:
            draw_key(axes, begin_s + width_s / 2, 0.5, key)


def _names(pieces: Sequence[Piece]) -> list[str]:
    """Phases in the order in which they first come; small ones are one, ``unattributed`` never is among them."""
    seconds = phase_seconds(pieces)
    total = sum(seconds.values())
    small = [name for name in seconds if seconds[name] < _SMALL * total and name != UNATTRIBUTED]
    kept = [name for name in seconds if name not in small and name != UNATTRIBUTED]
    rest = [f"{len(small)} smaller phases"] if small else []
    return [*kept, *rest, *([UNATTRIBUTED] if UNATTRIBUTED in seconds else [])]


def _key(pieces: Sequence[Piece]) -> list[tuple[str, str, Look]]:
    """Name, letter and look of each."""
    names = _names(pieces)
    letters = iter(_KEYS)
    keys = ["" if name == UNATTRIBUTED else next(letters, "") for name in names]
    return list(zip(names, keys, looks(names), strict=True))


def _key_rows(entries: int) -> int:
    return -(-entries // _KEY_COLUMNS)


def _draw_key(panel: Panel, top: float, pieces: Sequence[Piece]) -> None:
    """Each phase with its letter and seconds, row by row in the order of time."""
    entries = _key(pieces)
    if not entries:
        return
    seconds = phase_seconds(pieces)
    merged_s = sum(value for name, value in seconds.items() if name not in {name for name, _, _ in entries})
    height = _key_rows(len(entries)) * _KEY_ROW
    page = panel.axes(0, top, PAGE_IN, height)
    page.set(xlim=(0, PAGE_IN), ylim=(height, 0))
    page.axis("off")
    width = (PAGE_IN - 2 * MARGIN_IN) / _KEY_COLUMNS
    for number, (name, key, look) in enumerate(entries):
        x = MARGIN_IN + number % _KEY_COLUMNS * width
        y = (number // _KEY_COLUMNS + 0.5) * _KEY_ROW
        draw_block(page, (x, y - 0.045), 0.16, 0.09, look)
        if key:
            draw_key(page, x + 0.08, y, key)
        took = f"  {seconds.get(name, merged_s):.2f} s"
        room = width - 0.21 - 0.06 - text_width_in(took, SMALLEST_PT)
        shown, points = fitted(name, SMALLEST_PT, room)
        page.text(x + 0.21, y, shown + took, va="center_baseline", fontsize=points)
