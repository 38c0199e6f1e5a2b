"""Hits in an endless cache, against a count that keeps whole prefixes."""

from hypothesis import given
from hypothesis import strategies as st

from harness.traces.hit_share import HitShare

REQUESTS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 1), min_size=1, max_size=20), st.lists(st.integers(0, 1), min_size=1, max_size=9)
    ),
    max_size=12,
)


def counted(requests: list[tuple[list[int], list[int]]], size: int) -> tuple[int, int]:
    """Hit and prompt tokens by sets of whole prefixes: no hash, no chain."""
    stored: set[tuple[int, ...]] = set()
    hits = 0
    for prompt, output in requests:
        prefixes = [tuple(prompt[: size * n]) for n in range(1, (len(prompt) - 1) // size + 1)]
        hits += size * next((n for n, prefix in enumerate(prefixes) if prefix not in stored), len(prefixes))
        left = (prompt + output)[:-1]
        stored |= {tuple(left[: size * n]) for n in range(1, len(left) // size + 1)}
    return hits, sum(len(prompt) for prompt, _ in requests)


@given(requests=REQUESTS, size=st.integers(1, 5))
def test_hits_are_those_of_an_independent_count(requests: list[tuple[list[int], list[int]]], size: int) -> None:
    share = HitShare(size)
    for prompt, output in requests:
        share.add(prompt, output)
    assert (share.hit_tokens, share.prompt_tokens) == counted(requests, size)


def test_an_answer_can_be_hit_but_its_last_token_cannot() -> None:
    share = HitShare(2)
    share.add([1], [2, 3, 4])  # 4 is never run: its block is not full
    share.add([1, 2, 3, 4, 5], [6])
    assert share.hit_tokens == 2
