"""Greedy answers of a case against its baseline's, token by token.

Greedy decoding takes the best token of each position. Two computations of the same logits that differ by noise agree on
it unless the two best are closer than the noise; what follows a first difference has another prefix and says nothing.
So an answer that differs first where it takes the baseline's second best token, and the baseline's two best
log-probabilities are at most ``near_tie`` apart, is a near tie; any other difference is real: another token, however
close the two best are, an answer that ends, a position whose gap is not known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.analyse.first_difference import first_difference
from harness.record.feature_run import Output


@dataclass(frozen=True)
class Agreement:
    """``largest_difference``: of log-probabilities of the same token after the same prefix, as far as both are told.

    In nats; None: nothing could be compared.
    """

    compared: int
    identical: int
    near_ties: int
    different: int
    largest_difference: float | None


def agreement(baseline: Sequence[Output], mine: Sequence[Output], near_tie: float) -> Agreement:
    """Answers to the same prompts, in their order; ``near_tie`` in nats."""
    pairs = list(zip(baseline, mine, strict=True))
    apart = [
        (base, other, at) for base, other in pairs if (at := first_difference(base.tokens, other.tokens)) is not None
    ]
    ties = sum(_is_near_tie(base, other, at, near_tie) for base, other, at in apart)
    return Agreement(
        compared=len(pairs),
        identical=len(pairs) - len(apart),
        near_ties=ties,
        different=len(apart) - ties,
        largest_difference=max((found for pair in pairs for found in _differences(*pair)), default=None),
    )


def _is_near_tie(base: Output, other: Output, at: int, near_tie: float) -> bool:
    """Whether ``other`` took the baseline's second best token at ``at``, and that was close enough."""
    if base.gaps is None or base.runners_up is None or at >= min(len(base.gaps), len(other.tokens)):
        return False
    return base.gaps[at] <= near_tie and base.runners_up[at] == other.tokens[at]


def _differences(base: Output, other: Output) -> list[float]:
    at = first_difference(base.tokens, other.tokens)
    same = len(base.tokens) if at is None else at
    pairs = zip((base.nll or [])[:same], (other.nll or [])[:same], strict=False)
    return [abs(a - b) for a, b in pairs]
