"""What the feature matrix says of its data, and what is printed of it."""

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from harness.analyse.feature_series import Cell, Speedup
from harness.record.feature_tables import (
    ACCEPTANCE,
    ANSWERS,
    CPU,
    DIFFERENT,
    IDENTICAL,
    LARGEST_DIFFERENCE,
    NEAR_TIE,
    NEAR_TIES,
    OK,
    REFUSED,
    TOKENS_PER_DRAFT,
    TOKENS_PER_STEP,
    UNLIKE_FIRST,
    UNSTABLE,
)
from harness.show.study_command import StudySide

_REASON = 90  # characters in a printed cell
_LONG_H = 1.0  # paired runs that lie further apart may have met another state of the machine


def caption(side: StudySide, cells: Sequence[Cell]) -> list[str]:
    """Of the matrix's page."""
    place = "on this machine" if side.whose == "mine" else "on another machine"
    models = ", ".join(dict.fromkeys(cell.model for cell in cells))
    counts = sorted({cell.ok_runs for cell in cells if cell.ok_runs})
    n = "–".join(map(str, dict.fromkeys((counts[0], counts[-1])))) if counts else "0"
    ties = {cell.outputs[NEAR_TIE] for cell in cells if cell.outputs}
    tolerance = f" ({max(ties):g} nats)" if ties else ""
    said = [
        f"Measured {place} (slot {side.slot.manifest['slot']}; {side.node}). Models: {models}. A twin has the "
        "original's structure, but random weights and narrow layers: its acceptance and speed-ups are its own.",
        f"n={n} runs a case, each an engine of its own, interleaved with its baseline. Speed-up: mean ratio over "
        "paired runs with its 95 % t interval on the logarithm (one run has none). CPU seconds: of all processes of "
        "the engine, without spinning on its message queue.",
        "Near tie: the answer first takes the baseline's second best token, whose log-probability is closer to the "
        f"best one's than the tolerance{tolerance}. Answers: of all paired runs. Δ: largest difference of a "
        "log-probability of the same token after the same prefix, in nats. Refused: as declared; the reason is the "
        "engine's own.",
    ]
    return said + doubts(cells)


def doubts(cells: Sequence[Cell]) -> list[str]:
    """Sentences on what makes these comparisons worth less."""
    said = []
    if unstable := [cell.feature for cell in cells if cell.mean(UNSTABLE)]:
        said.append(f"Answers were not the same in every pass of a run: {', '.join(unstable)}.")
    if unlike := [cell.feature for cell in cells if cell.mean(UNLIKE_FIRST)]:
        said.append(f"Answers were not the same in every repeat: {', '.join(unlike)}.")
    if far := [f"{cell.feature} {_nats(cell)}" for cell in cells if cell.is_far_off]:
        said.append(f"Log-probabilities differ by more than half of the near tie's tolerance: {', '.join(far)}.")
    if apart := [f"{cell.feature} {cell.hours_apart:,.1f} h" for cell in cells if cell.hours_apart > _LONG_H]:
        said.append(f"Paired runs that started more than an hour apart (largest distance): {', '.join(apart)}.")
    return said


def summary(cells: Sequence[Cell]) -> Iterator[RenderableType]:
    """A table of all cases, and sentences on those that need one. ``taken``: % of
    the drafted tokens; ``draft``, ``step``: tokens that one gives.
    """
    table = Table(title="Engine features against their baselines", title_justify="left", box=SIMPLE_HEAD,
                  pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))  # fmt: skip
    table.add_column("feature", no_wrap=True)
    for name in ("n", "equal", "taken", "draft", "step", "× faster (CPU)"):
        table.add_column(name, justify="right", no_wrap=True)
    for cell in cells:
        table.add_row(*map(Text, _row(cell)))
    yield table
    for cell in cells:
        if cell.status != OK and cell.reason:
            reason = cell.reason if len(cell.reason) <= _REASON else f"{cell.reason[: _REASON - 1]}…"
            yield Text(f"{cell.feature}: {'refused, as declared' if cell.status == REFUSED else cell.status}: {reason}")
    yield Text(_agreement(cells))
    yield from map(Text, doubts(cells))


def _row(cell: Cell) -> list[str]:
    return [
        cell.feature,
        str(cell.ok_runs) if cell.ok_runs else cell.status,
        _equal(cell),
        _number(cell.mean(ACCEPTANCE), 100, ".1f"),
        _number(cell.mean(TOKENS_PER_DRAFT), 1, ".2f"),
        _number(cell.mean(TOKENS_PER_STEP), 1, ".1f"),
        _ratio(cell.speedups.get(CPU)),
    ]


def _equal(cell: Cell) -> str:
    if cell.outputs is None:
        return "–"
    ties = f" +{cell.outputs[NEAR_TIES]:.0f} ties" if cell.outputs[NEAR_TIES] else ""
    return f"{cell.outputs[IDENTICAL]:.0f}/{cell.outputs[ANSWERS]:.0f}{ties}"


def _nats(cell: Cell) -> str:
    """The largest difference of log-probabilities."""
    found = (cell.outputs or {}).get(LARGEST_DIFFERENCE)
    return "–" if found is None else f"{found:.1g}"


def _agreement(cells: Sequence[Cell]) -> str:
    """Whether every answer that must equal the baseline's does."""
    compared = [cell for cell in cells if cell.outputs]
    wrong = {cell.feature: cell.outputs[DIFFERENT] for cell in compared if cell.outputs and cell.outputs[DIFFERENT]}
    if wrong:
        which = ", ".join(f"{name} {count:.0f}" for name, count in wrong.items())
        return f"Answers differ from the baseline's where no near tie explains it: {which}."
    ties = sum(cell.outputs[NEAR_TIES] for cell in compared if cell.outputs)
    said = f"{ties:.0f} of them first differ at a near tie" if ties else "none differs"
    answers = sum(cell.outputs[ANSWERS] for cell in compared if cell.outputs)
    largest = max((cell.outputs.get(LARGEST_DIFFERENCE) or 0.0 for cell in compared if cell.outputs), default=0.0)
    told = f"{answers:,.0f} answers of {len(compared)} features were compared with their baseline's: {said}"
    return f"{told}; log-probabilities differ by at most {largest:.1g} nats."


def _number(value: float | None, scale: float, form: str) -> str:
    return "–" if value is None else f"{scale * value:{form}}"


def _ratio(found: Speedup | None) -> str:
    if found is None:
        return "–"
    bounds = f" [{found.low:.2f}, {found.high:.2f}]" if found.low is not None and found.high is not None else ""
    return f"{found.ratio:.2f}{bounds}"
