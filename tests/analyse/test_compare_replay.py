"""How often a comparison is wrong, and what it finds, on starts replayed from two real sessions (see replay.py)."""

import random
from statistics import mean, stdev

import pytest

from harness.analyse.compare import Comparison, compare
from harness.analyse.contrast import FASTER, NO_DIFFERENCE, SLOWER
from tests.analyse.replay import SESSIONS, replay, slower, stored

STARTS, LEAF, PLANTED_S = 5, "tokenizer_init", 0.5

TRIALS = 600
OTHER_FORMS = [
    (session, paired) for session in SESSIONS for paired in (False, True) if (session, paired) != ("compiled", True)
]


def flagged(found: Comparison) -> list[str]:
    return [name for name, line in found.parts.items() if line.verdict in (SLOWER, FASTER)]


# One form of one session for every day; the other three take three seconds each.
@pytest.mark.parametrize(
    ("session", "paired"),
    [("compiled", True), *(pytest.param(*form, marks=pytest.mark.slow) for form in OTHER_FORMS)],
)
def test_equal_starts_show_no_difference_in_total_and_phases_in_9_of_10_trials(session: str, paired: bool) -> None:
    quiet = 0
    for seed in range(TRIALS):
        rng = random.Random(seed)
        found = compare(*(replay(stored(session), STARTS, rng, paired) for _ in "ab"))
        assert found.paired is paired
        quiet += found.ready.verdict == NO_DIFFERENCE and not flagged(found)
    assert quiet >= 0.9 * TRIALS


@pytest.mark.parametrize("paired", [False, True], ids=["unpaired", "paired"])
def test_half_a_second_planted_into_a_phase_is_found_in_that_phase_with_5_starts(paired: bool) -> None:
    right = 0
    for seed in range(20):
        rng = random.Random(seed)
        a, b = (replay(stored("compiled"), STARTS, rng, paired) for _ in "ab")
        found = compare(a, slower(b, LEAF, PLANTED_S))
        low, high = found.phases[LEAF].interval_s or (0, 0)
        right += flagged(found)[:1] == [LEAF] and 0 < low < high and found.phases[LEAF].verdict == SLOWER
    assert right >= 19


def test_replayed_starts_vary_as_the_stored_ones_do() -> None:
    runs = stored("eager")
    made = replay(runs, 2000, random.Random(1), paired=False)
    for leaf in ("tokenizer_init", "imports:main", "gc_freeze"):
        real, new = [run[leaf] for run in runs], [start.phases[leaf] for start in made]
        assert mean(new) == pytest.approx(mean(real), rel=0.02)
        assert stdev(new) == pytest.approx(stdev(real), rel=0.1)
