"""The verb about what a start would find in memory: ``state``."""

from enum import StrEnum
from typing import Annotated

import typer

from harness.workspace import Workspace


class DropCaches(StrEnum):
    """Whose pages ``--drop-caches`` drops besides the named files'."""

    ALL = "all"


def state(
    target: Annotated[str, typer.Argument(metavar="MODEL|PATH", help="A name of models.yaml, a file or a folder.")],
    evict: Annotated[bool, typer.Option("--evict", help="Put its files out of memory first.")] = False,
    warm: Annotated[bool, typer.Option("--warm", help="Read its files into memory first.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Only look. This is the default.")] = False,
    drop_caches: Annotated[
        DropCaches | None,
        typer.Option(help="First drop the whole machine's page cache, as root or by sudo -n."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")] = False,
) -> None:
    """Which files of a model are in memory? Evicts or warms them, and proves it; exits 1 if it could not."""
    from harness.commands.state import run_state

    raise typer.Exit(run_state(target, evict, warm, show, drop_caches is not None, as_json, Workspace()))
