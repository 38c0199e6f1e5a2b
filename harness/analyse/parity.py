"""Does vLLM give what transformers gives? First divergences, log-probabilities on the same prefix, and a verdict.

Three log-probabilities are known of each listed token on the same prefix: vLLM's, transformers' in the same dtype, and
transformers' from the same weights in a higher precision (*exact*). Transformers' error against the exact one is what
the dtype's rounding does: the *noise*. It is measured without vLLM, so that a fault of vLLM cannot widen what it is
allowed (it chooses the prefixes and the listed tokens, none of its numbers enters). Three things are asked of vLLM:

1. its error, root mean square over all listed tokens, is at most ``RATIO_LIMIT`` times the noise's (about 1 where both
   round equally often): this sees a small fault that is everywhere;
2. its largest error is at most ``FAR`` times the largest noise: this sees a large fault at one place;
3. at the first position where the greedy answers part, transformers prefers its own token by at most ``FAR`` times the
   largest noise *of that prompt* (a *near tie*): two engines, each off by that noise at each of two tokens, part within
   this gap. The largest of few numbers may be small by chance, so it counts as at least ``LEAST`` times the root mean
   square of all noise, and never as more than the largest of all.

Where a near tie's tolerance is ``UNDECIDED`` or more, the third rule would let nearly everything pass: *not decidable*.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from harness.analyse.first_difference import first_difference
from harness.record.parity_run import Answer, ParityRun, Reference

RATIO_LIMIT = 3.0  # 0.9 to 1.6 was met (docs/parity.md): kernels add in different orders
FAR = 4.0
LEAST = 2.0  # FAR × LEAST = 8 root mean squares: 4 standard deviations of a sum of four such errors
UNDECIDED = 1.0  # natural log-probability: a token e times as likely is no tie
IDENTICAL, NEAR_TIES, NOT_DECIDABLE, DIFFERENT = "identical", "near ties", "not decidable", "different"
VERDICTS = (IDENTICAL, NEAR_TIES, NOT_DECIDABLE, DIFFERENT)  # the best first


@dataclass(frozen=True)
class Divergence:
    """Where the greedy answers to a prompt part.

    ``gap``: how much more likely, in natural log-probability, transformers holds its own token than vLLM's, on the
    common prefix; infinite where one answer ended and the other went on. ``tolerance``: up to which it is a near tie.
    """

    prompt: int  # from 0
    position: int  # in the answer, from 0
    gap: float
    tolerance: float

    @property
    def is_fault(self) -> bool:
        """Whether it is no near tie."""
        return self.gap > self.tolerance

    @property
    def is_undecided(self) -> bool:
        """Whether it passes only because rounding is so large there."""
        return not self.is_fault and self.tolerance >= UNDECIDED


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
    tolerances: tuple[float, ...]  # of each prompt: up to which gap a divergence is a near tie

    @property
    def tolerance(self) -> float:
        """Up to which a single error is noise, wherever it is."""
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
        return tuple(each for each in self.divergences if each.is_fault)

    @property
    def undecided(self) -> tuple[Divergence, ...]:
        """Divergences that pass only because the tolerance is ``UNDECIDED`` or more."""
        return tuple(each for each in self.divergences if each.is_undecided)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is more than noise, a line each; none: it is not."""
        found = []
        if self.faults:
            worst = max(self.faults, key=lambda each: each.gap)
            at = f"the widest at token {worst.position + 1} of prompt {worst.prompt + 1}"
            gap = f"gap {worst.gap:.3g}, tolerance {worst.tolerance:.3g}"
            what = gap if math.isfinite(worst.gap) else "one of the two answers ended before it"
            found.append(f"{len(self.faults)} answers part where there is no near tie ({at}, {what})")
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
        if self.undecided:
            return NOT_DECIDABLE
        return NEAR_TIES if self.divergences else IDENTICAL


def parity_of(run: ParityRun) -> Parity:
    """What the run says; it has at least one prompt."""
    pairs = list(zip(run.answers, run.references, strict=True))
    given = [value for answer, _ in pairs for value in _flat(answer.log_p)]
    same = [value for _, reference in pairs for value in _flat(reference.log_p)]
    exact = [value for _, reference in pairs for value in _flat(reference.exact)]
    noise = _spread(same, exact)
    tolerances = tuple(_tolerance(reference, noise) for _, reference in pairs)
    divergences = [
        _divergence(at, *pair, tolerance) for at, (pair, tolerance) in enumerate(zip(pairs, tolerances, strict=True))
    ]
    return Parity(
        prompts=len(pairs),
        positions=sum(len(answer.tokens) for answer, _ in pairs),
        identical=sum(answer.tokens == reference.tokens for answer, reference in pairs),
        agreeing=sum(
            best[0] == token
            for answer, reference in pairs
            for best, token in zip(reference.best, answer.tokens, strict=True)
        ),
        divergences=tuple(each for each in divergences if each is not None),
        smallest_gap=min(first - second for _, reference in pairs for first, second in reference.best_log_p),
        difference=_spread(given, same),
        error=_spread(given, exact),
        noise=noise,
        tolerances=tolerances,
    )


def _tolerance(reference: Reference, noise: Spread) -> float:
    """Up to which gap a divergence of this answer is a near tie. ``noise``: of all answers."""
    here = _spread(list(_flat(reference.log_p)), list(_flat(reference.exact))).largest
    return FAR * min(max(here, LEAST * noise.rms), noise.largest)


def _divergence(number: int, answer: Answer, reference: Reference, tolerance: float) -> Divergence | None:
    """Where the answers part, if they do."""
    at = first_difference(answer.tokens, reference.tokens)
    if at is None:
        return None
    if at in (len(answer.tokens), len(reference.tokens)):  # an end token, or the limit, ended one of them alone
        return Divergence(number, at, math.inf, tolerance)
    return Divergence(number, at, max(0.0, reference.best_log_p[at][0] - reference.log_p[at][0]), tolerance)


def _flat(rows: Sequence[Sequence[float]]) -> Iterator[float]:
    return (value for row in rows for value in row)


def _spread(one: Sequence[float], other: Sequence[float]) -> Spread:
    sizes = [abs(a - b) for a, b in zip(one, other, strict=True)]
    return Spread(math.sqrt(math.fsum(each * each for each in sizes) / len(sizes)), median(sizes), max(sizes))
