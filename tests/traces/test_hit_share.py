"""Hits in an endless cache, against a count that keeps whole prefixes."""

from hypothesis import given
from hypothesis import strategies as st

from harness.traces.hit_share import HitShare
from tests.traces.endless_cache import endless_share

REQUESTS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 1), min_size=1, max_size=20), st.lists(st.integers(0, 1), min_size=1, max_size=9)
    ),
    min_size=1,
    max_size=12,
)


@given(requests=REQUESTS, size=st.integers(1, 5))
def test_hits_are_those_of_an_independent_count(requests: list[tuple[list[int], list[int]]], size: int) -> None:
    share = HitShare(size)
    for prompt, output in requests:
        share.add(prompt, output)
    assert share.share == endless_share(requests, size)


def test_an_answer_can_be_hit_but_its_last_token_cannot() -> None:
    share = HitShare(2)
    share.add([1], [2, 3, 4])  # 4 is never run: its block is not full
    share.add([1, 2, 3, 4, 5], [6])
    assert share.hit_tokens == 2
