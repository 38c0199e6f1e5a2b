"""The verb about one stored run's spans: ``trace``."""

from pathlib import Path
from typing import Annotated

import typer

from harness.workspace import Workspace


def trace(
    run: Annotated[str, typer.Argument(metavar="RUN", help="CASE/RUN of the store (CASE/1), or a run's folder.")],
    perfetto: Annotated[
        Path | None, typer.Option(metavar="OUT.json", help="Write a trace for ui.perfetto.dev.")
    ] = None,
    flame: Annotated[Path | None, typer.Option(metavar="OUT.svg", help="Write a flame graph.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The last line of stdout is one JSON document.")] = False,
) -> None:
    """One run's processes, threads and nested spans; with neither file: its processes and longest phases."""
    from harness.commands.trace import trace as trace_run

    trace_run(run, perfetto, flame, as_json, Workspace())
