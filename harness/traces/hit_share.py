"""How much of its prompts a trace could find in a prefix cache that never forgets and is filled at once."""

import hashlib
from array import array
from collections.abc import Sequence


class HitShare:
    """Counts hits of requests in order of arrival; memory grows with the number of distinct blocks."""

    def __init__(self, block_size: int) -> None:
        self.block_size = block_size
        self.prompt_tokens = 0
        self.hit_tokens = 0
        self._stored: set[bytes] = set()

    def add(self, prompt: Sequence[int], output: Sequence[int]) -> None:
        """Count one request, and store what it leaves: its full blocks, without the last token, which is not run."""
        size = self.block_size
        tokens = array("q", prompt)
        tokens.extend(output)
        # At least one token of a prompt is computed, else there would be nothing to predict from.
        may_hit, stored = (len(prompt) - 1) // size, (len(tokens) - 1) // size
        chained, hits, hitting = b"", 0, True
        for block in range(stored):
            content = tokens[block * size : (block + 1) * size].tobytes()
            chained = hashlib.blake2b(chained + content, digest_size=12).digest()
            hitting = hitting and block < may_hit and chained in self._stored
            hits += hitting
            self._stored.add(chained)
        self.prompt_tokens += len(prompt)
        self.hit_tokens += hits * size

    @property
    def share(self) -> float:
        """Hit tokens of all prompt tokens; 0 before the first request."""
        return self.hit_tokens / self.prompt_tokens if self.prompt_tokens else 0.0
