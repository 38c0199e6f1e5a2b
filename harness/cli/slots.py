"""The verbs that carry slots between machines: ``bundle`` and ``merge``."""

from pathlib import Path
from typing import Annotated

import typer

from harness.workspace import Workspace

_Json = Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")]


def bundle(
    number: Annotated[str, typer.Argument(metavar="NUM", help="The figure: 11")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to.", show_default="figure-NUM-SLOT….zip in this folder")
    ] = None,
    slot: Annotated[
        list[str] | None,
        typer.Option(metavar="SLOT", help="Which of the figure's slots, repeatable.", show_default="all"),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Pack a figure's measured slots into one file, to be merged on another machine."""
    from harness.commands.slots.bundle import run_bundle

    raise typer.Exit(run_bundle(number, out, slot or [], as_json, Workspace()))


def merge(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Bundles from other machines.")],
    as_slot: Annotated[
        str | None, typer.Option("--as", metavar="SLOT", help="The name of the only slot in them from now on.")
    ] = None,
    allow_mismatch: Annotated[
        bool, typer.Option("--allow-mismatch", help="Also slots that do not fit together; the figure says so.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Put the slots of bundles beside this machine's, if they fit together; nothing is overwritten."""
    from harness.commands.slots.merge import run_merge

    raise typer.Exit(run_merge(files, as_slot, allow_mismatch, as_json, Workspace()))
