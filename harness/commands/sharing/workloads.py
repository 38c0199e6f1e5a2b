"""The traces that the prefix-sharing figure replays: dialogues, made once per seed, and Mooncake's, if it is there.

Dialogues' traces lie in ``caches/workloads/``: state, not data; they are made again, byte for byte, if they are lost.
"""

import contextlib
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.model_free.sources import content_sha256
from experiments.prefix_sharing.study import Workload
from harness.commands.workload import Asked, run_make
from harness.engine.model_files import file_sha256
from harness.engine.trained_tokenizer import recipe
from harness.errors import HarnessError
from harness.record.sharing_tables import MOONCAKE, MULTI, SINGLE
from harness.spec.sharing import Dialogues
from harness.traces import making
from harness.traces.arrivals import Arrivals
from harness.traces.check import check_trace
from harness.traces.workload import WORKLOAD
from harness.workspace import ROOT, Workspace

Announce = Callable[[str], None]

_FILES = {SINGLE: making.SINGLE, MULTI: making.MULTI}
_MOONCAKE_PLACE = Path("traces") / "mooncake_conversation_trace.jsonl"
# What decides the bytes of a trace besides the dialogues and the tokenizer.
_SOURCES = (
    "harness/traces/*.py",
    "experiments/prefix_sharing/worker_tokenize.py",
    "experiments/prefix_sharing/shapes/*",
)


@dataclass(frozen=True)
class DialogueFolder:
    """The traces of one seed, made or not."""

    seed: int
    folder: Path
    asked: Asked

    @property
    def is_made(self) -> bool:
        """Whether the traces are there."""
        return (self.folder / WORKLOAD).is_file()

    def make(self, announce: Announce, workspace: Workspace) -> None:
        """Make the traces, if they are not there. Raises HarnessError, as ``workload make`` does."""
        if self.is_made:
            return
        announce(f"making the traces of seed {self.seed} …")
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(io.StringIO()):  # its table is of one seed
            run_make(self.asked, as_json=False, workspace=workspace)

    def workloads(self) -> list[Workload]:
        """Single-turn and multi-turn.

        Raises:
            HarnessError: the traces are damaged.
        """
        path = self.folder / WORKLOAD
        try:
            described = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise HarnessError(f"{path}: not readable ({error}); remove its folder and repeat") from None
        block_size = self.asked.block_size
        traces = {kind: self.folder / name for kind, name in _FILES.items()}
        return [
            Workload(kind, self.seed, trace, check_trace(trace, block_size), described)
            for kind, trace in traces.items()
        ]


def dialogue_folders(declared: Dialogues, data: Path | None, workspace: Workspace) -> list[DialogueFolder]:
    """One for each seed. ``data``: somebody's dialogues instead of generated ones.

    Raises:
        HarnessError: ``data`` cannot be read.
    """
    return [
        dialogue_folder(declared.conversations, seed, declared.arrival_rate, declared.block_size, data, workspace)
        for seed in declared.seeds
    ]


def dialogue_folder(
    conversations: int, seed: int, arrival_rate: float, block_size: int, data: Path | None, workspace: Workspace
) -> DialogueFolder:
    """The traces of so many conversations, of which ``arrival_rate`` begin per second.

    Raises:
        HarnessError: ``data`` cannot be read.
    """
    if data is not None and not data.is_file():
        raise HarnessError(f"{data}: no such file; name dialogues as ShareGPT's JSON or JSONL with --data")
    named: dict[str, Any] = {
        "dialogues": None if data is None else file_sha256(data),
        "sources": content_sha256(_SOURCES, ROOT),
        "tokenizer": recipe(),
        "conversations": conversations,
        "arrival_rate": arrival_rate,
        "block_size": block_size,
    }
    identity = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:8]
    kind = "generated" if data is None else "dialogues"
    folder = workspace.caches / "workloads" / f"{kind}-{conversations}-seed{seed}-{identity}"
    asked = Asked(data, folder, None, conversations, block_size, Arrivals(arrival_rate, seed), plots=False)
    return DialogueFolder(seed, folder, asked)


def mooncake_trace(typed: Path | None, workspace: Workspace) -> Path | None:
    """The trace's file: as typed, else at its place in the checkout; None: it is not there.

    Raises:
        HarnessError: a file was typed that is not there.
    """
    if typed is None:
        place = workspace.root / _MOONCAKE_PLACE
        return place if place.is_file() else None
    if not typed.is_file():
        raise HarnessError(
            f"{typed}: no such file; name Mooncake's conversation_trace.jsonl with --trace, or leave it out"
        )
    return typed


def mooncake_workload(path: Path, block_size: int) -> Workload:
    """The trace, checked.

    Raises:
        HarnessError: it is damaged, or of recorded tokens.
    """
    facts = check_trace(path, block_size)
    if facts.format != "mooncake":
        raise HarnessError(f"{path}: a trace of recorded tokens, not of Mooncake's hash_ids; --data takes dialogues")
    return Workload(MOONCAKE, None, path, facts, {})
