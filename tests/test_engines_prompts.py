"""The prompts of a comparison: the same for the same seed, none twice in a repeat, dealt out from a file."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.commands.compare_engines.asked import LoadAsked, levels_of
from harness.commands.compare_engines.prompts import repeats_of
from harness.errors import HarnessError

SMALL = LoadAsked(num_prompts=4, prompt_words=6, levels=(1, 4), repeats=2)


def texts(asked: LoadAsked, number: int) -> list[str]:
    (repeat,) = repeats_of(asked, [number])
    return [str(row.prompt) for rows in repeat.loads.values() for row in rows]


@given(seed=st.integers(0, 10**6), number=st.integers(1, 50))
def test_equal_seeds_give_equal_prompts_and_no_prompt_comes_twice(seed: int, number: int) -> None:
    asked = replace(SMALL, seed=seed, prompt_words=12)
    assert texts(asked, number) == texts(asked, number)
    assert len(set(texts(asked, number))) == 8
    assert not set(texts(asked, number)) & set(texts(asked, number + 1))


def test_the_order_of_targets_changes_from_level_to_level_and_is_the_seed_s() -> None:
    names = ["a", "b", "c"]
    repeats = repeats_of(replace(SMALL, repeats=8), range(1, 9))
    orders = [tuple(repeat.order(level, names)) for repeat in repeats for level in (1, 4)]
    assert all(sorted(order) == names for order in orders)
    assert len({order[0] for order in orders}) == 3
    again = repeats_of(replace(SMALL, repeats=8), range(1, 9))
    assert orders == [tuple(repeat.order(level, names[::-1])) for repeat in again for level in (1, 4)]


def load_file(folder: Path, rows: int, **more: object) -> Path:
    path = folder / "load.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"prompt {row}", **more}) + "\n" for row in range(rows)))
    return path


def test_a_file_is_dealt_out_so_that_nothing_is_sent_twice(tmp_path: Path) -> None:
    asked = replace(SMALL, prompts=str(load_file(tmp_path, 20)))
    first, second = texts(asked, 1), [str(row.prompt) for row in repeats_of(asked, [1, 2])[1].loads[4]]
    assert first == [f"prompt {row}" for row in range(8)]
    assert second == [f"prompt {row}" for row in range(12, 16)]


def test_a_file_says_how_many_requests_it_lacks(tmp_path: Path) -> None:
    asked = replace(SMALL, prompts=str(load_file(tmp_path, 15)))
    with pytest.raises(HarnessError, match=r"it has 15 requests, 16 are needed \(4 prompts × 2 concurrencies × 2 rep"):
        repeats_of(asked, [1, 2])


def test_a_file_of_chats_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "load.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "x"}]}\n')
    with pytest.raises(HarnessError, match="it has messages; engines are compared on prompts"):
        repeats_of(replace(SMALL, prompts=str(path)), [1])


def test_concurrency_rises_and_stands_once() -> None:
    assert levels_of("8, 1,2,2") == (1, 2, 8)
    for wrong in ("", "0", "-1", "1,,2", "x", "99999", "٣"):
        with pytest.raises(HarnessError, match="--concurrency"):
            levels_of(wrong)
