"""The verb that makes what is replayed: ``workload make`` and ``workload generate``."""

from pathlib import Path
from typing import Annotated

import typer

from harness.workspace import Workspace

workload = typer.Typer(no_args_is_help=True, help="Traces of requests, from dialogues or from a seed.")
MOST = 10_000_000  # conversations


@workload.command()
def make(
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder: two traces, workload.json, a figure.")],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Dialogues, ShareGPT as JSON or JSONL.", show_default="generated from the seed"
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Whose tokenizer: a folder, a hub id, a name of models.yaml.",
            show_default="trained on Python's manual",
        ),
    ] = None,
    max_conversations: Annotated[int, typer.Option(min=1, max=MOST, help="The first so many usable ones.")] = 1000,
    block_size: Annotated[int, typer.Option(min=1, max=1 << 20, help="Tokens of a KV block (hit shares).")] = 16,
    arrival_rate: Annotated[float, typer.Option(min=1e-6, max=1e6, help="Conversations that begin each second.")] = 2.0,
    seed: Annotated[int, typer.Option(min=0, help="Of arrivals, think times and generated dialogues.")] = 0,
    skip_plots: Annotated[bool, typer.Option("--skip-plots", help="No workload.pdf and .png.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="workload.json as the last line of stdout.")] = False,
) -> None:
    """Make single_turn_trace.jsonl and multi_turn_trace.jsonl, which `replay` takes."""
    from harness.commands.workload import Asked, run_make
    from harness.traces.arrivals import Arrivals

    arrivals = Arrivals(arrival_rate, seed)
    asked = Asked(data, out, model, max_conversations, block_size, arrivals, not skip_plots)
    run_make(asked, as_json, Workspace())


@workload.command()
def generate(
    out: Annotated[Path, typer.Option(metavar="FILE.jsonl", help="A new file, ShareGPT JSONL.")],
    conversations: Annotated[int, typer.Option(min=1, max=MOST, help="How many (1 KB of memory each).")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds, equal bytes.")] = 0,
) -> None:
    """Dialogues with the lengths and the prefix sharing of a real corpus; their words mean nothing."""
    from harness.commands.workload import run_generate

    run_generate(out, conversations, seed)
