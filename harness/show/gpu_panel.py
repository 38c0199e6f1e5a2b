"""Strips of the GPUs below a start's cores: how busy, memory in use, traffic on PCIe, clock and when it was held down.

A strip that the driver told nothing for is not there. The name of each line stands at its right end.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from harness.analyse.gpu_use import GpuUse, Series, Step
from harness.record import gpu as words
from harness.show.panel import Panel
from harness.show.style import BLUE, GREEN, ORANGE, SMALLEST_PT, VERMILLION, tint
from harness.show.time_strip import strip_axes

_STRIP, _GAP = 0.34, 0.11  # inches
_LINE = 0.7
_GIB, _GB, _MHZ_OF_GHZ = 2**30, 1e9, 1000
Colour = str | tuple[float, float, float]
# A strip: its label, the unit of its axis, and its quantities with their name, colour, whether the area is filled.
_Line = tuple[str, str, Colour, bool]
_STRIPS: tuple[tuple[str, float, tuple[_Line, ...]], ...] = (
    (
        "busy %",
        1,
        ((words.UTILISATION, "kernels", tint(GREEN, 0.4), True), (words.MEMORY_BUSY, "memory", VERMILLION, False)),
    ),
    ("used\nGiB", _GIB, ((words.MEMORY_USED, "memory", tint(BLUE, 0.45), True),)),
    (
        "PCIe\nGB/s",
        _GB,
        ((words.PCIE_RX, "to GPU", tint(ORANGE, 0.4), True), (words.PCIE_TX, "from GPU", BLUE, False)),
    ),
    ("clock\nGHz", _MHZ_OF_GHZ, ((words.SM_CLOCK, "SM", BLUE, False),)),
)


def gpus_height(gpus: GpuUse) -> float:
    """Inches that ``draw_gpus`` takes."""
    return sum(len(_told(series)) for series in gpus.values()) * (_STRIP + _GAP)


def draw_gpus(panel: Panel, top: float, gpus: GpuUse, longest_s: float) -> list[Axes]:
    """The strips of each GPU from ``top`` down, which are returned; the axis of time ends at ``longest_s``."""
    drawn = []
    for number, series in gpus.items():
        for label, unit, lines in _told(series):
            axes = strip_axes(panel, top + _GAP, _STRIP, longest_s)
            _draw(axes, series, unit, lines)
            axes.set_ylabel(label)
            if len(gpus) > 1:
                _write(axes, 2, f"GPU {number}", weight="bold")
            drawn.append(axes)
            top += _STRIP + _GAP
    return drawn


def _told(series: Mapping[str, Series]) -> list[tuple[str, float, tuple[_Line, ...]]]:
    """The strips that have something to show, with the lines that have."""
    strips = [(label, unit, tuple(line for line in lines if line[0] in series)) for label, unit, lines in _STRIPS]
    return [strip for strip in strips if strip[2]]


def _draw(axes: Axes, series: Mapping[str, Series], unit: float, lines: Sequence[_Line]) -> None:
    highest = max(max(series[quantity].values) for quantity, *_ in lines) / unit
    percent = lines[0][0] in (words.UTILISATION, words.MEMORY_BUSY)
    axes.set_ylim(0, 100 if percent else max(highest, 1e-3) * 1.08)
    if lines[0][0] == words.SM_CLOCK and words.CLOCK_REASONS in series:
        _shade_throttled(axes, series[words.CLOCK_REASONS])
    for place, (quantity, name, colour, filled) in enumerate(lines):
        for run in _unbroken(series[quantity].steps()):
            edges = [run[0].begin_s, *(step.end_s for step in run)]
            values = [step.value / unit for step in run]
            look: Any = {"fill": True, "linewidth": 0} if filled else {"baseline": None, "linewidth": _LINE}
            axes.stairs(values, edges, color=colour, **look)
        ink = "black" if filled else colour  # an area's colour is too light to be read
        _write(axes, place, name, color=ink)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=2))


def _write(axes: Axes, row: int, text: str, **options: Any) -> None:
    """Beside a strip, in one of three rows."""
    axes.text(1.008, 0.85 - 0.45 * row, text, transform=axes.transAxes, va="center", fontsize=SMALLEST_PT, **options)


def _unbroken(steps: Sequence[Step]) -> list[list[Step]]:
    """Runs of steps without a gap."""
    runs: list[list[Step]] = []
    for step in steps:
        if step.end_s <= step.begin_s:
            continue
        if runs and step.begin_s <= runs[-1][-1].end_s:
            runs[-1].append(step)
        else:
            runs.append([step])
    return runs


def _shade_throttled(axes: Axes, reasons: Series) -> None:
    for step in reasons.steps():
        if int(step.value) & words.THROTTLING:
            axes.axvspan(step.begin_s, step.end_s, color=tint(VERMILLION, 0.55), linewidth=0)
