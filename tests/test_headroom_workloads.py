"""The head-room figure's repeats: those of somebody's dialogues are stretches of one trace."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.commands.headroom import workloads as headroom_workloads
from harness.commands.headroom.workloads import rows_of
from harness.errors import HarnessError
from harness.spec.headroom import Conversations
from harness.traces.making import MULTI
from harness.workspace import Workspace

DECLARED = Conversations(kind="dialogues", num_blocks=160, conversations=4)


@dataclass
class Folders:
    """Stands for ``workload make``: every conversation has two turns, the second long after all first ones."""

    place: Path
    asked: list[tuple[int, int]]

    def __call__(self, conversations: int, seed: int, *_: Any) -> SimpleNamespace:
        self.asked.append((conversations, seed))
        folder = self.place / f"{conversations}-{seed}"
        folder.mkdir(exist_ok=True)
        lines = [
            {"request_id": f"c{number}-t{turn}", "session_id": f"c{number}", "turn": turn}
            | {"arrival_s": 1000.0 * (turn - 1) + number, "prompt_token_ids": [number, turn], "output_token_ids": [1]}
            for turn in (1, 2)
            for number in range(1, conversations + 1)
        ]
        (folder / MULTI).write_text("".join(json.dumps(line) + "\n" for line in lines))
        return SimpleNamespace(folder=folder, make=lambda *_: None)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    found = Folders(tmp_path, [])
    monkeypatch.setattr(headroom_workloads, "dialogue_folder", found)
    return found


def test_stretches_of_somebodys_dialogues_share_no_request_even_where_few_turns_follow(folders: Folders) -> None:
    rows = rows_of(DECLARED, (2, 0, 1), 6, print, Workspace(), data=Path("data.json"), trace=None)
    assert list(rows) == [2, 0, 1]
    names = [row.request_id for found in rows.values() for row in found]
    assert len(set(names)) == len(names) == 18
    assert folders.asked == [(12, 0)]  # one trace, however many repeats


@pytest.mark.usefixtures("folders")
def test_too_few_turns_for_all_stretches_are_told() -> None:
    with pytest.raises(HarnessError, match=r"12 conversations have 24 turns, 27 are wanted; .* give more --data"):
        rows_of(DECLARED, (2, 0, 1), 9, print, Workspace(), data=Path("data.json"), trace=None)


def test_generated_dialogues_are_each_seeds_own(folders: Folders) -> None:
    rows = rows_of(DECLARED, (2, 0), 6, print, Workspace(), data=None, trace=None)
    assert folders.asked == [(4, 2), (4, 0)]
    assert [len(found) for found in rows.values()] == [6, 6]
