"""When requests arrive: conversations begin as a Poisson process, and people think before they go on.

The trace's times must not depend on the engine that replays it, so how long an answer takes is assumed here:
``FIRST_TOKEN_S`` and ``TOKEN_S`` for each token of it. All draws come from the seed, by streams of their own: one for
all starts, one for each conversation's think times, so that a longer trace begins with the shorter one.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

THINK_S = 20.0  # mean of the exponential think time
FIRST_TOKEN_S = 0.5
TOKEN_S = 0.02
_DECIMALS = 6  # of a second


@dataclass(frozen=True)
class Arrivals:
    """Arrival times of conversations that begin at ``rate`` per second."""

    rate: float
    seed: int
    think_s: float = THINK_S

    def starts(self) -> Iterator[float]:
        """Seconds at which one conversation after the other begins, without end."""
        stream = random.Random(f"{self.seed} starts")
        at_s = 0.0
        while True:
            at_s += _exponential(stream, 1 / self.rate)
            yield at_s

    def gaps(self, conversation: int) -> Iterator[float]:
        """Seconds that pass before each further turn once the answer is there, without end."""
        stream = random.Random(f"{self.seed} conversation {conversation}")
        while True:
            yield _exponential(stream, self.think_s)


def response_s(output_tokens: int) -> float:
    """How long an answer of this length is assumed to take."""
    return FIRST_TOKEN_S + TOKEN_S * output_tokens


def request_times(requests: int, rate: float, seed: int) -> list[float]:
    """Seconds at which so many requests of a load arrive: Poisson, ``rate`` per second, the first at 0; inf: all at 0.

    The one schedule of a load: its trace has these times, and its client sends at them.
    """
    stream = random.Random(f"{seed} requests")
    gaps = (_exponential(stream, 1 / rate) for _ in range(requests - 1))
    return [round(at_s, _DECIMALS) for at_s in accumulate(gaps, initial=0.0)]


def _exponential(stream: random.Random, mean: float) -> float:
    return -math.log(1.0 - stream.random()) * mean
