"""Steps of a start over releases: from spans, or from what a log states, and never more than there was."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.dataset import CaseData, Repeat, Side
from harness.analyse.phases import LEAVES, UNATTRIBUTED
from harness.analyse.releases import (
    COMPILE,
    IMPORTS,
    INIT,
    LOADING,
    OTHER,
    UNSTATED,
    WARM_UP,
    Release,
    by_source,
    releases,
)

MODEL = "opt-6.7b"
# What this log of vLLM 0.31.0 on a CPU states.
CPU_LOG = {"worker_init": 9.0, "framework_bootstrap": 9.0, "load_weights": 0.5, "init_engine": 17.0}
CUDA_LOG = {
    "get_model_info": 0.1,
    "worker_init": 2.0,
    "framework_bootstrap": 3.8,
    "load_weights": 2.7,
    "model_loading": 2.8,
    "dynamo_transform_time": 1.9,
    "torch.compile": 1.9,
    "graph_compile_cached": 1.5,
    "graph_capturing": 2.0,
    "init_engine": 7.6,
}
SECONDS = st.floats(0, 1e4, allow_nan=False)


def untraced(version: str, ready_s: float, log: dict[str, float]) -> CaseData:
    """One measured start of an unpatched release, after a warm-up."""
    starts = (Repeat(kind, kind, {UNATTRIBUTED: ready_s}, log) for kind in ("warmup", "measured"))
    return CaseData(MODEL, True, {}, {}, tuple(starts), version)


def traced(version: str, span: dict[str, float]) -> CaseData:
    return CaseData(MODEL, True, {}, {}, (Repeat("measured", "1", span, {}),), version)


def side(*cases: CaseData, gaps: tuple[tuple[str, str], ...] = ()) -> Side:
    return Side("node0", "mine", "a machine", cases, (), gaps)


def only(case: CaseData) -> Release:
    (found,) = releases(side(case), MODEL)
    return found


def test_a_log_that_states_engine_initialisation_alone_does_not_tell_compilation_from_it() -> None:
    found = only(untraced("0.31.0", 40.0, CPU_LOG))
    assert found.source == "log"
    assert found.steps == pytest.approx({IMPORTS: 9.0, LOADING: 0.5, INIT: 17.0, UNSTATED: 13.5})


def test_a_log_that_states_compilation_has_it_as_a_step_of_its_own() -> None:
    steps = only(untraced("0.11.0", 24.0, CUDA_LOG)).steps
    assert steps == pytest.approx({IMPORTS: 3.8, LOADING: 2.8, COMPILE: 3.4, WARM_UP: 4.2, UNSTATED: 9.8})


def test_intervals_that_lie_inside_a_worker_s_start_are_not_counted_twice() -> None:
    # vLLM 0.30.0 on a CPU: the worker's own lines bound the first two.
    inside = {"detect_platform": 0.2, "llm_imports": 8.0, "framework_bootstrap": 17.2}
    assert only(untraced("0.30.0", 40.0, CPU_LOG | inside)).steps[IMPORTS] == 9.0


def test_an_old_log_that_states_graph_capturing_alone_leaves_the_rest_unstated() -> None:
    assert only(untraced("0.3.1", 8.0, {"graph_capturing": 2.0})).steps == {WARM_UP: 2.0, UNSTATED: 6.0}


def test_a_log_that_states_nothing_is_one_unstated_block() -> None:
    assert only(untraced("0.4.0", 8.0, {"actual_total_time": 9.0})).steps == {UNSTATED: 8.0}


def test_a_log_that_states_more_than_the_start_took_is_not_believed() -> None:
    assert only(untraced("0.31.0", 20.0, CPU_LOG)).steps == {UNSTATED: 20.0}
    more_compiled = CUDA_LOG | {"torch.compile": 30.0}
    assert only(untraced("0.11.0", 50.0, more_compiled)).steps == {UNSTATED: 50.0}


def test_a_pin_s_steps_are_its_spans() -> None:
    span = {"imports:main": 4.0, "load_weights": 1.0, "aot_autograd": 2.0, "warmup": 0.5, "renderer": 0.25}
    found = only(traced("0.32.0", {**span, UNATTRIBUTED: 0.25}))
    assert found.source == "span"
    assert found.steps == {IMPORTS: 4.0, LOADING: 1.0, COMPILE: 2.0, WARM_UP: 0.5, OTHER: 0.5}


def test_beside_a_log_that_does_not_tell_compilation_apart_no_release_does() -> None:
    pin = traced("0.32.0", {"imports:main": 4.0, "aot_autograd": 2.0, "warmup": 0.5})
    with_log, with_spans = releases(side(pin, untraced("0.31.0", 40.0, CPU_LOG)), MODEL)
    assert (with_log.version, with_spans.steps) == ("0.31.0", {IMPORTS: 4.0, INIT: 2.5})
    assert by_source([with_log, with_spans], "log") == ["0.31.0"]
    assert by_source([with_log, with_spans], "span") == ["0.32.0"]


def test_warm_ups_are_in_no_step() -> None:
    uncached = Repeat("warmup", "warmup-0", {"aot_autograd": 50.0})
    pin = traced("0.32.0", {"imports:main": 4.0})
    case = CaseData(MODEL, True, {}, {}, (uncached, *pin.repeats), "0.32.0")
    assert only(case).steps == {IMPORTS: 4.0}


def test_a_gap_stands_in_its_place_and_gives_way_to_a_bar() -> None:
    gaps = (("0.12.0", "not installed: no network"), ("0.9.0", "start failed"), ("0.32.0", "another model failed"))
    found = releases(side(traced("0.32.0", {"warmup": 1.0}), traced("0.11.0", {"warmup": 1.0}), gaps=gaps), MODEL)
    assert [(release.version, release.gap) for release in found] == [
        ("0.9.0", "start failed"),
        ("0.11.0", None),
        ("0.12.0", "not installed: no network"),
        ("0.32.0", None),
    ]


@given(st.dictionaries(st.sampled_from([*CUDA_LOG, "kv_cache_profiling", "model_init"]), SECONDS), SECONDS)
def test_the_steps_of_any_log_sum_to_the_start(log: dict[str, float], ready_s: float) -> None:
    steps = only(untraced("0.11.0", ready_s, log)).steps
    assert math.isclose(sum(steps.values()), ready_s, rel_tol=1e-9, abs_tol=1e-9)
    assert all(seconds > 0 for seconds in steps.values())


@given(st.dictionaries(st.sampled_from([*LEAVES, "imports:worker", UNATTRIBUTED]), SECONDS, min_size=2))
def test_the_steps_of_any_spans_sum_to_the_start(span: dict[str, float]) -> None:
    steps = only(traced("0.32.0", span)).steps
    assert math.isclose(sum(steps.values()), sum(span.values()), rel_tol=1e-9, abs_tol=1e-9)
