"""Figures 10, 11 and 13: how many times longer each step of a start takes on a second GPU, CPU or storage."""

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.analyse.dataset import TOTAL, Side
from harness.analyse.ratios import STEPS, Comparison, StepRatio, compare_sides
from harness.record.plain import printable
from harness.show.bars import Bar, BarGroup, bars_height, bars_left, draw_bars
from harness.show.caption import about
from harness.show.command import FigureData
from harness.show.loading import in_words, loadings, table
from harness.show.sheet import WHOSE_LOOK, Section, sheet
from harness.show.startup_colours import Look
from harness.show.state_text import storage_levels
from harness.spec.figure import Difference
from harness.spec.figure import Figure as Declaration

_WHERE: dict[Difference, str] = {
    "gpu": "with the other GPU and copy its {} here",
    "cpu": "on the other machine and copy its {} here",
    "storage": "here (or on another machine, and copy its {} here)",
}
_SHORT = ("boot", "token", "init", "load", "dynamo", "graph", "kv", "capture", "total")  # of STEPS, for 80 columns


def draw(data: FigureData) -> tuple[Figure, list[RenderableType]]:
    """One section for the own and merged slots, one for the paper's; a section that lacks a slot says what to run."""
    sections, notes = [], []
    own = {side.slot: side for side in data.own}
    pair = [own[name] for name in data.figure.slots[:2] if name in own]
    if len(pair) == 2:
        comparison = compare_sides(*pair)
        loading = loadings(comparison) if data.figure.differ == "storage" else []
        sections.append(_section(comparison, [*storage_levels(*pair), *in_words(comparison, loading)]))
        notes.append(_tables(comparison))
        notes += [table(comparison, loading)] if loading else []
    elif data.own:
        sections.append(_missing_section(data.figure, data.own))
        notes.append(Text(printable(" ".join(sections[-1].caption))))
    if len(data.paper) >= 2:
        comparison = compare_sides(*data.paper[:2])
        sections.append(_section(comparison))
        notes.append(_tables(comparison))
    elif data.paper:
        sections.append(Section("paper", [f"Only {data.paper[0].slot} of the paper's two slots is given: no ratio."]))
        notes.append(Text(printable(sections[-1].caption[0])))
    return sheet(sections), notes


def _section(comparison: Comparison, more: Sequence[str] = ()) -> Section:
    base, other = comparison.base, comparison.other
    look = WHOSE_LOOK[
        "paper" if base.whose == "paper" else "merged" if "merged" in (base.whose, other.whose) else "mine"
    ]
    groups = [BarGroup(_name(ratio), (_bar(ratio, comparison, look),)) for ratio in comparison.steps]
    title = f"{other.slot} / {base.slot}, {_whose(base, other)}"
    caption = [*_caption(comparison), *more]
    if not groups:
        return Section(title, caption)
    label = f"seconds {other.slot} / {base.slot}, mean over models"
    paint = partial(draw_bars, groups=groups, unit=label, mark=1.0)
    return Section(title, caption, paint, bars_height(groups), bars_left(groups))


def _whose(base: Side, other: Side) -> str:
    return " and ".join(dict.fromkeys({"mine": "this machine"}.get(side.whose, side.whose) for side in (base, other)))


def _name(ratio: StepRatio) -> str:
    return "total" if ratio.step == TOTAL else ratio.step


def _bar(ratio: StepRatio, comparison: Comparison, look: Look) -> Bar:
    over = ratio.over_models
    spread = f" ± {over.half_width:.2f}" if over.half_width is not None else ""
    few = f" (n={over.n})" if over.n < len(comparison.models) else ""
    return Bar(over.mean, over.half_width, f"{over.mean:.2f}{spread}{few}", look)


def _caption(comparison: Comparison) -> list[str]:
    base, other = comparison.base, comparison.other
    least, most = comparison.starts
    starts = f"{least}" if least == most else f"{least} to {most}"
    models = len(comparison.models)
    each = f"the means of n={starts} measured starts"
    out = [
        f"Ratio per model of {each}, then mean over {models} models ± 95 % t interval over the models."
        if models > 1
        else f"Ratio of {each}; one model, so no interval.",
        *about(base, ()),
        *about(other, ()),
    ]
    if not models:
        out[0] = "No model is measured in both slots."
    elif comparison.missing:
        out.append(f"Not in both slots, so not drawn: {', '.join(comparison.missing)}.")
    if comparison.left_out:
        out.append(f"Models left out: {', '.join(comparison.left_out)}.")
    if comparison.differing:
        out.append(f"Arguments differ ({base.slot} / {other.slot}): {'; '.join(comparison.differing)}.")
    if models and all(case.parameters.get("parallel") for side in (base, other) for case in side.cases):
        out.append("Measured at once on one machine: each start began beside one on the other GPU.")
    if base.whose == "paper":
        out.append("Total: the paper's sum of averaged steps, plus the log's time outside its stages.")
    else:
        out.append("Total: exec→ready.")
    return list(dict.fromkeys(out))


def _missing_section(figure: Declaration, there: Sequence[Side]) -> Section:
    have = {side.slot for side in there}
    missing = [(at, name) for at, name in enumerate(figure.slots[:2]) if name not in have]
    at, name = missing[0]
    folder = f"figures/figure-{figure.figure}"
    where = _WHERE[figure.differ or "cpu"].format(f"{folder}/{name}")
    return Section(
        f"{name} missing",
        [
            f"Own starts: {', '.join(sorted(have))} only, and a ratio needs two slots. {name} missing:"
            f" run bash run_figure.sh {figure.figure} {at} {where}, then python3 {folder}/plot.py."
        ],
    )


def _tables(comparison: Comparison) -> RenderableType:
    """Means with every measure of spread, and each model's ratios, within 80 columns."""
    means = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("step, ratio", "mean", "±95 %", "std. error", "sd", "min", "max", "n"):
        means.add_column(name, justify="left" if name.startswith("step") else "right", no_wrap=True)
    for ratio in comparison.steps:
        over, each = ratio.over_models, ratio.by_model.values()
        spreads = (over.half_width, ratio.standard_error, over.sd)
        cells = [f"{value:.3f}" if value is not None else "–" for value in (over.mean, *spreads, min(each), max(each))]
        means.add_row(_name(ratio), *cells, str(over.n))
    models = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    models.add_column("model")
    for name in _SHORT:
        models.add_column(name, justify="right", no_wrap=True)
    by_step = {ratio.step: ratio.by_model for ratio in comparison.steps}
    for model in comparison.models:
        found = [by_step.get(step, {}).get(model) for step in STEPS]
        models.add_row(Text(printable(model, 40)), *(f"{value:.2f}" if value is not None else "–" for value in found))
    base, other = comparison.base, comparison.other
    heading = Text(printable(f"{other.slot} / {base.slot}, {_whose(base, other)}"), "bold")
    legend = "columns: " + ", ".join(f"{short} = {step}" for short, step in zip(_SHORT, STEPS, strict=True))
    said = [printable(line) for line in (*comparison.differing, *comparison.left_out)]
    warnings = [Text(f"not alike: {line}") for line in said]
    return Group(heading, means, models, Text(legend), *warnings)
