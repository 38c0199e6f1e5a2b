"""One of two processes that ``run_figure.sh NUM --parallel`` starts: measures one slot, on the GPU that it may see.

``python -m harness.commands.figure.pair_member TASK`` is no verb: it needs the process that started it (``pair.py``
beside it), which holds the measurement lock, has made engines and models, and draws the figure when both have ended.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from harness.commands.figure.cases import asked_figures
from harness.commands.figure.command import measure_asked
from harness.commands.figure.problems import raise_last
from harness.door import run_app
from harness.measure.case import Options
from harness.measure.conditions import ended_by_signals
from harness.measure.pair_link import Link
from harness.workspace import Workspace

MODULE = "harness.commands.figure.pair_member"


@dataclass(frozen=True)
class Slot:
    """What a member measures. ``other``: the slot that is measured at once with it."""

    root: str
    figure: str
    index: int
    other: str
    pin: str
    options: Options

    def argument(self) -> str:
        """As it stands on the member's command line."""
        return json.dumps(asdict(self))


def slot_of(argument: str) -> Slot:
    """What ``Slot.argument`` wrote."""
    document: dict[str, Any] = json.loads(argument)
    options = document.pop("options")
    models = options.pop("models")
    return Slot(**document, options=Options(models=tuple(models) if models else None, **options))


def measure_slot(slot: Slot, link: Link) -> None:
    """Make the slot's missing runs, each beside one of the other slot's, and collect it.

    Raises:
        HarnessError: as ``run_figure``.
    """
    workspace = Workspace(Path(slot.root))
    asked = asked_figures(slot.figure, slot.index, slot.options, slot.pin, workspace)
    with ended_by_signals():
        raise_last(measure_asked(asked, slot.options, workspace, together=link.meet).problems)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def member(task: str) -> None:
    """One half of ``run_figure.sh NUM --parallel``, which starts it."""
    slot = slot_of(task)
    measure_slot(slot, Link(slot.other))


if __name__ == "__main__":
    run_app(app, MODULE, stopped="stopped")
