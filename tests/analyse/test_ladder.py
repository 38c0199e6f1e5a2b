"""What each kind of state saves: the steps add up, and their intervals are those of the textbook."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.analyse.dataset import MEASURED, WARMUP, CaseData, Repeat
from harness.analyse.ladder import ORDER, PHASES, REST, Ladder, by_phase, ladder
from harness.analyse.phases import LEAVES, PER_PROCESS_LEAVES, ROLES, UNATTRIBUTED
from harness.analyse.rungs import EVERYTHING, NOTHING, rungs_of
from harness.spec.figure import load_figure
from harness.workspace import Workspace

RUNGS = rungs_of(load_figure("ladder", Workspace()))
LEAF = st.sampled_from(
    [*LEAVES, *(f"{leaf}:{role}" for leaf in PER_PROCESS_LEAVES for role in ROLES), "of a later version", UNATTRIBUTED]
)
START = st.dictionaries(LEAF, st.floats(0, 1000), min_size=1, max_size=4)

Starts = dict[str, list[dict[str, float]]]


def climb(starts: Starts, rounds: bool = False) -> Ladder:
    """The ladder of these measured starts by state, the k-th of each in the same round."""
    cases = {}
    for key, leaves in starts.items():
        repeats = tuple(
            Repeat(MEASURED, str(at), span, round=f"c:{at}" if rounds else None) for at, span in enumerate(leaves)
        )
        cases[key] = CaseData("m", True, {}, {}, repeats, state=RUNGS.states[key].declared())
    return ladder(RUNGS, cases)


def seconds(rng: random.Random, base: dict[str, float], n: int = 5, noise: float = 0.3) -> Starts:
    """Starts of one leaf around a mean for each state."""
    return {key: [{"config": rng.gauss(mean, noise)} for _ in range(n)] for key, mean in base.items()}


MEANS = {NOTHING: 95.0, "libraries": 89.0, "storage": 91.0, "model_info": 93.0, "compile_cache": 54.0, EVERYTHING: 38.0}
SAMPLE = seconds(random.Random(1), MEANS)


def values(key: str, starts: Starts = SAMPLE) -> list[float]:
    return [sum(start.values()) for start in starts[key]]


@settings(max_examples=60, deadline=None)
@given(st.data(), st.booleans())
def test_nothing_less_everything_is_the_sum_of_the_steps_and_the_interaction_also_in_every_phase(
    data: st.DataObject, rounds: bool
) -> None:
    n = data.draw(st.integers(1, 4))
    size = st.lists(START, min_size=n, max_size=n) if rounds else st.lists(START, min_size=1, max_size=4)
    found = climb({key: data.draw(size) for key in RUNGS.states}, rounds)
    assert found.paired == (rounds and n > 1)
    assert found.total
    assert found.interaction
    scale = max(starts.ready.mean for starts in found.starts.values())
    close = {"rel": 0, "abs": 1e-13 * max(scale, 1)}
    total = found.starts[NOTHING].ready.mean - found.starts[EVERYTHING].ready.mean
    assert found.total.start.seconds == pytest.approx(total, **close)
    added = math.fsum(step.start.seconds for step in found.steps.values()) + found.interaction.start.seconds
    assert found.total.start.seconds == pytest.approx(added, **close)
    for phase in found.phases:
        difference = found.starts[NOTHING].by_phase[phase] - found.starts[EVERYTHING].by_phase[phase]
        assert found.total.by_phase[phase].seconds == pytest.approx(difference, **close)
        added = math.fsum(saved.by_phase[phase].seconds for saved in (*found.steps.values(), found.interaction))
        assert found.total.by_phase[phase].seconds == pytest.approx(added, **close)
    for saved in found.saved.values():
        whole = math.fsum(part.seconds for part in saved.by_phase.values())
        assert saved.start.seconds == pytest.approx(whole, **close)
    for starts in found.starts.values():
        assert starts.ready.mean == pytest.approx(math.fsum(starts.by_phase.values()), **close)


def test_every_leaf_is_in_one_phase_and_one_that_no_version_knows_is_in_the_rest() -> None:
    leaves = [leaf for leaves in PHASES.values() for leaf in leaves]
    assert len(set(leaves)) == len(leaves)
    assert {leaf.partition(":")[0] for leaf in leaves} <= {*LEAVES, *PER_PROCESS_LEAVES}
    every = {leaf: 1.0 for leaf in LEAVES} | {"imports:main": 1.0, "imports:inspect": 1.0, "new": 1.0, "new:main": 1.0}
    parts = by_phase(every | {UNATTRIBUTED: 1.0})
    assert tuple(parts) == ORDER
    assert sum(parts.values()) == len(every) + 1
    assert by_phase({"new": 2.0})[REST] == 2.0
    assert parts[UNATTRIBUTED] == 1.0


def test_the_inspecting_process_is_inspection_and_its_imports_are_no_others() -> None:
    parts = by_phase({"imports:inspect": 4.0, "interpreter:inspect": 0.1, "model_inspect": 0.2, "imports:main": 5.0})
    assert parts["model inspection"] == pytest.approx(4.3)
    assert parts["interpreters, imports"] == 5.0


def test_in_rounds_each_interval_is_students_of_the_differences() -> None:
    found = climb(SAMPLE, rounds=True)
    for kind, step in found.steps.items():
        expected = stats.ttest_rel(values(NOTHING), values(kind)).confidence_interval(0.95)
        half = step.start.half_width
        assert half
        assert (step.start.seconds - half, step.start.seconds + half) == pytest.approx((expected.low, expected.high))
    by_round = zip(*(values(key) for key in (NOTHING, EVERYTHING, *found.kinds)), strict=True)
    rests = [nothing - everything - sum(nothing - kept for kept in kinds) for nothing, everything, *kinds in by_round]
    expected = stats.ttest_1samp(rests, 0).confidence_interval(0.95)
    assert found.interaction
    assert found.interaction.start.half_width == pytest.approx((expected.high - expected.low) / 2)


def test_without_rounds_each_step_s_interval_is_welchs() -> None:
    found = climb(SAMPLE)
    assert not found.paired
    for kind, step in found.steps.items():
        expected = stats.ttest_ind(values(NOTHING), values(kind), equal_var=False).confidence_interval(0.95)
        half = step.start.half_width
        assert half
        assert (step.start.seconds - half, step.start.seconds + half) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("rounds", [True, False])
def test_the_interval_of_the_interaction_holds_the_true_one_in_19_of_20_ladders(rounds: bool) -> None:
    rng, held = random.Random(0), 0
    true = MEANS[NOTHING] - MEANS[EVERYTHING] - sum(MEANS[NOTHING] - MEANS[kind] for kind in RUNGS.kinds)
    for _ in range(400):
        found = climb(seconds(rng, MEANS, n=4, noise=1.0), rounds).interaction
        assert found
        assert found.start.half_width
        held += abs(found.start.seconds - true) < found.start.half_width
    assert 0.92 <= held / 400 <= 0.985  # Welch's is a little wide


def test_a_machine_that_gets_slower_widens_no_interval_of_starts_in_rounds() -> None:
    slower = {key: [{"config": mean + 3 * at} for at in range(5)] for key, mean in MEANS.items()}
    paired, alone = climb(slower, rounds=True), climb(slower)
    assert paired.steps["storage"].start.half_width == pytest.approx(0, abs=1e-12)
    assert alone.steps["storage"].start.half_width == pytest.approx(6.9, abs=0.1)
    assert paired.steps["storage"].start.seconds == alone.steps["storage"].start.seconds


def test_where_one_round_is_not_whole_nothing_is_paired_and_nothing_is_left_out() -> None:
    found = climb({**SAMPLE, "storage": SAMPLE["storage"][:4]}, rounds=True)
    assert not found.paired
    assert [starts.ready.n for starts in found.starts.values()] == [5, 5, 4, 5, 5, 5]


def test_the_phases_of_one_step_hold_together_so_each_of_them_is_wider() -> None:
    apart = {key: [{"config": s / 2, "warmup": s / 2} for s in values(key)] for key in SAMPLE}
    step = climb(apart).steps["libraries"]
    assert step.start.half_width
    for part in step.by_phase.values():
        assert part.half_width
        assert part.half_width > step.start.half_width / 2 * 1.1


def test_a_state_without_a_start_takes_away_only_what_needs_it() -> None:
    found = climb({**SAMPLE, "storage": []})
    assert found.missing == ("storage",)
    assert list(found.steps) == [kind for kind in RUNGS.kinds if kind != "storage"]
    assert found.total
    assert (found.interaction, found.saved.get("interaction")) == (None, None)
    bottom = climb({key: starts for key, starts in SAMPLE.items() if key != NOTHING})
    assert (bottom.missing, bottom.steps, bottom.total, bottom.lead) == ((NOTHING,), {}, None, None)
    assert climb({}).missing == tuple(RUNGS.states)


def test_single_starts_have_differences_and_no_interval() -> None:
    found = climb({key: starts[:1] for key, starts in SAMPLE.items()}, rounds=True)
    assert found.interaction
    assert all(saved.start.half_width is None for saved in found.saved.values())
    assert not any(saved.start.is_clear for saved in found.saved.values())


def test_the_kind_that_saves_most_comes_first_with_what_it_saves_over_the_second() -> None:
    found = climb(SAMPLE)
    assert found.ranked == ("compile_cache", "libraries", "storage", "model_info")
    assert found.lead
    first, second = (found.steps[kind].start.seconds for kind in found.ranked[:2])
    assert found.lead.seconds == pytest.approx(first - second)
    assert found.lead.is_clear


def test_warm_ups_and_starts_without_spans_are_no_starts_of_the_ladder() -> None:
    state = RUNGS.states[NOTHING].declared()
    repeats = (Repeat(WARMUP, "warmup-0", {"config": 9.0}), Repeat(MEASURED, "1", {}, {"actual_total_time": 9.0}))
    found = ladder(RUNGS, {NOTHING: CaseData("m", True, {}, {}, repeats, state=state)})
    assert found.starts == {}
