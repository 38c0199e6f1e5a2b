"""Does vLLM give what transformers gives? First divergences, log-probabilities on the same prefix, and a verdict.

Three log-probabilities are known of each listed token on the same prefix: vLLM's, transformers' in the same dtype, and
transformers' from the same weights in a higher precision (*exact*). Transformers' error against the exact one is what
the dtype's rounding does: the *noise*. It is measured without vLLM, so that a fault of vLLM cannot widen what it is
allowed. Three things are asked of vLLM:

1. its error, root mean square over all listed tokens, is at most ``RATIO_LIMIT`` times the noise's (about 1 where both
   round equally often): this sees a small fault that is everywhere;
2. its largest error is at most ``FAR`` times the largest noise: this sees a large fault at one place;
3. at the first position where the greedy answers part, transformers prefers its own token by at most ``FAR`` times the
   largest noise (a *near tie*): two engines, each off by that noise at each of two tokens, part within this gap.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from harness.record.parity_run import Answer, ParityRun, Reference

RATIO_LIMIT = 3.0  # 0.9 to 1.6 was met (docs/parity.md): kernels add in different orders
FAR = 4.0
IDENTICAL, NEAR_TIES, DIFFERENT = "identical", "near ties", "different"  # verdicts, the best first
VERDICTS = (IDENTICAL, NEAR_TIES, DIFFERENT)


@dataclass(frozen=True)
class Divergence:
    """Where the greedy answers to a prompt part.

    ``gap``: how much more likely, in natural log-probability, transformers holds its own token than vLLM's, on the
    common prefix; infinite where vLLM's answer ended though neither an end token nor the limit was reached.
    """

    prompt: int  # from 0
    position: int  # in the answer, from 0
    gap: float


@dataclass(frozen=True)
class Spread:
    """Absolute differences of log-probabilities, over all listed tokens."""

    rms: float
    median: float
    largest: float


@dataclass(frozen=True)
class Parity:
    """What a comparison says."""

    prompts: int
    positions: int
    identical: int  # prompts whose answers are the same tokens
    agreeing: int  # positions at which transformers would choose vLLM's token, on vLLM's prefix
    divergences: tuple[Divergence, ...]
    smallest_gap: float  # between transformers' two most likely tokens, over all positions
    difference: Spread  # vLLM - transformers, the same dtype
    error: Spread  # vLLM - exact
    noise: Spread  # transformers - exact

    @property
    def tolerance(self) -> float:
        """Up to which gap a divergence is a near tie, and up to which a single error is noise."""
        return FAR * self.noise.largest

    @property
    def ratio(self) -> float:
        """vLLM's error in noises, root mean squares. Infinite where there is an error but no noise."""
        if self.noise.rms == 0:
            return math.inf if self.error.rms else 1.0
        return self.error.rms / self.noise.rms

    @property
    def detectable(self) -> float:
        """The least fault (root mean square, natural log-probability) that the ratio would show."""
        return self.noise.rms * math.sqrt(RATIO_LIMIT**2 - 1)

    @property
    def faults(self) -> tuple[Divergence, ...]:
        """Divergences that are no near ties."""
        return tuple(each for each in self.divergences if each.gap > self.tolerance)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is more than noise, a line each; none: it is not."""
        found = []
        if self.faults:
            worst = max(self.faults, key=lambda each: each.gap)
            at = f"the widest at token {worst.position + 1} of prompt {worst.prompt + 1}, gap {worst.gap:.3g}"
            found.append(
                f"{len(self.faults)} answers part where there is no near tie ({at}, tolerance {self.tolerance:.3g})"
            )
        if self.ratio > RATIO_LIMIT:
            found.append(f"vLLM's error is {self.ratio:.3g} times the rounding noise (limit {RATIO_LIMIT:g})")
        if self.error.largest > self.tolerance:
            found.append(f"its largest error is {self.error.largest:.3g} (tolerance {self.tolerance:.3g})")
        return tuple(found)

    @property
    def verdict(self) -> str:
        """One of ``VERDICTS``."""
        if self.reasons:
            return DIFFERENT
        return NEAR_TIES if self.divergences else IDENTICAL


def parity_of(run: ParityRun) -> Parity:
    """What the run says; it has at least one prompt."""
    pairs = list(zip(run.answers, run.references, strict=True))
    divergences = [_divergence(number, *pair) for number, pair in enumerate(pairs)]
    found = tuple(each for each in divergences if each is not None)
    given = [value for answer, _ in pairs for value in _flat(answer.log_p)]
    same = [value for _, reference in pairs for value in _flat(reference.log_p)]
    exact = [value for _, reference in pairs for value in _flat(reference.exact)]
    return Parity(
        prompts=len(pairs),
        positions=sum(len(answer.tokens) for answer, _ in pairs),
        identical=sum(answer.tokens == reference.tokens for answer, reference in pairs),
        agreeing=sum(
            best[0] == token
            for answer, reference in pairs
            for best, token in zip(reference.best, answer.tokens, strict=True)
        ),
        divergences=found,
        smallest_gap=min(first - second for _, reference in pairs for first, second in reference.best_log_p),
        difference=_spread(given, same),
        error=_spread(given, exact),
        noise=_spread(same, exact),
    )


def _divergence(number: int, answer: Answer, reference: Reference) -> Divergence | None:
    """Where the answers part, if they do."""
    if answer.tokens == reference.tokens:
        return None
    pairs = zip(answer.tokens, reference.tokens, strict=False)
    at = next((place for place, (given, own) in enumerate(pairs) if given != own), None)
    if at is None:  # vLLM stopped without a reason
        return Divergence(number, len(answer.tokens), math.inf)
    return Divergence(number, at, max(0.0, reference.best_log_p[at][0] - reference.log_p[at][0]))


def _flat(rows: Sequence[Sequence[float]]) -> Iterator[float]:
    return (value for row in rows for value in row)


def _spread(one: Sequence[float], other: Sequence[float]) -> Spread:
    sizes = [abs(a - b) for a, b in zip(one, other, strict=True)]
    return Spread(math.sqrt(math.fsum(each * each for each in sizes) / len(sizes)), median(sizes), max(sizes))
