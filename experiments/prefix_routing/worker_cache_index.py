"""Which prefixes each replica's vLLM has cached, kept up to date by its KV-cache events.

vLLM says of every block that it caches under which hash, after which one, and with which tokens; of every block that
it evicts, under which hash. Hashes are a replica's own (vLLM salts them by process), so prompts are matched by tokens:
block after block, each found under the hash of the one before it. Several blocks of a replica may hold the same
content; it can be found until the last of them is gone.

Source: vLLM 0.32.0 ``distributed/kv_events.py``, ``v1/core/block_pool.py``.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

Place = tuple[Hashable, tuple[int, ...]]  # hash of the block before it (None: it is the first), its tokens


class CacheIndex:
    """Replica → cached blocks. Replicas are named by whatever the caller names them by."""

    def __init__(self) -> None:
        self._found: defaultdict[str, dict[Place, Hashable]] = defaultdict(dict)  # place → hash
        self._places: defaultdict[str, dict[Hashable, Place]] = defaultdict(dict)
        self._copies: defaultdict[str, Counter[Hashable]] = defaultdict(Counter)

    def stored(
        self, replica: str, hashes: Sequence[Hashable], parent: Hashable, tokens: Sequence[int], block_size: int
    ) -> None:
        """The replica cached blocks of ``block_size`` tokens each, one after another, behind the block ``parent``."""
        for number, block_hash in enumerate(hashes):
            place = (parent, tuple(tokens[number * block_size : (number + 1) * block_size]))
            self._found[replica][place] = block_hash
            self._places[replica][block_hash] = place
            self._copies[replica][block_hash] += 1
            parent = block_hash

    def removed(self, replica: str, hashes: Sequence[Hashable]) -> None:
        """The replica evicted one block of each of these hashes; one that is not known is none of ours."""
        copies, places = self._copies[replica], self._places[replica]
        for block_hash in hashes:
            if block_hash not in places:
                continue
            copies[block_hash] -= 1
            if copies[block_hash] == 0:
                del copies[block_hash], self._found[replica][places.pop(block_hash)]

    def drop(self, replica: str) -> None:
        """The replica is gone, or its cache is empty again."""
        for of in (self._found, self._places, self._copies):
            of.pop(replica, None)

    def matched(self, replica: str, tokens: Sequence[int], block_size: int) -> int:
        """Tokens at the beginning of a prompt that the replica would find cached.

        Never all of them: vLLM computes the last token of a prompt anew, to have something to sample from.
        """
        found, parent, blocks = self._found.get(replica, {}), None, 0
        for begin in range(0, len(tokens) - block_size, block_size):
            parent = found.get((parent, tuple(tokens[begin : begin + block_size])))
            if parent is None:
                break
            blocks += 1
        return blocks * block_size

    def blocks(self, replica: str) -> int:
        """How many different contents the replica has."""
        return len(self._places.get(replica, ()))
