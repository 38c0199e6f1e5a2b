"""The load that the routing figure sends, as a file of requests and as the trace of their tokens.

It lies in ``caches/workloads/routing/``, named after all that decides its bytes: state, not data; it is made again,
byte for byte, if it is lost.

    load.jsonl    what the client sends (docs/load.md)
    tokens.jsonl  the same requests as a token trace (docs/traces.md), with the client's schedule
    load.json     what they were made of, and what is in them
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from experiments.model_free.sources import content_sha256
from harness.engine.environment import Engine
from harness.engine.model_files import file_sha256
from harness.engine.model_store import ModelFiles
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError
from harness.new_folder import new_folder
from harness.record.atomic import write_json
from harness.record.bounded import UnreadableError, parse_json, read_bounded
from harness.record.load import LoadParameters, LoadRow, rate_as_json
from harness.record.plain import printable
from harness.traces.arrivals import request_times
from harness.traces.check import check_trace
from harness.traces.dialogues import Tally, read_dialogues
from harness.traces.generator import generate
from harness.traces.pieces import make_rows, piece_facts
from harness.traces.shape import load_shape, load_words
from harness.workspace import ROOT, Workspace

LOAD, TOKENS, FACTS = "load.jsonl", "tokens.jsonl", "load.json"
WORKER = "experiments.prefix_routing.worker_load_tokens"
_TIME_LIMIT_S = 3600.0
_BLOCK = 16  # tokens, of the facts that are checked with the trace
_MAX_FACTS = 1 << 20
# What decides the bytes besides parameters, dialogues, model and engine.
_SOURCES = (
    "harness/commands/routing/load.py",
    "harness/record/load.py",
    "harness/traces/*.py",
    "experiments/prefix_routing/worker_load_tokens.py",
    "experiments/prefix_sharing/shapes/*",
)


@dataclass(frozen=True)
class MadeLoad:
    """A load that is there. ``facts``: load.json."""

    folder: Path
    facts: dict[str, Any]

    @property
    def load(self) -> Path:
        """What the client sends."""
        return self.folder / LOAD

    @property
    def tokens(self) -> Path:
        """The same as a token trace."""
        return self.folder / TOKENS


def make_load(
    parameters: LoadParameters,
    data: Path | None,
    model: ModelFiles,
    engine: Engine,
    announce: Callable[[str], None],
    workspace: Workspace,
) -> MadeLoad:
    """The load of these parameters, made if it is not there. ``data``: somebody's dialogues instead of generated ones.

    Raises:
        HarnessError: ``data`` cannot be read or has too little, the model has no tokenizer that can be read, or a load
            that was made before is damaged.
    """
    if data is not None and not data.is_file():
        raise HarnessError(f"{data}: no such file; name dialogues as ShareGPT's JSON or JSONL with --data")
    made_of = {
        "parameters": parameters.content() | {"request_rate": rate_as_json(parameters.request_rate)},
        "source": _source(data),
        "model": model.record,
        "engine": engine.pin.name,
        "sources_sha256": content_sha256(_SOURCES, ROOT),
    }
    identity = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:8]
    folder = workspace.caches / "workloads" / "routing" / identity
    if not folder.is_dir():
        announce(f"making the load of seed {parameters.seed}: {parameters.num_prompts} requests …")
        _make(folder, made_of, parameters, data, model, engine, announce)
    return MadeLoad(folder, _read_facts(folder / FACTS))


def _make(
    folder: Path,
    made_of: dict[str, Any],
    parameters: LoadParameters,
    data: Path | None,
    model: ModelFiles,
    engine: Engine,
    announce: Callable[[str], None],
) -> None:
    tally = Tally()
    dialogues = generate(load_shape(), load_words(), parameters.seed) if data is None else read_dialogues(data, tally)
    rows = make_rows(dialogues, parameters)
    for line in tally.lines():
        announce(line)
    times = request_times(len(rows), parameters.request_rate, parameters.seed)
    with new_folder(folder) as making:
        counted = _tokenize(rows, times, making, model, engine)
        (making / LOAD).write_text(_lines([row.document() for row in counted]), encoding="utf-8")
        facts = {
            "schema_version": 1,
            **made_of,
            **piece_facts(counted),
            "prompt_tokens": _lengths([row.prompt_tokens or 0 for row in counted]),
            "output_tokens": _lengths([row.output_tokens for row in counted]),
            "bad_rows": tally.bad,
            "load_sha256": file_sha256(making / LOAD),
            "trace": asdict(check_trace(making / TOKENS, _BLOCK)),
        }
        write_json(making / FACTS, facts)


def _tokenize(
    rows: Sequence[LoadRow], times: Sequence[float], making: Path, model: ModelFiles, engine: Engine
) -> list[LoadRow]:
    """The rows with their prompts' lengths; writes the trace."""
    request, result, arriving = (making / f".{name}" for name in ("request.json", "result.json", "rows.jsonl"))
    timed = [row.document() | {"arrival_s": at_s} for row, at_s in zip(rows, times, strict=True)]
    arriving.write_text(_lines(timed), encoding="utf-8")
    asked = {"model": model.path.resolve(), "rows": arriving.resolve(), "out": (making / TOKENS).resolve()}
    request.write_text(json.dumps({name: str(path) for name, path in asked.items()}), encoding="utf-8")
    what = f"tokenizing the load with {model.name}'s tokenizer"
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    run_worker(engine.python, WORKER, (request, result), environment, what, _TIME_LIMIT_S)
    lengths = json.loads(result.read_text(encoding="utf-8"))["prompt_tokens"]
    for path in (request, result, arriving):
        path.unlink()
    return [replace(row, prompt_tokens=tokens) for row, tokens in zip(rows, lengths, strict=True)]


def _source(data: Path | None) -> dict[str, Any]:
    """Where the dialogues are from."""
    if data is None:
        shape = load_shape()
        return {"kind": "generated", "file": None, "shape": shape.name, "sha256": shape.sha256}
    return {"kind": "dialogues", "file": printable(data.name), "sha256": file_sha256(data)}


def _lines(documents: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(each, separators=(",", ":")) + "\n" for each in documents)


def _lengths(tokens: Sequence[int]) -> dict[str, float]:
    return {"sum": sum(tokens), "mean": fmean(tokens), "min": min(tokens), "max": max(tokens)}


def _read_facts(path: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = parse_json(read_bounded(path, _MAX_FACTS))
    except (OSError, UnreadableError) as error:
        raise HarnessError(f"{path}: not readable ({error}); remove its folder and repeat") from None
    return facts
