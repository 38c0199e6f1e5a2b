"""Figure 17: start-up times predicted for models that the predictor was not trained on, beside the measured ones."""

from functools import partial

from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.analyse.dataset import Side
from harness.analyse.predictor import (
    SET_ASIDE,
    VALIDATION,
    Prediction,
    Predictor,
    TooFewModelsError,
    covered_share,
    mape,
    predictions,
    train,
)
from harness.record.plain import printable
from harness.show.bars import Bar, BarGroup, bars_height, bars_left, draw_bars
from harness.show.caption import about, whose
from harness.show.command import FigureData
from harness.show.sheet import WHOSE_LOOK, Section, sheet
from harness.show.startup_colours import Look
from harness.show.style import GREEN, HATCHES, tint

_PREDICTED_LOOK = Look(tint(GREEN, 0.35), HATCHES[3])
_SETS = {"validation": VALIDATION, "set aside": SET_ASIDE}

Sets = dict[str, list[Prediction]]  # name of the set → its predictions


def draw(data: FigureData) -> tuple[Figure, list[RenderableType]]:
    """One section per side; a side with too few models says what it needs."""
    sections, notes = [], []
    for side in data.sides:
        try:
            section, note = _predicted(side)
        except TooFewModelsError as missing:
            section = Section(f"predicted starts, {whose(side)}", [f"{side.slot}: no prediction: {missing}."])
            note = Text(printable(section.caption[0]))
        sections.append(section)
        notes.append(note)
    return sheet(sections), notes


def _predicted(side: Side) -> tuple[Section, RenderableType]:
    predictor = train(side)
    sets = {
        name: predictions(predictor, [case for case in side.cases if case.model in models])
        for name, models in _SETS.items()
    }
    return _section(side, predictor, sets), _tables(side, predictor, sets)


def _section(side: Side, predictor: Predictor, sets: Sets) -> Section:
    title = f"predicted and measured starts, {whose(side)}"
    measured_look = WHOSE_LOOK[side.whose]
    groups = [
        BarGroup(made.model + (" *" if name == "set aside" else ""), _pair(made, measured_look))
        for name, made_of_set in sets.items()
        for made in made_of_set
    ]
    caption = _caption(side, predictor, sets)
    if not groups:
        return Section(title, [f"No model to predict is measured: {', '.join(VALIDATION)}.", *caption])
    return Section(
        title,
        caption,
        partial(draw_bars, groups=groups, unit="seconds of a whole start"),
        bars_height(groups),
        bars_left(groups),
        key=[("predicted (and error)", _PREDICTED_LOOK), ("measured ± 95 % t interval", measured_look)],
    )


def _pair(made: Prediction, measured_look: Look) -> tuple[Bar, Bar]:
    measured = made.measured
    spread = f" ± {measured.half_width:.1f} s" if measured.half_width is not None else " s (n=1)"
    return (
        Bar(made.predicted_s, None, f"{made.predicted_s:.1f} s ({100 * made.error:+.1f} %)", _PREDICTED_LOOK),
        Bar(measured.mean, measured.half_width, f"{measured.mean:.1f}{spread}", measured_look),
    )


def _caption(side: Side, predictor: Predictor, sets: Sets) -> list[str]:
    out = [
        *about(side, (made.measured.n for made_of_set in sets.values() for made in made_of_set)),
        f"Predictor: {len(predictor.lines)} least-squares lines and {len(predictor.means)} means over "
        f"{len(predictor.trained_on)} other models of the same slot.",
    ]
    for name, made in sets.items():
        if (error := mape(made)) is not None:
            out.append(f"Mean absolute error, {name} (n={len(made)}): {100 * error:.2f} %.")
    if sets["set aside"]:
        paper = side.whose == "paper"
        out.append(f"* set aside: {'neither trained on nor in the published figure' if paper else 'not trained on'}.")
    if side.whose == "paper":
        out.append("Capture term as published: trained over size × 67, predicted with size × 1.")
    if predictor.absent:
        out.append(f"Terms left out, no start states them: {', '.join(predictor.absent)}.")
    trained = [case for case in side.cases if case.model in predictor.trained_on]
    if (share := covered_share(predictor, trained)) is not None and side.whose != "paper":
        out.append(f"The terms are about {100 * share:.0f} % of the training models' time: the rest is not predicted.")
    return out


def _tables(side: Side, predictor: Predictor, sets: Sets) -> RenderableType:
    lines = _table("term, seconds", "over", "slope", "intercept", "R²", "n")
    for step, (axis, line) in predictor.lines.items():
        over = f"{axis} × 67" if step == "graph_capturing" and side.whose == "paper" else axis
        numbers = (f"{line.slope:.6g}", f"{line.intercept:.5f}", f"{line.r2:.3f}", str(line.n))
        lines.add_row(step, over, *numbers)
    for step, mean in predictor.means.items():
        lines.add_row(step, "mean", "", f"{mean:.6f}", "", "")
    models = _table("model", "set", "predicted, s", "measured, s", "error, s", "%")
    for name, made in sets.items():
        for each in made:
            error_s = each.predicted_s - each.measured.mean
            cells = (
                f"{each.predicted_s:.6f}",
                f"{each.measured.mean:.6f}",
                f"{error_s:+.3f}",
                f"{100 * each.error:+.1f}",
            )
            models.add_row(Text(printable(each.model, 40)), name, *cells)
    heading = Text(printable(f"{side.slot}, {whose(side)}"), "bold")
    said = Text(printable(" ".join(_caption(side, predictor, sets))))
    outliers = [
        Text(printable(f"outliers of {step}: {', '.join(line.outliers)}"))
        for step, (_, line) in predictor.lines.items()
        if line.outliers
    ]
    return Group(heading, lines, *outliers, models, said)


def _table(*names: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        words = name in ("term, seconds", "over", "model", "set")
        table.add_column(name, justify="left" if words else "right", no_wrap=True)
    return table
