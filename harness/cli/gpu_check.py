"""The verb that checks a machine with a GPU, stage by stage: ``gpu-check``."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.figure import QUIET_WAIT
from harness.cli.wheelhouse import ReusePython, Wheelhouse
from harness.workspace import Workspace


def gpu_check(
    stage: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="install, figure2, figure8, figure9, storage or pack; repeat it for several.",
            show_default="all",
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(envvar="HARNESS_ENGINE", metavar="PIN", help="Engine pin.", show_default="this machine's"),
    ] = None,
    dest: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where pack puts its file.", show_default="named by engine and node"),
    ] = None,
    quiet_wait: Annotated[float, QUIET_WAIT] = 60.0,
    wheelhouse: Wheelhouse = None,
    reuse_python: ReusePython = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")] = False,
) -> None:
    """What a machine with a GPU says of this harness: starts, graph capture, weight loading, in resumable stages."""
    from harness.commands.gpu_check.command import CheckCall, run_gpu_check
    from harness.door import json_errors
    from harness.engine.default_pin import default_pin
    from harness.engine.wheel_source import install_from
    from harness.spec.gpu_check import load_gpu_check

    with json_errors(as_json):
        install_from(wheelhouse, reuse_python)
        call = CheckCall(tuple(stage or ()), engine or default_pin(), dest, quiet_wait, as_json)
        check = load_gpu_check()
    raise typer.Exit(run_gpu_check(check, call, Workspace()))
