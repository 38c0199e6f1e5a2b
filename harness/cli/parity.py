"""The verb that holds vLLM against transformers on the same weights: ``parity``."""

from typing import Annotated

import typer

from harness.workspace import Workspace


def parity(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name of models.yaml.")],
    dtype: Annotated[
        str, typer.Option(metavar="NAMES", help="Precisions: float32, bfloat16, float16, one after the other.")
    ] = "float32,bfloat16",
    prompts: Annotated[int, typer.Option(metavar="N", help="Logic puzzles, made from the seed.")] = 120,
    tokens: Annotated[
        int | None,
        typer.Option(metavar="N", help="Of an answer at most.", show_default="32 of a twin, 256 of real weights"),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Equal seeds, equal puzzles.")] = 0,
    plant: Annotated[
        float | None,
        typer.Option(metavar="FACTOR", help="Scale one weight matrix of vLLM's copy: a fault that has to be found."),
    ] = None,
    tensor: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --plant: which.", show_default="attention output of the middle layer"),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(envvar="HARNESS_ENGINE", metavar="PIN", help="Whose vLLM.", show_default="this machine's"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")] = False,
) -> None:
    """Does vLLM give what transformers gives? Same weights, greedy and log-probabilities; exits 1 if not."""
    from harness.commands.parity.command import run_parity
    from harness.commands.parity.wanted import wanted_of
    from harness.door import json_errors

    with json_errors(as_json):
        wanted = wanted_of(model, dtype, prompts, tokens, seed, plant, tensor)
    raise typer.Exit(run_parity(wanted, engine, as_json, Workspace()))
