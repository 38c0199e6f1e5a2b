"""The verb about starts that were not made yet: ``predict``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import HarnessError
from harness.workspace import Workspace


class CacheState(StrEnum):
    """What a start finds in its compile caches, as the command line takes it."""

    WARM = "warm"
    EMPTY = "empty"
    OFF = "off"


def predict(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="A name of models.yaml.")] = None,
    node: Annotated[
        str | None,
        typer.Option(metavar="NODE", help="Whose starts: node-1a2b…, or paper.", show_default="this machine"),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL", help="Where weights are read from: ram, ssd, tmpfs, path:DIR.", show_default="as most"
        ),
    ] = None,
    load_format: Annotated[
        str | None, typer.Option(metavar="FORMAT", help="safetensors, runai_streamer, …", show_default="as most")
    ] = None,
    cache: Annotated[
        CacheState | None, typer.Option(help="Compile caches; off: nothing is compiled.", show_default="warm")
    ] = None,
    shape: Annotated[
        str | None, typer.Option(metavar="NODE", help="Carry NODE's forecast here by the few starts made here.")
    ] = None,
    twin: Annotated[bool, typer.Option("--twin", help="The model's structural twin.")] = False,
    evaluate: Annotated[
        bool, typer.Option("--evaluate", help="How far off are forecasts? With --data, instead of MODEL.")
    ] = False,
    data: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="Of --evaluate: a recorded sweep, or slots; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")] = False,
) -> None:
    """How long will a start take, phase by phase, and how sure is that? Learns from the starts a node has made."""
    if evaluate:
        from harness.commands.predict.evaluation import run_evaluate

        if model is not None or not data:
            raise HarnessError("predict --evaluate takes --data DIR (a sweep's folder), and no MODEL")
        raise typer.Exit(run_evaluate(data, cache.value if cache else None, as_json))
    from harness.commands.predict.command import Asked, run_predict

    if model is None or data:
        raise HarnessError("predict takes a MODEL of models.yaml; or --evaluate --data DIR")
    asked = Asked(model, node, storage, cache.value if cache else "warm", shape, load_format, twin)
    raise typer.Exit(run_predict(asked, as_json, Workspace()))
