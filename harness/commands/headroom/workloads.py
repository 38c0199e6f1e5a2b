"""The traces of the KV head-room figure: requests of each workload, at the rate that its cache can just serve.

They lie in ``caches/workloads/headroom/``, named by their content: state, not data; they are made again, byte for byte.
"""

import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.commands.sharing.workloads import Announce, dialogue_folder
from harness.errors import HarnessError
from harness.spec.headroom import AnyWorkload, Conversations, Divided, Synthetic
from harness.traces.making import MULTI
from harness.traces.rows import PREDICTED, MooncakeRow, TokenRow, read_trace
from harness.traces.study_rows import divided_rows, drawn_rows
from harness.workspace import Workspace

_ARRIVAL_RATE = 2.0  # dialogues per second, before all times are stretched
_BLOCK = 16  # tokens, of the facts that are checked with the dialogues


def rows_of(
    declared: AnyWorkload,
    seeds: Sequence[int],
    requests: int,
    announce: Announce,
    workspace: Workspace,
    *,
    data: Path | None,
    trace: Path | None,
) -> dict[int, list[TokenRow]]:
    """The requests of every repeat, by its seed, with their nominal arrivals.

    What is drawn comes from the seed. Of ``data`` (somebody's dialogues) and ``trace`` (Mooncake's) the repeats are
    stretches, one after the other: they share no request.

    Raises:
        HarnessError: dialogues cannot be made, or the trace is damaged or too short.
    """
    if isinstance(declared, Synthetic):
        prompt, output = declared.prompt_tokens, declared.output_tokens
        lengths = (output.mean, output.shape, output.most)
        return {seed: list(drawn_rows((prompt.least, prompt.most), lengths, requests, seed)) for seed in seeds}
    if isinstance(declared, Conversations):
        if data is None:
            return {seed: _turns(declared, seed, 1, requests, announce, workspace, None) for seed in seeds}
        everything = _turns(declared, 0, len(seeds), requests * len(seeds), announce, workspace, data)
        return {seed: everything[n * requests : (n + 1) * requests] for n, seed in enumerate(seeds)}
    assert trace is not None, "a workload without its trace is left out before"
    return {seed: _part(declared, stretch, requests, trace) for stretch, seed in enumerate(seeds)}


def place_trace(name: str, rows: Sequence[TokenRow], workspace: Workspace) -> Path:
    """The file that holds these rows; it is written if it is not there."""
    return place_documents(name, map(_document, rows), workspace)


def place_documents(name: str, rows: Iterable[Mapping[str, Any]], workspace: Workspace) -> Path:
    """The same of rows as JSON objects."""
    text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    folder = workspace.caches / "workloads" / "headroom"
    path = folder / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.jsonl"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        filling = path.with_name(f".{path.name}.{os.getpid()}")
        filling.write_text(text, encoding="utf-8")
        filling.rename(path)
    return path


def token_rows(path: Path) -> list[TokenRow]:
    """The rows of a token trace. Raises HarnessError: it is damaged, or Mooncake's."""
    found = [row for _, row in read_trace(path)]
    rows = [row for row in found if isinstance(row, TokenRow)]
    if len(rows) < len(found):
        raise HarnessError(f"{path}: a trace of Mooncake's hash_ids, recorded tokens are needed")
    return rows


def _turns(
    declared: Conversations,
    seed: int,
    times: int,
    requests: int,
    announce: Announce,
    workspace: Workspace,
    data: Path | None,
) -> list[TokenRow]:
    """The first turns, so many, of ``times`` as many conversations as are declared."""
    conversations = declared.conversations * times
    folder = dialogue_folder(conversations, seed, _ARRIVAL_RATE, _BLOCK, data, workspace)
    folder.make(announce, workspace)
    rows = token_rows(folder.folder / MULTI)
    if len(rows) < requests:
        what = f"{conversations} conversations have {len(rows)} turns, {requests} are wanted"
        raise HarnessError(f"{what}; declare more conversations, or give more --data")
    return rows[:requests]


def _part(declared: Divided, stretch: int, requests: int, trace: Path) -> list[TokenRow]:
    first = stretch * requests
    found = itertools.islice((row for _, row in read_trace(trace) if isinstance(row, MooncakeRow)), first + requests)
    mooncake = list(found)
    if len(mooncake) < first + requests:
        raise HarnessError(f"{trace}: it has {len(mooncake)} requests, {first + requests} are wanted; give it whole")
    return list(divided_rows(mooncake, declared.prompt_divisor, declared.output_divisor, first, requests))


def _document(row: TokenRow) -> dict[str, Any]:
    return {name: value for name, value in asdict(row).items() if name != PREDICTED or value is not None}
