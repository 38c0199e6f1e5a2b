"""Greedy answers of a case against its baseline's, token by token.

Greedy decoding takes the best token of each position. Two computations of the same logits that differ by noise agree on
it unless the two best are closer than the noise; what follows a first difference has another prefix and says nothing.
So an answer that differs first where the baseline's two best log-probabilities are at most ``near_tie`` apart is a near
tie; any other difference is real, and so is one at a position whose gap is not known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.record.feature_run import Output


@dataclass(frozen=True)
class Agreement:
    """``largest_tie``: of the gaps at near ties. ``largest_difference``: of log-probabilities of the same token after

    the same prefix, as far as both are told; in nats. None: there is none.
    """

    compared: int
    identical: int
    near_ties: int
    different: int
    largest_tie: float | None
    largest_difference: float | None


def agreement(baseline: Sequence[Output], mine: Sequence[Output], near_tie: float) -> Agreement:
    """Answers to the same prompts, in their order."""
    pairs = list(zip(baseline, mine, strict=False))
    gaps = [gap for base, other in pairs if (gap := _gap_where_apart(base, other)) is not None]
    ties = [gap for gap in gaps if gap <= near_tie]
    return Agreement(
        compared=len(pairs),
        identical=len(pairs) - len(gaps),
        near_ties=len(ties),
        different=len(gaps) - len(ties),
        largest_tie=max(ties, default=None),
        largest_difference=max((found for pair in pairs for found in _differences(*pair)), default=None),
    )


def diverges_at(base: Output, other: Output) -> int | None:
    """The first position whose tokens differ, or where one answer has ended; None: they are the same."""
    shorter = min(len(base.tokens), len(other.tokens))
    at = next((at for at in range(shorter) if base.tokens[at] != other.tokens[at]), None)
    return shorter if at is None and len(base.tokens) != len(other.tokens) else at


def _gap_where_apart(base: Output, other: Output) -> float | None:
    """The baseline's gap at the first difference; infinite where it is not known. None: no difference."""
    at = diverges_at(base, other)
    if at is None:
        return None
    return base.gaps[at] if base.gaps is not None and at < len(base.gaps) else float("inf")


def _differences(base: Output, other: Output) -> list[float]:
    at = diverges_at(base, other)
    same = len(base.tokens) if at is None else at
    pairs = zip((base.nll or [])[:same], (other.nll or [])[:same], strict=False)
    return [abs(a - b) for a, b in pairs]
