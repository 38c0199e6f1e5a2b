"""Head-room policies: how many blocks must stay free when another sequence is admitted into the KV cache.

A sequence that is admitted when too little room is left makes others grow into nothing: one of them is preempted and
computed again. Keeping blocks free avoids that, and wastes memory. What describes a policy, in a replay's parameters
and in a real engine's ``additional_config["headroom"]`` alike: ``harness/record/headroom_spec.py``.

vLLM asks for head-room only while something runs (``KVCacheManager.allocate_slots``), so whatever a policy answers,
one sequence is always admitted into an empty cache: no policy can stop an engine for ever.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from harness.record.headroom_spec import check_headroom

_NAIVE_DIVISOR = 16  # sequences; the original study's: its blocks have 16 tokens, so that one in 16 steps needs one
_MOST_MOMENTS = 1024  # steps ahead that the probabilistic policy looks at; of longer outlooks, as many evenly

Numbers = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(slots=True)
class Occupant:
    """A sequence as a policy sees it. What it will generate in all is not known; ``predicted`` may say."""

    prompt_tokens: int
    generated_tokens: int
    predicted_tokens: int | None  # of output in all


class Headroom(Protocol):
    """A head-room policy."""

    follows_frees: bool  # its answer to the same question changes only when a sequence leaves the cache

    def keep_free(self, running: int, occupants: Callable[[], Iterable[Occupant]], candidate: Occupant) -> int:
        """Blocks to leave free beside those that the candidate is given; ``running`` sequences are in the cache."""


@dataclass(frozen=True)
class Naive:
    """Naive search: a fixed share of a block for each sequence in the cache."""

    factor: float
    follows_frees = True

    def keep_free(self, running: int, occupants: Callable[[], Iterable[Occupant]], candidate: Occupant) -> int:
        """ceil(n / 16 · o)."""
        del occupants, candidate
        return math.ceil(running / _NAIVE_DIVISOR * self.factor)


@dataclass(frozen=True)
class Target:
    """Naive search 2: as many sequences as leave each the target's number of blocks on average."""

    blocks_per_sequence: float
    usable_blocks: int
    follows_frees = True

    def keep_free(self, running: int, occupants: Callable[[], Iterable[Occupant]], candidate: Occupant) -> int:
        """Nothing, or more than there is."""
        del occupants, candidate
        fits = self.usable_blocks / (running + 1) >= self.blocks_per_sequence
        return 0 if fits else self.usable_blocks + 1


class Probabilistic:
    """Room for what the sequences in the cache, and the candidate, will hold at the worst moment to come.

    A sequence that has generated g tokens is still there t steps later with the share a of known lengths above g that
    are above g + t, and then holds the blocks of its tokens of then. At each t the blocks of all are added up: their
    mean, and their variance, as if lengths were independent. The head-room is what the worst moment's mean plus
    ``sigmas`` standard deviations exceeds the blocks held now by. Lengths: ``quantiles`` of output lengths, or of
    errors (length − prediction) around each sequence's own prediction. Blocks that sequences share count for each.

    The idea is that of the past-future scheduler (Gong et al., ASPLOS 2025); the calculation is ours.
    """

    follows_frees = False

    def __init__(self, sigmas: float, of: str, quantiles: Sequence[int], block_size: int) -> None:
        self._sigmas, self._around_prediction, self._block_size = sigmas, of == "residual", block_size
        ordered = np.sort(np.asarray(quantiles, np.int64))
        self._least, self._most = int(ordered[0]), int(ordered[-1])
        # How many quantiles are above least − 1, least, least + 1, …, most.
        self._above = len(ordered) - np.searchsorted(ordered, np.arange(self._least - 1, self._most + 1), side="right")

    def keep_free(self, running: int, occupants: Callable[[], Iterable[Occupant]], candidate: Occupant) -> int:
        """Blocks by which the cache will fill up further, at the worst moment."""
        del running
        everyone = [*occupants(), candidate]
        tokens, generated, expected = np.asarray(
            [
                (each.prompt_tokens + each.generated_tokens, each.generated_tokens, each.predicted_tokens or 0)
                for each in everyone
            ],
            np.int64,
        ).T
        # Where each sequence stands on the axis of ``quantiles``.
        at = generated - expected if self._around_prediction else generated
        longest = max(self._most - int(at.min()), 1)
        steps = np.arange(0, longest + 1, -(-longest // _MOST_MOMENTS), dtype=np.int64)
        known = self._count_above(at)
        alive = self._count_above(at[:, None] + steps) / np.maximum(known, 1)[:, None]
        blocks = -(-(tokens[:, None] + steps) // self._block_size)
        beyond = known == 0  # longer than all that is known: nobody can count on its end, nor on its growth
        alive[beyond], blocks[beyond] = 1, blocks[beyond, :1]
        mean = (alive * blocks).sum(axis=0)
        spread = np.sqrt((alive * (1 - alive) * blocks**2).sum(axis=0))
        now = int((-(-tokens // self._block_size)).sum())
        return max(0, math.ceil(float((mean + self._sigmas * spread).max()) - now))

    def _count_above(self, lengths: Numbers) -> Numbers:
        """Of each length, how many quantiles are longer."""
        found: Numbers = self._above[np.clip(lengths, self._least - 1, self._most) - (self._least - 1)]
        return found


def make_headroom(spec: Mapping[str, Any] | None, usable_blocks: int, block_size: int) -> Headroom | None:
    """The policy that a JSON object describes; None: vLLM's own static watermark.

    ``usable_blocks``: of the cache, vLLM's null block not counted; ``block_size`` in tokens.

    Raises:
        ValueError: one line: no such policy, or a parameter that cannot be (``check_headroom``).
    """
    if spec is None:
        return None
    check_headroom(spec)
    if spec["policy"] == "naive":
        return Naive(spec["factor"])
    if spec["policy"] == "target":
        return Target(spec["blocks_per_sequence"], usable_blocks)
    return Probabilistic(spec["sigmas"], spec["of"], spec["quantiles"], block_size)
