"""Recounts a replay's blocks and contents from its event log: who holds which block, what it holds, who used what when.

Kept without looking at how the replay counted: own reference counts, own contents. What cannot be is refused.
"""

from array import array
from collections import Counter
from collections.abc import Sequence

_MAX_CONTENT = 1 << 31
_NEVER = -1.0


class ImpossibleError(ValueError):
    """An event that cannot follow those before it."""


class Blocks:
    """Use counts, holders and cached contents of blocks. Block 0 is vLLM's null block, which nobody takes."""

    def __init__(self) -> None:
        self.in_use = 0
        self._uses: Counter[int] = Counter()
        self._held: dict[str | int, Counter[int]] = {}  # by request, or by the number of a transfer to the host
        self._content: dict[int, int] = {}  # block → content that can be found in it

    def held(self, request: str) -> int:
        """How many blocks the request holds."""
        return self._held[request].total() if request in self._held else 0

    def give(self, request: str, blocks: Sequence[int]) -> None:
        """Free blocks to a request."""
        for block in blocks:
            if block < 1:
                raise ImpossibleError(f"block {block} is allocated; block 0 is vLLM's null block")
            if self._uses[block]:
                raise ImpossibleError(f"block {block} is allocated while it is in use")
            if block in self._content:
                raise ImpossibleError(
                    f"block {block} is allocated while content {self._content[block]} is cached in it"
                )
            self._take(request, block)

    def share(self, request: str, blocks: Sequence[int], contents: Sequence[int]) -> None:
        """Cached blocks to a request."""
        for block, content in zip(blocks, contents, strict=True):
            if self._content.get(block) != content:
                raise ImpossibleError(f"content {content} is hit in block {block}, where it is not cached")
            self._take(request, block)

    def hold(self, transfer: int, blocks: Sequence[int]) -> None:
        """Cached blocks to a transfer that copies them to the host."""
        for block in blocks:
            if block not in self._content:
                raise ImpossibleError(f"block {block} is copied to the host, while nothing is cached in it")
            self._take(transfer, block)

    def fill(self, request: str, blocks: Sequence[int]) -> None:
        """Blocks of a request are filled from the host: it must hold them, and nothing be cached in them."""
        held = self._held.get(request, Counter())
        for block in blocks:
            if not held[block] or block in self._content:
                raise ImpossibleError(f"block {block} is filled from the host, which is cached or not the request's")

    def _take(self, request: str | int, block: int) -> None:
        self.in_use += self._uses[block] == 0
        self._uses[block] += 1
        self._held.setdefault(request, Counter())[block] += 1

    def store(self, request: str, blocks: Sequence[int], contents: Sequence[int]) -> None:
        """Contents can be found in blocks of the request from now on."""
        held = self._held.get(request, Counter())
        for block, content in zip(blocks, contents, strict=True):
            if not held[block]:
                raise ImpossibleError(f"content {content} is stored in block {block}, which the request does not hold")
            if block in self._content:
                raise ImpossibleError(f"content {content} is stored in block {block}, where another is cached")
            self._content[block] = content

    def evict(self, blocks: Sequence[int], contents: Sequence[int]) -> None:
        """Contents can be found in free blocks no longer."""
        for block, content in zip(blocks, contents, strict=True):
            if self._uses[block]:
                raise ImpossibleError(f"content {content} is evicted from block {block} while that is in use")
            if self._content.pop(block, None) != content:
                raise ImpossibleError(f"content {content} is evicted from block {block}, where it is not cached")

    def release(self, request: str | int, released: Sequence[int], idle: Sequence[int]) -> None:
        """A request or a transfer lets go of blocks; ``idle``, which nobody holds now, must be what is found here."""
        held = self._held.get(request, Counter())
        found = []
        for block in released:
            if not held[block]:
                raise ImpossibleError(f"block {block} is freed by {_who(request)} that does not hold it")
            held[block] -= 1
            self._uses[block] -= 1
            if not self._uses[block]:
                found.append(block)
        if found != list(idle):
            raise ImpossibleError(f"blocks {list(idle)[:8]} are said to have no user left, those are {found[:8]}")
        self.in_use -= len(found)
        if not held.total():
            self._held.pop(request, None)


def _who(holder: str | int) -> str:
    return "a request" if isinstance(holder, str) else "a transfer"


class Contents:
    """Of every content: its last use, how often it was reused, and which sessions have used it."""

    def __init__(self) -> None:
        self._last_use = array("d")
        self._hits = array("L")
        self._of_session: dict[str, set[int]] = {}

    def store(self, contents: Sequence[int], session: str | None, now: float) -> int:
        """They were stored; returns how many for the first time."""
        new = 0
        for content in contents:
            if not 0 <= content < _MAX_CONTENT:
                raise ImpossibleError(f"content {content} is none")
            if (missing := content + 1 - len(self._hits)) > 0:
                more = max(missing, len(self._hits) // 4)
                self._last_use.extend([_NEVER] * more)
                self._hits.extend([0] * more)
            new += self._last_use[content] == _NEVER
        self.use(contents, session, now)
        return new

    def reuse(self, contents: Sequence[int], session: str | None, now: float) -> list[tuple[float, bool]]:
        """They were reused: of each, the seconds since its last use, and whether the session had used it before."""
        used = self._of_session.get(session, set()) if session is not None else set()
        found = [(now - self._last_use[content], content in used) for content in contents]
        for content in contents:
            self._hits[content] += 1
        self.use(contents, session, now)
        return found

    def use(self, contents: Sequence[int], session: str | None, now: float) -> None:
        """They were used in a way that is no reuse."""
        for content in contents:
            self._last_use[content] = now
        if session is not None:
            self._of_session.setdefault(session, set()).update(contents)

    def histogram(self) -> list[tuple[int, int]]:
        """(times reused, contents that were reused so often), of all contents ever stored."""
        stored = (hits for hits, last in zip(self._hits, self._last_use, strict=True) if last != _NEVER)
        return sorted(Counter(stored).items())
