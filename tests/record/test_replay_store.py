"""Replays in the store: made once, put in place complete, kept when a worker is killed, never overwritten."""

import json
from pathlib import Path

import pytest

from harness.record.case_folder import CaseFolderError
from harness.record.replay import ReplayError, read_replay
from harness.record.replay_making import Making
from harness.record.replay_store import StoredReplay
from tests.sharing_slot import made_replay, write_tables

DEFINITION = {"trace": "a", "parameters": {"policy": "lru"}}


@pytest.fixture
def stored(tmp_path: Path) -> StoredReplay:
    return StoredReplay.of(tmp_path, "node-1", "prefix_sharing", "multi_b16", DEFINITION)


@pytest.fixture
def making(stored: StoredReplay) -> Making:
    stored.define(DEFINITION)
    return Making(stored.run)


def begin(making: Making) -> Path:
    making.begin("2026-11-29T00:00:00Z", {"version": "1"})
    return making.working


def test_what_a_worker_finished_is_put_in_place_and_reads_back(stored: StoredReplay, making: Making) -> None:
    replay = made_replay("multi-turn")
    write_tables(begin(making), replay)
    assert (making.is_finished, stored.is_there) == (True, False)
    assert making.begun() == {"started_at": "2026-11-29T00:00:00Z", "harness": {"version": "1"}}
    making.close(replay.facts)
    assert (making.is_finished, stored.is_there) == (False, True)
    assert read_replay(stored.run) == replay
    assert sorted(path.name for path in stored.folder.iterdir()) == ["1", "case.json"]
    assert json.loads((stored.folder / "case.json").read_text()) == DEFINITION


def test_the_name_is_readable_and_ends_in_digits_over_the_definition(stored: StoredReplay, tmp_path: Path) -> None:
    other = StoredReplay.of(tmp_path, "node-1", "prefix_sharing", "multi_b16", {**DEFINITION, "trace": "b"})
    assert stored.case.startswith("multi_b16-")
    assert stored.case != other.case


def test_leftovers_of_a_killed_worker_do_not_mix_with_the_next_ones_files(making: Making) -> None:
    working = begin(making)
    filling = working.with_name(f".{working.name}.4711")  # where the worker was still writing
    filling.mkdir()
    beside = [making.folder.with_name(".other-1.partial"), making.folder.with_name(".11.partial")]
    for each in beside:
        each.mkdir()
    assert not making.is_finished
    assert begin(making) == working
    assert not filling.exists()
    assert all(each.exists() for each in beside)


def test_nothing_is_overwritten(making: Making) -> None:
    replay = made_replay("multi-turn")
    write_tables(begin(making), replay)
    making.close(replay.facts)
    write_tables(begin(making), replay)
    with pytest.raises(FileExistsError, match="never overwritten"):
        making.close(replay.facts)


def test_a_replay_that_contradicts_itself_is_not_stored(stored: StoredReplay, making: Making) -> None:
    write_tables(begin(making), made_replay("multi-turn"))
    with pytest.raises(ReplayError, match="of its tables are"):
        making.close(made_replay("single-turn").facts)
    assert not stored.is_there


@pytest.mark.parametrize("text", ["", "[]", '{"started_at": "2026"}'])
def test_a_damaged_note_of_the_beginning_is_named(making: Making, text: str) -> None:
    working = begin(making)
    working.with_name(f"{working.name}.json").write_text(text)
    with pytest.raises(ReplayError, match=r"\.1\.partial\.json: "):
        making.begun()


def test_a_folder_of_another_definition_is_refused(stored: StoredReplay) -> None:
    stored.define(DEFINITION)
    with pytest.raises(CaseFolderError, match="of another case than its folder's name says"):
        stored.define({**DEFINITION, "trace": "b"})
