"""Steps that studies' commands share: engine and model are set up; the figure is drawn, and what failed is told."""

import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from harness.commands.figure.command import plot, set_up
from harness.commands.figure.problems import raise_last
from harness.commands.figure.studies import StudyCall
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles, ensure_model
from harness.errors import MeasurementFailed
from harness.measure.conditions import check_writable
from harness.progress import say
from harness.spec.pin import Pin
from harness.state.machine import this_node
from harness.workspace import Workspace


def set_up_with_model(
    pin: Pin, model: str, figure: str, workspace: Workspace
) -> tuple[Engine, ModelFiles, dict[str, Any]]:
    """Engine and model, installed and made where they are not there, and this node.

    Raises:
        HarnessError: results cannot be written, or one of them cannot be had.
    """
    check_writable([workspace.runs, workspace.caches, workspace.figure(figure)])
    node = this_node(workspace.runs)
    engine = set_up(pin, workspace)
    return engine, ensure_model(model, lambda: engine.python, workspace.models, announce=say), node


def draw_and_print(call: StudyCall, document: Callable[[], dict[str, Any]], workspace: Workspace) -> None:
    """Draw the figure; with ``--json`` its document is the last line of stdout, and nothing else is there.

    Raises:
        HarnessError: the figure cannot be drawn.
    """
    with contextlib.redirect_stdout(sys.stderr if call.as_json else sys.stdout):
        plot(workspace.figure(call.figure), [])
    if call.as_json:
        print(json.dumps(document()))


def raise_failed(failed: Sequence[str]) -> None:
    """Tell every run that failed, the last one by raising MeasurementFailed; nothing if none did.

    Outside of what turns errors into documents: the study's document says them already and stays the last line.
    """
    raise_last([MeasurementFailed(problem) for problem in failed])
