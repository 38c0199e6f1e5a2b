"""The table of one case: every second of a start is in one line, and nothing that does not count is in any."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.by_process import merged, phase_table
from harness.record.run import Run
from tests.synthetic_run import certificate, make_run

KINDS = ("warmup", "measured")
SECONDS = st.floats(0, 1000, allow_subnormal=False)
PHASES = st.sampled_from(["imports:main", "load_weights", "config", "unattributed", "warmup"])
BY_PROCESS = st.dictionaries(st.sampled_from(["main", "engine", "worker"]), st.dictionaries(PHASES, SECONDS))


@st.composite
def run_lists(draw: st.DrawFn) -> list[Run]:
    """Runs of both kinds, some of which failed or do not count; the seconds of each add up to its ready."""
    runs = []
    for number in range(draw(st.integers(0, 6))):
        by_process = {**draw(BY_PROCESS), "inspect": {"model_inspect": 0.001}}  # a start takes more than no time
        ready_s = sum(sum(phases.values()) for phases in by_process.values())
        changes = draw(st.sampled_from([{}, {}, {"status": "failed"}, {"certificate": certificate(holds=False)}]))
        name = draw(st.sampled_from([f"warmup-{number}", str(number + 1)]))
        good = {"ready_s": ready_s, "phases_by_process": by_process}
        runs.append(make_run(name, **({} if "status" in changes else good), **changes))
    return runs


@given(run_lists())
def test_the_lines_of_each_kind_add_up_to_ready(runs: list[Run]) -> None:
    table = phase_table(runs, KINDS)
    for kind, ready in table.ready.items():
        counted = [run for run in runs if run.kind == kind and run.counts]
        assert ready.n == len(counted)
        assert all(line.by_kind[kind].n == ready.n for line in table.lines)
        assert sum(line.by_kind[kind].mean for line in table.lines) == pytest.approx(ready.mean, abs=1e-9)
        assert sum(table.share(line, kind) for line in table.lines) == pytest.approx(1)


@given(run_lists())
def test_runs_that_do_not_count_are_counted_and_nothing_else(runs: list[Run]) -> None:
    table = phase_table(runs, KINDS)
    for kind in KINDS:
        assert table.left_out[kind] == sum(run.kind == kind and not run.counts for run in runs)
        assert (kind in table.ready) == any(run.kind == kind and run.counts for run in runs)
    assert len({(line.phase, line.process) for line in table.lines}) == len(table.lines)


@given(run_lists(), st.floats(0, 1))
def test_small_lines_are_merged_without_loss_and_what_nothing_explains_never_is(runs: list[Run], below: float) -> None:
    table = phase_table(runs, KINDS)
    shown, small = merged(table, below)
    assert sorted([*shown, *small], key=table.lines.index) == list(table.lines)
    assert not any(line.phase == "unattributed" for line in small)
    assert all(table.share(line, kind) < below for line in small for kind in table.ready)


def test_the_longest_phase_comes_first_and_unattributed_last() -> None:
    by_process = {"main": {"config": 1.0, "unattributed": 9.0}, "engine": {"config": 2.0, "unattributed": 3.0}}
    table = phase_table([make_run("1", ready_s=15.0, phases_by_process=by_process)], KINDS)
    assert [(line.phase, line.process) for line in table.lines] == [
        ("config", "engine"),
        ("config", "main"),
        ("unattributed", "main"),
        ("unattributed", "engine"),
    ]


def test_a_phase_that_a_run_does_not_state_took_no_time_in_it() -> None:
    runs = [
        make_run("1", ready_s=3.0, phases_by_process={"main": {"config": 3.0}}),
        make_run("2", ready_s=5.0, phases_by_process={"main": {"config": 3.0, "warmup": 2.0}}),
    ]
    found = {line.phase: line.by_kind["measured"].mean for line in phase_table(runs, KINDS).lines}
    assert found == {"config": 3.0, "warmup": 1.0}
