"""The verbs about recorded logs, of the paper's authors or of anybody: ``parse-log`` and ``reparse``."""

from pathlib import Path
from typing import Annotated

import typer

_Json = Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")]


def parse_log(
    log: Annotated[Path, typer.Argument(metavar="FILE", help="The log of one start.")], as_json: _Json = False
) -> None:
    """The paper's 18 quantities of one start, from its log."""
    from harness.commands.parse_log import run_parse_log

    raise typer.Exit(run_parse_log(log, as_json))


def reparse(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A recording, or a folder of recordings.")],
    as_json: _Json = False,
) -> None:
    """Are a recording's values what its logs say? Exits 1 if one differs or has nothing to be held against."""
    from harness.commands.reparse import run_reparse

    raise typer.Exit(run_reparse(folder, as_json))
