"""Figure 14: how long loading the model takes by load format."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.analyse.dataset import TOTAL, CaseData, Side
from harness.analyse.paper_average import mean_seconds
from harness.analyse.stats import Summary
from harness.record.plain import printable
from harness.show.bars import Bar, BarGroup, bars_height, bars_left, draw_bars
from harness.show.caption import about, whose
from harness.show.command import FigureData
from harness.show.sheet import Section, sheet
from harness.show.startup_colours import Look
from harness.show.style import BLUE, GREEN, GREY, HATCHES, ORANGE, PURPLE, SKY, tint

_QUANTITY = "model_loading"
_DEFAULT = "safetensors"  # what the others are compared with
_LOOKS = [
    Look(tint(colour, 0.35), hatch)
    for colour, hatch in zip((BLUE, ORANGE, GREEN, PURPLE, SKY, GREY), HATCHES, strict=True)
]

Cases = dict[str, dict[str, CaseData]]  # model → load format → case


def draw(data: FigureData) -> tuple[Figure, list[RenderableType]]:
    """One section per side: a group of bars for each model, a bar for each format."""
    declared = [str(value) for value in data.figure.vary.get("load_format", ())]
    used = [name for side in data.sides for formats in cases_by_format(side).values() for name in formats]
    names = list(dict.fromkeys((*declared, *used)))
    looks = {name: _LOOKS[at % len(_LOOKS)] for at, name in enumerate(names)}
    sides = [replace(side, cases=tuple(sorted(side.cases, key=_declared(data.figure.models)))) for side in data.sides]
    return sheet([_section(side, looks) for side in sides]), [_tables(side, names) for side in sides]


def cases_by_format(side: Side) -> Cases:
    """The side's cases by model and format."""
    out: Cases = {}
    for case in side.cases:
        out.setdefault(_model(case), {})[str(case.parameters.get("load_format", "auto"))] = case
    return out


def _declared(models: Sequence[str]) -> Callable[[CaseData], int]:
    """A case's place in the figure's declaration; what is not declared comes last."""
    return lambda case: list(models).index(_model(case)) if _model(case) in models else len(models)


def _model(case: CaseData) -> str:
    """The model; the paper keeps a tensorized one under a name of its own."""
    return case.model.removesuffix("-tensorized")


def _section(side: Side, looks: dict[str, Look]) -> Section:
    groups = []
    for model, formats in cases_by_format(side).items():
        bars = tuple(
            _bar(mean_seconds(formats[name], _QUANTITY), look) for name, look in looks.items() if name in formats
        )
        groups.append(BarGroup(model, bars))
    present = {name for formats in cases_by_format(side).values() for name in formats}
    absent = [name for name in looks if name not in present]
    counts = [found.n for case in side.cases if (found := mean_seconds(case, _QUANTITY))]
    caption = [
        *about(side, counts),
        "model_loading: building the model and filling it with its weights.",
        *([f"Not measured: {', '.join(absent)}."] if absent else []),
    ]
    return Section(
        f"model loading by format, {whose(side)}",
        caption,
        partial(draw_bars, groups=groups, unit=f"{_QUANTITY}, seconds"),
        bars_height(groups),
        bars_left(groups),
        key=[(name, look) for name, look in looks.items() if name in present],
    )


def _bar(seconds: Summary | None, look: Look) -> Bar:
    if seconds is None:
        return Bar(None, None, "not stated by any measured start", look)
    spread = f" ± {seconds.half_width:.2f} s" if seconds.half_width is not None else " s (n=1)"
    return Bar(seconds.mean, seconds.half_width, f"{seconds.mean:.2f}{spread}", look)


def _tables(side: Side, names: list[str]) -> RenderableType:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("model", "format", "loading, s", "±95 %", "n", "ratio", "total, s", "ratio "):
        table.add_column(name, justify="left" if name in ("model", "format") else "right", no_wrap=True)
    for model, formats in cases_by_format(side).items():
        for name in (name for name in names if name in formats):
            loading, total = (mean_seconds(formats[name], quantity) for quantity in (_QUANTITY, TOTAL))
            default = formats.get(_DEFAULT)
            ratios = [
                _ratio(seconds, mean_seconds(default, quantity) if default else None)
                for seconds, quantity in ((loading, _QUANTITY), (total, TOTAL))
            ]
            half = f"{loading.half_width:.3f}" if loading and loading.half_width is not None else "–"
            shown = (_seconds(loading), half, str(loading.n if loading else 0), ratios[0], _seconds(total), ratios[1])
            table.add_row(Text(printable(model, 24)), Text(printable(name, 24)), *shown)
    said = Text(f"loading: {_QUANTITY}; ratio: to {_DEFAULT}")
    return Group(Text(printable(f"{side.slot}, {whose(side)}"), "bold"), table, said)


def _ratio(above: Summary | None, below: Summary | None) -> str:
    return f"{above.mean / below.mean:.3f}" if above and below and below.mean else "–"


def _seconds(summary: Summary | None) -> str:
    return f"{summary.mean:.3f}" if summary else "–"
