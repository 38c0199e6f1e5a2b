"""Replays in the store: made once, put in place complete, kept when a worker is killed, never overwritten."""

import json
from pathlib import Path

import pytest

from harness.record.replay import ReplayError, read_replay
from harness.record.replay_store import StoredReplay
from tests.sharing_slot import made_replay, write_tables

DEFINITION = {"trace": "a", "parameters": {"policy": "lru"}}


@pytest.fixture
def stored(tmp_path: Path) -> StoredReplay:
    return StoredReplay.of(tmp_path, "node-1", "prefix_sharing", "multi_b16", DEFINITION)


def test_what_a_worker_finished_is_put_in_place_and_reads_back(stored: StoredReplay) -> None:
    replay = made_replay("multi-turn")
    write_tables(stored.begin(DEFINITION), replay)
    assert (stored.is_finished, stored.is_there) == (True, False)
    stored.close(replay.facts)
    assert (stored.is_finished, stored.is_there) == (False, True)
    assert read_replay(stored.run) == replay
    assert sorted(path.name for path in stored.folder.iterdir()) == ["1", "case.json"]
    assert json.loads((stored.folder / "case.json").read_text()) == DEFINITION


def test_the_name_is_readable_and_ends_in_digits_over_the_definition(stored: StoredReplay, tmp_path: Path) -> None:
    other = StoredReplay.of(tmp_path, "node-1", "prefix_sharing", "multi_b16", {**DEFINITION, "trace": "b"})
    assert stored.case.startswith("multi_b16-")
    assert stored.case != other.case


def test_leftovers_of_a_killed_worker_do_not_mix_with_the_next_ones_files(stored: StoredReplay) -> None:
    working = stored.begin(DEFINITION)
    filling = working.with_name(f".{working.name}.4711")  # where the worker was still writing
    filling.mkdir()
    assert not stored.is_finished
    assert stored.begin(DEFINITION) == working
    assert not filling.exists()


def test_nothing_is_overwritten(stored: StoredReplay) -> None:
    replay = made_replay("multi-turn")
    write_tables(stored.begin(DEFINITION), replay)
    stored.close(replay.facts)
    write_tables(stored.begin(DEFINITION), replay)
    with pytest.raises(FileExistsError, match="never overwritten"):
        stored.close(replay.facts)


def test_a_replay_that_contradicts_itself_is_not_stored(stored: StoredReplay) -> None:
    write_tables(stored.begin(DEFINITION), made_replay("multi-turn"))
    with pytest.raises(ReplayError, match="of its tables are"):
        stored.close(made_replay("single-turn").facts)
    assert not stored.is_there


def test_a_folder_of_another_definition_is_refused(stored: StoredReplay) -> None:
    stored.begin(DEFINITION)
    with pytest.raises(ReplayError, match="of another case than its folder's name says"):
        stored.begin({**DEFINITION, "trace": "b"})
