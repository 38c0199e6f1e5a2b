"""The verb about what this machine has and lacks: ``doctor``."""

from typing import Annotated

import typer

from harness.cli.wheelhouse import ReusePython, Wheelhouse
from harness.workspace import Workspace


def doctor(
    engine: Annotated[
        str | None,
        typer.Option(envvar="HARNESS_ENGINE", help="Engine pin to measure with.", show_default="this machine's"),
    ] = None,
    wheelhouse: Wheelhouse = None,
    reuse_python: ReusePython = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")] = False,
) -> None:
    """What has this machine, what does each figure need, and which command gives what is missing? It only looks."""
    from harness.commands.doctor import run_doctor
    from harness.engine.wheel_source import install_from

    install_from(wheelhouse, reuse_python)
    raise typer.Exit(run_doctor(as_json, engine, Workspace()))
