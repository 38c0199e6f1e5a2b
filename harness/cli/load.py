"""The verb that sends a load to a server: ``load``."""

from pathlib import Path
from typing import Annotated

import typer

MOST = 10_000_000


def load(
    base_url: Annotated[str, typer.Option(metavar="URL", help="Of an OpenAI-compatible server: http://HOST:PORT")],
    data: Annotated[Path, typer.Option(metavar="FILE.jsonl", help="The requests, one a line (docs/load.md).")],
    output_file: Annotated[
        Path, typer.Option(metavar="FILE.jsonl", help="A new file: a line for each request; FILE.summary.json beside.")
    ],
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What requests ask for.", show_default="the only one that is served"),
    ] = None,
    output_tokens: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=MOST, help="Of requests that do not say it.")
    ] = None,
    num_prompts: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="The first so many requests.", show_default="all")
    ] = None,
    request_rate: Annotated[str, typer.Option(metavar="R|inf", help="Per second, Poisson; inf: all at once.")] = "100",
    max_concurrency: Annotated[int, typer.Option(metavar="N", min=1, help="Requests under way at once.")] = 40,
    no_stream: Annotated[bool, typer.Option("--no-stream", help="Answers come whole: no TTFT, TPOT or ITL.")] = False,
    chat: Annotated[bool, typer.Option("--chat", help="/v1/chat/completions instead of /v1/completions.")] = False,
    ignore_eos: Annotated[bool, typer.Option(help="Answers as long as they were asked for (vLLM's).")] = True,
    cancel: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=1, help="Of the requests: dropped after their first token.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of arrivals and of what is cancelled.")] = 0,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0.001, help="Of one request.")] = 600.0,
    request_id_prefix: Annotated[
        str, typer.Option(metavar="TEXT", help="x-request-id: TEXT-0, TEXT-1, …; x-session-id: the conversation.")
    ] = "load",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")] = False,
) -> None:
    """Send a load to any OpenAI-compatible server or router; TTFT, TPOT, ITL and throughputs. Exit 1: some failed."""
    from harness.commands.load import AskedLoad, rate_of, run_load_command
    from harness.door import json_errors
    from harness.record.load import Sending

    with json_errors(as_json):
        rate = rate_of(request_rate)
    sending = Sending(rate, max_concurrency, ignore_eos, not no_stream, chat, seed, cancel, timeout)
    asked = AskedLoad(base_url, data, output_file, model, output_tokens, num_prompts, request_id_prefix)
    raise typer.Exit(run_load_command(asked, sending, as_json))
