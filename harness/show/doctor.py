"""The doctor's findings for a terminal of 60 columns or more. Commands stand on lines of their own, never broken."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from harness.doctor.check import Check, FigureCheck
from harness.record.plain import printable

_INDENT = 9  # columns of a status and a blank


def print_checks(
    checks: Sequence[Check], figures: Sequence[FigureCheck], default: FigureCheck, stderr: bool = False
) -> None:
    """Everything that was looked at, each figure, and what to do first."""
    console = Console(stderr=stderr, highlight=False, markup=False)
    console.print("This machine")
    for check in checks:
        needed = "" if check.status == "ok" else f"; needed: {check.needed}"
        _print(console, check.status, f"{check.name}: {check.found}{needed}", check.fix)
    console.print("\nFigures (minutes of starts that are not stored yet)")
    for figure in figures:
        minutes = "" if figure.minutes is None else f", {figure.minutes:.0f} minutes"
        why = f": {figure.why}" if figure.why else ""
        _print(console, figure.status, f"figure {figure.figure}{minutes}{why}", figure.fix)
    console.print(f"\n{_conclusion(default)}", soft_wrap=True)


def _print(console: Console, status: str, text: str, fix: str | None) -> None:
    line = Text(f"{status:{_INDENT}}", style="" if status == "ok" else "bold")
    wrapped = Text(printable(text)).wrap(console, max(console.width - _INDENT, 20))
    console.print(line + (wrapped[0] if wrapped else Text("")))
    for rest in wrapped[1:]:
        console.print(Padding(rest, (0, 0, 0, _INDENT)))
    if fix:
        console.print(f"{'':{_INDENT}}→ {printable(fix)}", soft_wrap=True)
    elif status == "cannot":
        console.print(f"{'':{_INDENT}}→ this machine cannot")


def _conclusion(default: FigureCheck) -> str:
    command = f"bash run_figure.sh {default.figure}"
    if default.ready:
        return f"figure {default.figure} can be measured here: {command}"
    if default.fix:
        return f"figure {default.figure} cannot be measured here yet; first: {printable(default.fix)}"
    return f"figure {default.figure} cannot be measured on this machine: {printable(default.why)}"
