"""How a study's command ends: its figure is drawn, its document printed, and what failed is told."""

import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from harness.commands.figure.command import plot
from harness.commands.figure.problems import raise_last
from harness.commands.figure.studies import StudyCall
from harness.errors import MeasurementFailed
from harness.workspace import Workspace


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
