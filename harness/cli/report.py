"""The verb ``report``."""

from pathlib import Path
from typing import Annotated

import typer

from harness.workspace import Workspace


def report(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to.")] = Path("report.html"),
    data: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="Parent of figure-N folders with slots, instead of this checkout's; repeatable."
        ),
    ] = None,
    figure: Annotated[
        list[str] | None, typer.Option(metavar="NUM", help="Which figures, repeatable.", show_default="all")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")] = False,
) -> None:
    """One HTML file of everything here: figures beside the paper's, claims, runs to explore, machines, commands."""
    from harness.commands.report.command import run_report

    raise typer.Exit(run_report(out, data or [], figure or [], as_json, Workspace()))
