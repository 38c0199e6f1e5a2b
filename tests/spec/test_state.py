"""The declared state of a start: what can be declared, and what of it goes into records."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.errors import HarnessError
from harness.spec.state import StartState, drops_all, storage_level, storage_name


@pytest.mark.parametrize("level", ["ram", "ssd", "tmpfs", "path:/mnt/nvme", "as found"])
def test_a_storage_level_can_be_declared(level: str) -> None:
    assert StartState(storage=level).storage == level


@pytest.mark.parametrize("level", ["", "disk", "path:", "RAM"])
def test_what_is_no_storage_level_is_refused_with_the_levels_there_are(level: str) -> None:
    with pytest.raises(ValidationError, match="no storage level; ram, ssd, tmpfs or path:DIR"):
        StartState(storage=level)


def test_a_warm_up_start_finds_the_same_state_but_empty_caches() -> None:
    state = StartState(storage="ssd", libraries="cold")
    assert state.needs_warm_up
    warm_up = state.of_warm_up()
    assert (warm_up.storage, warm_up.libraries) == ("ssd", "cold")
    assert (warm_up.compile_cache, warm_up.model_info) == ("empty", "empty")
    assert not warm_up.needs_warm_up


def test_one_kept_cache_is_enough_to_need_a_warm_up() -> None:
    assert StartState(compile_cache="empty").needs_warm_up
    assert StartState(model_info="empty").needs_warm_up


@given(st.text("abcdefgh/._-", min_size=1, max_size=30))
def test_a_record_names_a_folder_by_its_last_part_and_a_hash_and_no_other(folder: str) -> None:
    path = f"/mnt/secret-place/{folder}"
    name = storage_name(f"path:{path}")
    assert "secret-place/" not in name
    assert name != storage_name(f"path:{path}x")
    assert name == storage_name(f"path:{path}/")


def test_the_command_line_takes_a_folder_that_is_there(tmp_path: Path) -> None:
    assert storage_level(f"path:{tmp_path}") == f"path:{tmp_path}"
    with pytest.raises(HarnessError, match="no such folder"):
        storage_level(f"path:{tmp_path}/absent")


@pytest.mark.parametrize("text", ["as found", "nvme", "path:", "ssd "])
def test_the_command_line_refuses_other_levels_and_lists_them(text: str) -> None:
    with pytest.raises(HarnessError, match="ram, ssd, tmpfs or path:DIR"):
        storage_level(text)


def test_only_all_of_the_page_cache_can_be_dropped() -> None:
    assert (drops_all(None), drops_all("all")) == (False, True)
    with pytest.raises(HarnessError, match="--drop-caches 3: only 'all'"):
        drops_all("3")
