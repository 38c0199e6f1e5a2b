"""Figure 14: how long loading the model takes by load format, how fast that is, and whether weights are the same."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from matplotlib.figure import Figure
from rich.console import RenderableType

from harness.analyse.bandwidth import bandwidth
from harness.analyse.dataset import CaseData, Side
from harness.analyse.formats import cases_by_format, compare_weights, model_of
from harness.analyse.paper_average import mean_seconds
from harness.show.bars import Bar, BarGroup, bars_height, bars_left, draw_bars
from harness.show.caption import about, whose
from harness.show.command import FigureData
from harness.show.formats_print import tables
from harness.show.formats_text import DEFAULT, ODD, QUANTITY, gigabytes, levels, own_sentences, rate_text
from harness.show.sheet import Section, sheet
from harness.show.startup_colours import Look
from harness.show.style import BLUE, GREEN, GREY, HATCHES, ORANGE, PURPLE, SKY, tint

_LOOKS = [
    Look(tint(colour, 0.35), hatch)
    for colour, hatch in zip((BLUE, ORANGE, GREEN, PURPLE, SKY, GREY), HATCHES, strict=True)
]


def draw(data: FigureData) -> tuple[Figure, list[RenderableType]]:
    """One section per side: a group of bars for each model, a bar for each format."""
    declared = [str(value) for value in data.figure.vary.get("load_format", ())]
    used = [name for side in data.sides for formats in cases_by_format(side).values() for name in formats]
    names = list(dict.fromkeys((*declared, *used)))
    looks = {name: _LOOKS[at % len(_LOOKS)] for at, name in enumerate(names)}
    sides = [replace(side, cases=tuple(sorted(side.cases, key=_declared(data.figure.models)))) for side in data.sides]
    return sheet([_section(side, looks) for side in sides]), [tables(side, names) for side in sides]


def _declared(models: Sequence[str]) -> Callable[[CaseData], int]:
    """A case's place in the figure's declaration; what is not declared comes last."""
    return lambda case: list(models).index(model_of(case)) if model_of(case) in models else len(models)


def _section(side: Side, looks: dict[str, Look]) -> Section:
    models, groups = cases_by_format(side), []
    for model, formats in models.items():
        odd = compare_weights(formats, DEFAULT).odd
        bars = tuple(_bar(formats[name], look, name in odd) for name, look in looks.items() if name in formats)
        groups.append(BarGroup(model, bars, gigabytes(formats)))
    present = {name for formats in models.values() for name in formats}
    absent = [name for name in looks if name not in present]
    counts = [found.n for case in side.cases if (found := mean_seconds(case, QUANTITY))]
    caption = [
        *about(side, counts),
        "model_loading: building the model and filling it with its weights.",
        *(own_sentences(side) if side.whose != "paper" else []),
        *([f"Not measured: {', '.join(absent)}."] if absent else []),
    ]
    return Section(
        f"model loading by format, {whose(side)}",
        caption,
        partial(draw_bars, groups=groups, unit=f"{QUANTITY}, seconds"),
        bars_height(groups),
        bars_left(groups),
        key=_key({name: look for name, look in looks.items() if name in present}, levels(side)),
    )


def _key(looks: dict[str, Look], storage: dict[str, str]) -> list[tuple[str, Look]]:
    """Formats that start from different storage are told apart here too: their bars are not to be taken for alike."""
    apart = len(set(storage.values())) > 1
    return [(f"{name} ({storage[name]})" if apart and name in storage else name, look) for name, look in looks.items()]


def _bar(case: CaseData, look: Look, odd: bool) -> Bar:
    seconds, loaded = mean_seconds(case, QUANTITY), bandwidth(case)
    if seconds is None:
        return Bar(None, None, "not stated by any measured start", look)
    spread = f" ± {seconds.half_width:.2f} s" if seconds.half_width is not None else " s (n=1)"
    said = [f"{seconds.mean:.2f}{spread}", *([rate_text(loaded.achieved)] if loaded else [])]
    return Bar(seconds.mean, seconds.half_width, f"{ODD} " * odd + ", ".join(said), look)
