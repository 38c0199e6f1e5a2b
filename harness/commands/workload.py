"""``python3 harness workload``: traces of requests from dialogues, and dialogues from a seed."""

import itertools
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.door import json_errors
from harness.engine.model_files import file_sha256
from harness.engine.tokenizer_choice import default_tokenizer, engine_python, named_tokenizer, tokenize
from harness.errors import HarnessError
from harness.new_folder import new_folder
from harness.record.atomic import place_new, write_json
from harness.record.plain import printable
from harness.show.workload import draw_workload, workload_table
from harness.traces.arrivals import Arrivals
from harness.traces.dialogues import Dialogue, Tally, read_dialogues
from harness.traces.generator import generate
from harness.traces.making import MULTI, read_turns
from harness.traces.shape import load_shape, load_words
from harness.traces.workload import WORKLOAD, workload_document, write_traces
from harness.workspace import Workspace


@dataclass(frozen=True)
class Asked:
    """What ``workload make`` was asked for."""

    data: Path | None  # None: generated dialogues
    out: Path
    model: str | None
    max_conversations: int
    block_size: int
    arrivals: Arrivals
    plots: bool


def run_make(asked: Asked, as_json: bool, workspace: Workspace) -> None:
    """Read or generate dialogues, tokenize them, and put traces, facts and plots into the new folder ``asked.out``.

    Raises:
        HarnessError: nothing usable in the file, no tokenizer, or the folder is not empty.
    """
    console = Console(stderr=True, highlight=False, markup=False)

    def announce(text: str) -> None:
        console.print(printable(text), soft_wrap=True)

    with json_errors(as_json), new_folder(asked.out) as making:
        tokenizer = named_tokenizer(asked.model, workspace) if asked.model is not None else None
        work = making / ".work"
        work.mkdir()
        tally = Tally()
        source = _write_dialogues(work / "dialogues.jsonl", asked, tally)
        for line in tally.lines():
            announce(line)
        python = engine_python(workspace, announce)
        tokenizer = tokenizer or default_tokenizer(python, workspace, announce)
        announce(f"tokenizing with {tokenizer.facts['name']}{', from the hub or its cache' * tokenizer.on_hub}")
        tokens = work / "tokens.jsonl"
        facts = tokenize(tokenizer, work / "dialogues.jsonl", tokens, python)
        turns = read_turns(tokens, asked.arrivals)
        traces = write_traces(making, turns, tokens, asked.block_size)
        document = workload_document(source, facts, asked.arrivals, turns, tally, traces, asked.block_size)
        write_json(making / WORKLOAD, document)
        if asked.plots:
            draw_workload(document, turns.turns, making)
        shutil.rmtree(work)
    out = Console(highlight=False, markup=False, stderr=as_json)
    out.print(workload_table(document))
    out.print(f"next: python3 harness replay --trace {asked.out / MULTI}", soft_wrap=True)
    if as_json:
        print(json.dumps(document, allow_nan=False))


def run_generate(out: Path, conversations: int, seed: int) -> None:
    """Write generated dialogues as ShareGPT JSONL.

    Raises:
        HarnessError: the file exists, or cannot be written.
    """
    if os.path.lexists(out):
        raise HarnessError(f"{out} exists already; name a new file")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        making = out.with_name(f".{out.name}.making-{secrets.token_hex(4)}")
        try:
            with making.open("w", encoding="utf-8") as file:
                for number, dialogue in enumerate(itertools.islice(_generated(seed), conversations), start=1):
                    row = {"id": f"generated-{seed}-{number}", "conversations": _as_sharegpt(dialogue)}
                    file.write(json.dumps(row) + "\n")
            place_new(making, out)
        finally:
            making.unlink(missing_ok=True)
    except OSError as error:
        raise HarnessError(f"{out}: cannot be written: {error.strerror}; name another file") from None


def _generated(seed: int) -> Iterator[Dialogue]:
    return generate(load_shape(), load_words(), seed)


def _as_sharegpt(dialogue: Dialogue) -> list[dict[str, str]]:
    return [
        {"from": side, "value": text}
        for turn in dialogue.turns
        for side, text in zip(("human", "gpt"), turn, strict=True)
    ]


def _write_dialogues(path: Path, asked: Asked, tally: Tally) -> dict[str, Any]:
    """Write the first dialogues that can be used for the tokenizer; returns where they are from."""
    if asked.data is None:
        shape = load_shape()
        _write_first(path, _generated(asked.arrivals.seed), asked.max_conversations)
        return {"kind": "generated", "file": None, "shape": shape.name, "sha256": shape.sha256}
    if not _write_first(path, read_dialogues(asked.data, tally), asked.max_conversations):
        why = "; ".join(tally.lines()) or "it has no row"
        raise HarnessError(f"{asked.data}: no dialogue in it can be used: {why}")
    return {"kind": "sharegpt", "file": printable(asked.data.name), "sha256": file_sha256(asked.data)}


def _write_first(path: Path, dialogues: Iterable[Dialogue], limit: int) -> int:
    written = 0
    with path.open("w", encoding="utf-8") as file:
        for dialogue in itertools.islice(dialogues, limit):
            file.write(json.dumps({"system": dialogue.system, "turns": dialogue.turns}) + "\n")
            written += 1
    return written
