"""Forecasts, and how far off they are, as tables for a terminal."""

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from harness.analyse.forecast_evaluate import LEAST_MODELS
from harness.analyse.forecast_phases import LOAD
from harness.analyse.forecast_seconds import Seconds, count
from harness.record.plain import printable

if TYPE_CHECKING:  # the commands import this module
    from harness.commands.predict.command import Answer
    from harness.commands.predict.evaluation import Evaluation

_CACHES = {
    "warm": "compiled graphs in the cache",
    "empty": "empty compile caches",
    "off": "nothing compiled",
}


def print_prediction(answer: "Answer", console: Console) -> None:
    """Phases with their intervals, what each is over, and what the reader must know."""
    asked, forecast, prediction = answer.asked, answer.forecast, answer.prediction
    what = f"{asked.model}{chr(39) + 's twin' if asked.twin else ''}, {_CACHES[asked.cache]}"
    console.print(f"{what}; trained on {count(len(forecast.models), 'model')} of {_whose(answer)}", markup=False)
    table = _table("phase", "seconds", "±95 %", "%", left=("by",))
    for name, each in prediction.phases.items():
        line = forecast.lines[name]
        by = prediction.load_source if name == LOAD else _over(line.terms)
        share = 100 * each.seconds / prediction.total.seconds if prediction.total.seconds else 0.0
        table.add_row(name, f"{each.seconds:.2f}", _half(each), f"{share:.0f}", printable(by))
    table.add_row("total", f"{prediction.total.seconds:.2f}", _half(prediction.total), "100", "", style="bold")
    console.print(table)
    if prediction.no_interval:
        console.print(f"no interval: {printable(prediction.no_interval)}", markup=False)
    for text in prediction.outside:
        console.print(f"outside what it has seen: {printable(text)}", markup=False)
    for text in answer.notes:
        console.print(f"note: {printable(text)}", markup=False)


def print_evaluation(evaluation: "Evaluation", console: Console) -> None:
    """One line per node and per pair of nodes; then what was not averaged in, and why."""
    table = _table("models", "MAPE %", "largest %", "in interval %", left=("caches",), first="node")
    for one, errors in evaluation.nodes:
        numbers = (_percent(value) for value in (errors.mape, errors.max_ape, errors.coverage))
        table.add_row(printable(one.node), str(len(errors.held_out)), *numbers, one.cache)
    console.print("every model predicted from all others of its node", markup=False)
    console.print(table)
    if evaluation.carried:
        console.print("a node's forecast carried to another by a few starts there")
        table = _table("starts", "models", "MAPE %", "largest %", "in interval %", first="from → to")
        for each in evaluation.carried:
            numbers = (_percent(value) for value in (each.errors.mape, each.errors.max_ape, each.errors.coverage))
            names = printable(f"{each.origin} → {each.target}")
            table.add_row(names, str(each.calibration), str(len(each.errors.held_out)), *numbers)
        console.print(table)
    for one, _ in evaluation.nodes:
        if len(evaluation.nodes) > 1 and len(one.models) < LEAST_MODELS:
            few = f"its forecast is not carried elsewhere: {count(len(one.models), 'model')}, needs {LEAST_MODELS}"
            console.print(f"{printable(one.node)}: {few}", markup=False)
        for flag in one.found.flags:
            part = "" if flag.whole else " (some of its starts)"
            console.print(
                f"{printable(one.node)}: not used: {printable(flag.model)}{part}: {printable(flag.reason)}",
                markup=False,
            )


def _whose(answer: "Answer") -> str:
    carried = answer.forecast.calibration
    if carried is None:
        return printable(answer.node.words)
    shape = printable(answer.asked.shape or "")
    return f"node {shape}, carried to {printable(answer.node.words)} by {count(carried.models, 'model')}"


def _over(terms: tuple[str, ...]) -> str:
    names = [term.removesuffix("_gb").removesuffix("_mb").replace("_", " ") for term in terms if term != "one"]
    return f"line over {', '.join(names)}" if names else "mean"


def _half(value: Seconds) -> str:
    return "–" if value.half_width is None else f"{value.half_width:.2f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _table(first_name: str, *names: str, left: tuple[str, ...] = (), first: str = "") -> Table:
    """Names left, numbers right."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    numbers = (first_name, *names) if first else names
    table.add_column(first or first_name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for name in left:
        table.add_column(name, overflow="fold")
    return table
