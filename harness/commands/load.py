"""``python3 harness load``: a load file sent to any OpenAI-compatible server or router, and what its client saw."""

import json
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.analyse.load_metrics import client_metrics
from harness.door import json_errors
from harness.errors import HarnessError
from harness.measure.load_client import Target, run_load
from harness.measure.openai_server import base_of, served_model
from harness.progress import say
from harness.record.load import LoadError, LoadRow, Sending, read_load
from harness.record.load_output import FAILED, ClientRecord, ClientSummary, summary_path, write_output
from harness.show.load_print import load_lines, load_table

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")  # it becomes a header


@dataclass(frozen=True)
class AskedLoad:
    """What ``load`` was asked for."""

    base_url: str
    data: Path
    output: Path
    model: str | None  # None: the only one that is served
    output_tokens: int | None  # of lines that do not say it
    num_prompts: int | None  # None: all
    prefix: str


def run_load_command(asked: AskedLoad, sending: Sending, as_json: bool) -> int:
    """Send the load, write its output, print what it says; 1 if a request failed.

    Raises:
        HarnessError: before anything is sent: no such load, no server, or an output file that is there.
    """
    with json_errors(as_json):
        if sending.cancel and not sending.stream:
            raise HarnessError("--cancel drops requests after their first token; leave --no-stream out")
        if not REQUEST_ID.fullmatch(asked.prefix):
            raise HarnessError("--request-id-prefix: at most 100 letters, digits, and . _ - are taken")
        _check_output(asked.output)
        rows = _rows(asked, sending)
        base_url = base_of(asked.base_url, "--base-url", "leave it out, no key is sent")
        model = _model(base_url, asked.model)
        say(f"sending {len(rows)} requests to {model} at {base_url} …")
        try:
            records, summary = run_load(rows, Target(base_url, model, asked.prefix), sending)
        except KeyboardInterrupt:
            say("the load was not sent to its end: nothing of it is written")
            raise
        _write(asked.output, records, summary)
    metrics = client_metrics(records, summary)
    console = Console(highlight=False, markup=False, stderr=as_json, soft_wrap=True)
    console.print(load_table(metrics))
    for line in load_lines(records, summary):
        console.print(line)
    if as_json:
        told = {name: {"value": value, "unit": unit} for name, (value, unit) in metrics.items()}
        print(json.dumps({"summary": summary.document(), "metrics": told}, allow_nan=False))
    return 1 if any(record.status == FAILED for record in records) else 0


def rate_of(text: str) -> float:
    """A request rate as typed. Raises HarnessError: it is none."""
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 1e-6 <= rate <= 1e6 and rate != math.inf:
        raise HarnessError(f"--request-rate {text}: it takes requests per second from 1e-6 to 1e6, or inf")
    return rate


def _check_output(output: Path) -> None:
    for path in (output, summary_path(output)):
        if os.path.lexists(path):
            raise HarnessError(f"{path} exists already; name a new --output-file")
    if output.suffix != ".jsonl":
        raise HarnessError(f"--output-file {output}: its name must end in .jsonl")
    if not os.access(output.absolute().parent, os.W_OK | os.X_OK):
        raise HarnessError(f"{output}: there is no folder that can be written to; name another --output-file")


def _rows(asked: AskedLoad, sending: Sending) -> list[LoadRow]:
    data = asked.data.resolve() if asked.data.is_symlink() else asked.data  # it was typed, so it may lead anywhere
    try:
        rows = read_load(data, asked.output_tokens, asked.num_prompts)
    except LoadError as error:
        raise HarnessError(f"{error}; docs/load.md says what a load is") from None
    if asked.num_prompts is not None and len(rows) < asked.num_prompts:
        raise HarnessError(f"{asked.data}: it has {len(rows)} requests, --num-prompts {asked.num_prompts} are wanted")
    if not sending.chat and any(row.messages is not None for row in rows):
        raise HarnessError(f"{asked.data}: it has messages, which /v1/completions does not take; add --chat")
    return rows


def _model(base_url: str, named: str | None) -> str:
    """The model to ask for. Raises HarnessError: the server is not there, or which of its models is meant is unsaid."""
    try:
        return served_model(base_url, named, "name the --model")
    except HarnessError as error:
        raise HarnessError(f"{base_url}: {error}") from None


def _write(output: Path, records: list[ClientRecord], summary: ClientSummary) -> None:
    try:
        write_output(output, records, summary)
    except OSError as error:
        what: Any = error.strerror or error
        raise HarnessError(f"{output}: cannot be written ({what}); the load was sent, its numbers are lost") from None
