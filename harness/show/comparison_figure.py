"""A comparison of engines, one page: TTFT, decode speed and throughput against concurrency."""

from collections.abc import Iterator
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from harness.show.comparison_print import Shown, agreement_line, interval_said, together_line, told_line
from harness.show.study_page import Band, Page, Paint
from harness.show.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, style

_COLOURS = (BLACK, BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", (0, (4, 1)), (0, (1, 1)), (0, (4, 1, 1, 1)))
_PANELS = (
    ("ttft_median_s", "time to first text (median)", "ms", 1000.0, True),
    ("decode_median", "decode speed (median)", "tokens/s", 1.0, False),
    ("throughput", "throughput", "tokens/s", 1.0, False),
)


def draw_comparison(shown: Shown) -> Figure:
    """The page."""
    with style():
        panels = [
            (f"{title}, {unit}", _painted(shown, metric, by, logarithmic))
            for metric, title, unit, by, logarithmic in _PANELS
        ]
        key = [
            Line2D(
                [], [], lw=0.9, ms=3.2, label=f"{name} (gap)" if _is_gap(shown, name) else name, **_look(shown, name)
            )
            for name in shown.names
        ]
        title = "Engines through the OpenAI API, same prompts, greedy, streaming"
        return Page(title, [Band("", panels, 1.75)], list(_caption(shown)), key).draw()


def _look(shown: Shown, name: str) -> dict[str, Any]:
    at = list(shown.names).index(name)
    return {
        "color": _COLOURS[at % len(_COLOURS)],
        "marker": _MARKERS[at % len(_MARKERS)],
        "linestyle": _LINES[at % len(_LINES)],
    }


def _is_gap(shown: Shown, name: str) -> bool:
    return not any((name, level, "throughput") in shown.points for level in shown.levels)


def _painted(shown: Shown, metric: str, by: float, logarithmic: bool) -> Paint:
    def paint(axes: Axes) -> None:
        for at, name in enumerate(shown.names):
            found = [
                (level, point.summary)
                for level in shown.levels
                if (point := shown.points.get((name, level, metric))) is not None
            ]
            if not found:
                continue
            # Next to each other, so that intervals do not hide each other.
            beside = 1.0 + 0.03 * (at - (len(shown.names) - 1) / 2)
            places = [level * beside for level, _ in found]
            means = [by * summary.mean for _, summary in found]
            halves = [by * (summary.half_width or 0.0) for _, summary in found]
            if logarithmic:  # an interval that reaches below zero ends at the axis
                halves_below = [min(half, 0.9 * mean) for half, mean in zip(halves, means, strict=True)]
            else:
                halves_below = [min(half, mean) for half, mean in zip(halves, means, strict=True)]
            axes.errorbar(
                places, means, yerr=[halves_below, halves], lw=0.9, ms=3.2, elinewidth=0.7, capsize=1.5,
                **_look(shown, name),
            )  # fmt: skip
        axes.set_xscale("log", base=2)
        axes.set_xlim(min(shown.levels) / 1.3, max(shown.levels) * 1.3)
        axes.xaxis.set_major_locator(FixedLocator(list(shown.levels)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("requests at once")
        if logarithmic:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: _minor(value)))
        else:
            axes.set_ylim(bottom=0)

    return paint


def _minor(value: float) -> str:
    """Labels of a logarithmic scale between its decades: 2 and 5."""
    first = f"{value:e}"[0]
    return f"{value:g}" if first in "25" else ""


def _caption(shown: Shown) -> Iterator[str]:
    engines = "; ".join(f"{name} = {shown.engines[name]}" for name in shown.names if name in shown.engines)
    model = ""
    if shown.model:
        twin = ", a random-weight twin" if shown.model.get("twin") else ""
        model = f" Weights of those started here: {shown.model['name']}{twin}, float32."
    yield f"Measured on this machine: {shown.node}. {engines + '.' if engines else ''}{model}"
    yield (
        f"{shown.prompts} prompts to each target at each concurrency and repeat, n = {shown.repeats}; targets in "
        f"turns, one loaded at a time. Marks: means over repeats; {interval_said(shown)}."
    )
    counted = (
        f"Tokens: counted by the tokenizer {shown.tokenizer} from the texts"
        if shown.tokenizer
        else ("Tokens: streamed chunks with text")
    )
    told = [line for name in shown.names if (line := told_line(shown, name))]
    yield f"{counted}, not by the servers. {'; '.join(told)}{'.' if told else ''}"
    if together := [line for name in shown.names if (line := together_line(shown, name))]:
        yield "; ".join(together) + "."
    if shown.agreements:
        yield "; ".join(map(agreement_line, shown.agreements)) + "."
    for name, reason in shown.gaps.items():
        yield f"Gap: {name}: {reason.rstrip('.')}."
    if shown.model and shown.model.get("twin"):
        yield "A narrow twin on a CPU shows what engines cost around the model, not how fast they are on a real one."
