"""A workload's two traces: a table for the terminal, and a figure of lengths, turns and arrivals."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from rich.box import SIMPLE_HEAD
from rich.table import Table

from harness.show.style import BLUE, COLUMN_IN, FONT_PT, GREY, ORANGE, fitted, save, style
from harness.traces.making import Turn

SINGLE_STYLE: dict[str, Any] = {"color": ORANGE, "linestyle": "--", "linewidth": 1.0, "label": "single-turn"}
MULTI_STYLE: dict[str, Any] = {"color": BLUE, "linestyle": "-", "linewidth": 1.0, "label": "multi-turn"}
HEIGHT_IN = 1.5


def workload_table(document: dict[str, Any]) -> Table:
    """What the traces hold, and the share of prompt tokens that a cache without end could have had."""
    counts, share = document["counts"], document["chaining"]["share"]
    table = Table(box=SIMPLE_HEAD)
    table.add_column(f"{counts['conversations']:,} conversations")
    traces = document["traces"].values()
    for facts in traces:
        table.add_column(facts["file"], justify="right")
    rows = {
        "requests": "requests",
        "sessions": "sessions",
        "prompt tokens": "prompt_tokens",
        "answer tokens": "output_tokens",
        "longest request, tokens": "max_tokens",
        "last arrival, s": "last_s",
    }
    for name, key in rows.items():
        table.add_row(name, *(f"{facts[key]:,.{1 if key == 'last_s' else 0}f}" for facts in traces))
    hits = [f"{100 * facts['hit_share_of_endless_cache']:.1f} %" for facts in traces]
    table.add_row(f"endless cache, block {document['block_size']}", *hits)
    table.add_row("further turns that chain", "–", "–" if share is None else f"{100 * share:.1f} %")
    table.caption, table.caption_justify = _origin(document), "left"
    return table


def _origin(document: dict[str, Any]) -> str:
    """What the dialogues were and which tokenizer cut them: stands beside everything that is shown of them."""
    source = document["source"]
    origin = source["file"] or f"generated in the shape of {source['shape']}, seed {document['seed']}"
    return f"{origin}; tokenizer {document['tokenizer']['name']}"


def draw_workload(document: dict[str, Any], turns: Sequence[Turn], folder: Path) -> list[Path]:
    """Write ``workload.pdf`` and ``.png``: prompt lengths, turns per conversation, times between arrivals."""
    first = [turn for turn in turns if turn.turn == 1]
    with style():
        figure = Figure(figsize=(2 * COLUMN_IN, HEIGHT_IN), layout="constrained")
        lengths, conversations, arrivals = figure.subplots(1, 3)
        for chosen, look in ((first, SINGLE_STYLE), (turns, MULTI_STYLE)):
            lengths.ecdf([turn.prompt_tokens for turn in chosen], **look)
            times = sorted(turn.arrival_s for turn in chosen)
            if len(times) > 1:
                arrivals.ecdf([later - earlier for earlier, later in pairwise(times)], **look)
        _label(lengths, "prompt length, tokens", "share of requests")
        _label(arrivals, "time between arrivals, s", "share of requests")
        _logarithmic(lengths, (1, 2, 5))
        _logarithmic(arrivals, (1,))
        arrivals.set_xlim(left=1e-3)
        arrivals.legend(*lengths.get_legend_handles_labels(), frameon=False, fontsize=FONT_PT, loc="upper left")
        per_conversation = Counter(Counter(turn.conversation for turn in turns).values())
        conversations.bar(list(per_conversation), list(per_conversation.values()), color=GREY, edgecolor="black")
        _label(conversations, "turns per conversation", "conversations")
        for axis in (conversations.xaxis, conversations.yaxis):
            axis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        figure.suptitle(fitted(_origin(document), FONT_PT, 2 * COLUMN_IN)[0], fontsize=FONT_PT)
        return save(figure, folder, "workload")


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _logarithmic(axes: Axes, digits: Sequence[int]) -> None:
    """A logarithmic x axis with plain numbers at these digits of each decade."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=digits))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
