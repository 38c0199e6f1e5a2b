"""The verb about vLLM's block manager, driven by a trace: ``replay``."""

from pathlib import Path
from typing import Annotated

import typer

from harness.workspace import Workspace


def replay(
    trace: Annotated[Path, typer.Option(metavar="FILE", help="Of `workload make`, or Mooncake's, as JSONL.")],
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="A name of models.yaml: also say how many bytes its KV takes.")
    ] = None,
    block_size: Annotated[int, typer.Option(metavar="TOKENS", help="Of a KV block.")] = 16,
    num_blocks: Annotated[
        str, typer.Option(metavar="N|inf", help="As vLLM counts them, its null block included; inf: never too few.")
    ] = "inf",
    no_prefix_caching: Annotated[bool, typer.Option("--no-prefix-caching", help="Every prompt is computed.")] = False,
    policy: Annotated[
        str, typer.Option(metavar="POLICY", help="Which cached block goes first: lru (vLLM's), fifo, lfu, oracle.")
    ] = "lru",
    watermark: Annotated[
        float, typer.Option(metavar="SHARE", help="Of the blocks, which a new request must leave free.")
    ] = 0.0,
    headroom: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY", help="Blocks that stay free: naive:O, target:B, or its JSON (docs/headroom.md)."
        ),
    ] = None,
    scheduler_cls: Annotated[
        str | None, typer.Option(metavar="MODULE.CLASS", help="With --stock: instead of vLLM's scheduler, as in vLLM.")
    ] = None,
    max_num_seqs: Annotated[int, typer.Option(metavar="N", help="Requests that run at once.")] = 256,
    max_num_batched_tokens: Annotated[int, typer.Option(metavar="N", help="Tokens of one engine step.")] = 8192,
    output_file: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Store the numbers, too.")] = None,
    per_request: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Store a row for each request.")] = None,
    events: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl.gz", help="Store every event of a block or request.")
    ] = None,
    stock: Annotated[
        bool, typer.Option("--stock", help="vLLM's step loop as it is: the same results, slower.")
    ] = False,
    engine: Annotated[
        str | None,
        typer.Option(envvar="HARNESS_ENGINE", metavar="PIN", help="Whose block manager.", show_default="CPU pin"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")] = False,
) -> None:
    """How much of a trace's KV cache is shared? vLLM's own block manager, on a virtual clock, without a model."""
    from harness.commands.replay import Outputs, blocks_of, headroom_of, run_replay
    from harness.door import json_errors
    from harness.record.replay import Parameters

    with json_errors(as_json):
        blocks, policy_of_room = blocks_of(num_blocks), headroom_of(headroom)
    parameters = Parameters(
        block_size=block_size,
        num_blocks=blocks,
        prefix_caching=not no_prefix_caching,
        policy=policy,
        watermark=watermark,
        headroom=policy_of_room,
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=max_num_batched_tokens,
        loop="stock" if stock else "fast",
    )
    outputs = Outputs(output_file, per_request, events)
    raise typer.Exit(run_replay(trace, parameters, outputs, model, engine, scheduler_cls, as_json, Workspace()))
