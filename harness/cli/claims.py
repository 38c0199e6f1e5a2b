"""The verb about the paper's claims: ``claims``."""

from pathlib import Path
from typing import Annotated

import typer

from harness.workspace import Workspace


def claims(
    figure: Annotated[
        list[str] | None, typer.Option(metavar="N", help="Of this figure only, repeatable.", show_default="all")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Parent of figure-N folders (slots or recorded logs), repeatable."),
    ] = None,
    paper: Annotated[bool, typer.Option("--paper", help="Judge the paper's own data: a check of the claims.")] = False,
    gate: Annotated[bool, typer.Option("--gate", help="Exit 1 if a claim is contradicted.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")] = False,
) -> None:
    """Which of the paper's claims hold on what was measured here, how sure that is, and why not."""
    from harness.commands.claims.command import run_claims

    raise typer.Exit(run_claims(figure or [], data or [], paper, gate, as_json, Workspace()))
