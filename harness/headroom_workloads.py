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

from harness.errors import HarnessError
from harness.sharing_workloads import Announce, dialogue_folders
from harness.spec.headroom import AnyWorkload, Conversations, Divided, Synthetic
from harness.spec.sharing import Dialogues
from harness.traces.making import MULTI
from harness.traces.rows import MooncakeRow, TokenRow, read_trace
from harness.traces.study_rows import divided_rows, drawn_rows
from harness.workspace import Workspace

_ARRIVAL_RATE = 2.0  # dialogues per second, before all times are stretched
_NO_GUESS = "predicted_output_tokens"


def rows_of(
    declared: AnyWorkload,
    seed: int,
    requests: int,
    announce: Announce,
    workspace: Workspace,
    *,
    data: Path | None,
    trace: Path | None,
) -> list[TokenRow]:
    """The requests of one repeat, with their nominal arrivals.

    ``data``: somebody's dialogues; ``trace``: Mooncake's, whose repeats are stretches of it, one after the other.

    Raises:
        HarnessError: dialogues cannot be made, or the trace is damaged or too short.
    """
    if isinstance(declared, Synthetic):
        prompt, output = declared.prompt_tokens, declared.output_tokens
        lengths = (output.mean, output.shape, output.most)
        return list(drawn_rows((prompt.least, prompt.most), lengths, requests, seed))
    if isinstance(declared, Conversations):
        return _turns(declared, seed, requests, announce, workspace, data)
    assert trace is not None, "a workload without its trace is left out before"
    return _part(declared, seed, requests, trace)


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
    declared: Conversations, seed: int, requests: int, announce: Announce, workspace: Workspace, data: Path | None
) -> list[TokenRow]:
    dialogues = Dialogues(
        conversations=declared.conversations,
        seeds=(seed,),
        arrival_rate=_ARRIVAL_RATE,
        block_size=16,
        block_sizes=(16,),
        policies=("lru",),
        size_step=2,
    )
    (folder,) = dialogue_folders(dialogues, data, workspace)
    folder.make(announce, workspace)
    rows = token_rows(folder.folder / MULTI)
    if len(rows) < requests:
        what = f"{declared.conversations} conversations have {len(rows)} turns, {requests} are wanted"
        raise HarnessError(f"{what}; declare more conversations, or give more --data")
    return rows[:requests]


def _part(declared: Divided, seed: int, requests: int, trace: Path) -> list[TokenRow]:
    mooncake = (row for _, row in read_trace(trace) if isinstance(row, MooncakeRow))
    first = seed * requests
    rows = list(
        divided_rows(
            itertools.islice(mooncake, first + requests),
            declared.prompt_divisor,
            declared.output_divisor,
            first,
            requests,
        )
    )
    if len(rows) < requests:
        raise HarnessError(
            f"{trace}: it has {first + len(rows)} requests, {first + requests} are wanted; give it whole"
        )
    return rows


def _document(row: TokenRow) -> dict[str, Any]:
    return {name: value for name, value in asdict(row).items() if name != _NO_GUESS or value is not None}
