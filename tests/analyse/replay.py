"""Two sets of starts of which we know the truth: replayed from stored starts, so both are of the same kind.

A start is drawn whole (with replacement), so that what varies together keeps varying together. Drawing alone repeats
the same few values; so each leaf's logarithm also gets noise of its own, with the spread of that leaf between the
stored starts times Silverman's bandwidth, and is shrunk so that its variance stays what it was (a smoothed bootstrap).
The noise of the leaves is independent, which is the harder case for many tests at once. What it cannot show is how
sessions differ that were measured hours apart: that needs interleaved runs, not statistics.
"""

import json
import math
import random
from pathlib import Path
from statistics import mean, stdev

from harness.record.sides import Start

SESSIONS = ("compiled", "eager")


def stored(session: str) -> list[dict[str, float]]:
    """The leaves of each of five real starts of one session."""
    found = json.loads((Path(__file__).parent / "cold_starts.json").read_text(encoding="utf-8"))[session]
    return [dict(zip(found["leaves"], values, strict=True)) for values in found["starts"]]


def replay(
    starts: list[dict[str, float]], n: int, rng: random.Random, paired: bool, smooth: bool = True
) -> list[Start]:
    """``n`` starts like the stored ones. ``paired`` gives each a round; ``smooth`` False only draws."""
    width = (4 / (3 * len(starts))) ** 0.2 if smooth else 0.0
    unbiased = math.sqrt(len(starts) / (len(starts) - 1)) if smooth else 1.0
    logs = {leaf: [math.log(start[leaf]) for start in starts] for leaf in starts[0]}
    centre = {leaf: (mean(values), stdev(values)) for leaf, values in logs.items()}
    made = []
    for number in range(n):
        drawn = rng.randrange(len(starts))
        phases = {}
        for leaf, (middle, spread) in centre.items():
            away = unbiased * (logs[leaf][drawn] - middle) + width * spread * rng.gauss(0, 1)
            phases[leaf] = math.exp(middle + away / math.sqrt(1 + width**2))
        made.append(Start(str(number + 1), f"call:{number}" if paired else None, phases))
    return made


def slower(starts: list[Start], leaf: str, seconds: float) -> list[Start]:
    """The same starts with ``seconds`` planted into one leaf."""
    return [Start(s.run, s.round, {**s.phases, leaf: s.phases.get(leaf, 0.0) + seconds}) for s in starts]
