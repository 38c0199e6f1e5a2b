"""What a router believes that a replica has cached: exactly what its engine's events say."""

from hypothesis import given
from hypothesis import strategies as st

from experiments.prefix_routing.worker_cache_index import CacheIndex

BLOCK = 2
PROMPT = st.lists(st.integers(0, 2), min_size=1, max_size=9)


def blocks_of(tokens: list[int]) -> list[tuple[int, ...]]:
    return [tuple(tokens[: end + BLOCK]) for end in range(0, len(tokens) - BLOCK + 1, BLOCK)]


class Replica:
    """An engine that names a block by a salted hash of all tokens up to its end, as vLLM does."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.copies: dict[tuple[int, ...], int] = {}

    def hash(self, content: tuple[int, ...]) -> bytes:
        return repr((self.name, content)).encode()

    def store(self, tokens: list[int], index: CacheIndex) -> None:
        """Cache a prompt's blocks, again where they are cached already (two requests computed them at once)."""
        contents = blocks_of(tokens)
        for content in contents:
            self.copies[content] = self.copies.get(content, 0) + 1
        if contents:
            index.stored(self.name, [self.hash(content) for content in contents], None, tokens, BLOCK)

    def evict(self, content: tuple[int, ...], index: CacheIndex) -> None:
        self.copies[content] -= 1
        index.removed(self.name, [self.hash(content)])

    def expected(self, prompt: list[int]) -> int:
        found = 0
        for content in blocks_of(prompt[:-1]):
            if not self.copies.get(content):
                break
            found += BLOCK
        return found


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.booleans(), PROMPT), max_size=25), PROMPT)
def test_the_index_finds_what_each_replica_holds_and_nothing_else(
    happened: list[tuple[str, bool, list[int]]], asked: list[int]
):
    index, replicas = CacheIndex(), {name: Replica(name) for name in "ab"}
    for name, evicts, tokens in happened:
        replica = replicas[name]
        held = [content for content in blocks_of(tokens) if replica.copies.get(content)]
        if evicts and held:
            replica.evict(held[-1], index)
        elif not evicts:
            replica.store(tokens, index)
        for prompt in (tokens, asked):
            for each in replicas.values():
                assert index.matched(each.name, prompt, BLOCK) == each.expected(prompt)
    for each in replicas.values():
        assert index.blocks(each.name) == sum(1 for copies in each.copies.values() if copies)


def test_a_prompt_is_never_found_whole_because_its_last_token_is_computed_anew():
    index = CacheIndex()
    index.stored("a", [b"1", b"2"], None, [5, 6, 7, 8], BLOCK)
    assert index.matched("a", [5, 6, 7, 8], BLOCK) == 2
    assert index.matched("a", [5, 6, 7, 8, 9], BLOCK) == 4


def test_blocks_behind_one_that_was_evicted_are_not_found_until_it_is_cached_again():
    index = CacheIndex()
    index.stored("a", [b"1", b"2"], None, [5, 6, 7, 8], BLOCK)
    index.removed("a", [b"1"])
    assert index.matched("a", [5, 6, 7, 8, 9], BLOCK) == 0
    index.stored("a", [b"1"], None, [5, 6], BLOCK)
    assert index.matched("a", [5, 6, 7, 8, 9], BLOCK) == 4


def test_what_a_dead_replica_had_is_forgotten_and_others_keep_theirs():
    index = CacheIndex()
    for replica in ("a", "b"):
        index.stored(replica, [b"1"], None, [5, 6], BLOCK)
    index.drop("a")
    assert (index.matched("a", [5, 6, 7], BLOCK), index.matched("b", [5, 6, 7], BLOCK)) == (0, 2)
    index.removed("a", [b"1"])  # a late event of the dead one
    assert index.blocks("a") == 0
