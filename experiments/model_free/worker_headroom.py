"""Head-room policies: how many blocks must stay free when another sequence is admitted into the KV cache.

A sequence that is admitted when too little room is left makes others grow into nothing: one of them is preempted and
computed again. Keeping blocks free avoids that, and wastes memory. What describes a policy, in a replay's parameters
and in a real engine's ``additional_config["headroom"]`` alike: ``harness/record/headroom_spec.py``.

vLLM asks for head-room only while something runs (``KVCacheManager.allocate_slots``), so whatever a policy answers,
one sequence is always admitted into an empty cache: no policy can stop an engine for ever.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from harness.record.headroom_spec import check_headroom

_NAIVE_DIVISOR = 16  # sequences; the original study's: its blocks have 16 tokens, so that one in 16 steps needs one
_HORIZONS = 48  # moments in the future at which the probabilistic policy looks


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

    def __init__(self, sigmas: float, of: str, quantiles: list[int], block_size: int) -> None:
        self._sigmas, self._around_prediction, self._block_size = sigmas, of == "residual", block_size
        self._quantiles = np.sort(np.asarray(quantiles, np.float64))

    def keep_free(self, running: int, occupants: Callable[[], Iterable[Occupant]], candidate: Occupant) -> int:
        """Blocks by which the cache will fill up further, at the worst moment."""
        del running
        everyone = [*occupants(), candidate]
        prompts, generated = (
            np.asarray([getattr(each, name) for each in everyone], np.float64)
            for name in ("prompt_tokens", "generated_tokens")
        )
        middle = np.asarray([each.predicted_tokens or 0 for each in everyone] if self._around_prediction else 0.0)
        lengths = np.broadcast_to(middle[..., None] + self._quantiles, (len(everyone), len(self._quantiles)))
        longest = float(max(lengths.max() - generated.min(), 1.0))
        steps = np.unique(np.ceil(np.linspace(0.0, longest, _HORIZONS)))
        # Shares of known lengths above what was generated; a sequence longer than all of them may end at any step.
        above = (lengths[:, :, None] > (generated[:, None] + steps)[:, None, :]).sum(axis=1)
        alive = above / np.maximum(above[:, :1], 1)
        blocks = np.ceil((prompts[:, None] + generated[:, None] + steps) / self._block_size)
        expected = (alive * blocks).sum(axis=0)
        spread = np.sqrt((alive * (1 - alive) * blocks**2).sum(axis=0))
        now = np.ceil((prompts + generated) / self._block_size).sum()
        return max(0, math.ceil(float((expected + self._sigmas * spread).max() - now)))


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
