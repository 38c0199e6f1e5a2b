"""The numbers of the check of a GPU machine say what was reached, what was not, and what could not be told."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.gpu_check import numbers_of, rate_of
from harness.record.gpu_check import CheckedStart, Copy, Number
from harness.spec.gpu_check import load_gpu_check

TARGETS = load_gpu_check().targets
GB = 1_000_000_000
START = CheckedStart(
    figure="9",
    slot="node0",
    case="a-case-0123abcd",
    run_id="s1/1",
    kind="measured",
    model="llama2-7b-hf",
    twin=True,
    status="ok",
    counts=True,
    reason=None,
    ready_s=30.0,
    first_token_s=0.1,
    unattributed_s=0.03,
    hook_s=0.1,
    tensor_bytes=7 * GB,
    captured_sizes=10,
    phases={"graph_capturing": 1.0, "load_weights": 0.5},
    parts=(),
    marks=(),
)


def capture(*points: tuple[int, float]) -> list[CheckedStart]:
    """Starts that captured so many sizes in so many seconds."""
    return [replace(START, captured_sizes=size, phases={"graph_capturing": s}) for size, s in points]


def loads(*seconds: float, **changed: Any) -> list[CheckedStart]:
    """Starts from memory that loaded 7 GB in so many seconds each."""
    return [replace(START, figure="13", slot="case0", phases={"load_weights": s}, **changed) for s in seconds]


def number(name: str, starts: list[CheckedStart], copies: tuple[Copy, ...] = ()) -> Number:
    return next(each for each in numbers_of(starts, copies, TARGETS, "9", ("13", "case0")) if each.name == name)


def test_without_starts_no_number_is_told_and_none_is_met() -> None:
    assert [(each.value, each.met) for each in numbers_of([], (), TARGETS, "9", ("13", "case0"))] == [(None, None)] * 4


def test_the_start_that_is_worst_by_its_own_bound_is_the_one_that_is_named() -> None:
    short = replace(START, run_id="s1/2", ready_s=10.0, unattributed_s=0.051)  # bound 0.050
    long = replace(START, run_id="s1/3", ready_s=100.0, unattributed_s=0.09)  # bound 0.100
    found = number("unattributed", [START, short, long])
    assert (found.value, found.met) == (0.051, False)
    assert "s1/2" in found.why
    assert number("unattributed", [START, long]).met


@pytest.mark.parametrize("changed", [{"counts": False}, {"kind": "warmup"}])
def test_warm_ups_and_starts_that_do_not_count_are_in_no_number(changed: dict[str, Any]) -> None:
    left_out = replace(START, unattributed_s=9.0, hook_s=9.0, **changed)
    assert number("unattributed", [START, left_out]).value == 0.03
    assert number("hook cost", [START, left_out]).value == pytest.approx(0.1 / 30)


def test_hooks_that_take_more_than_their_share_are_told() -> None:
    assert number("hook cost", [START]).met
    assert number("hook cost", [replace(START, hook_s=0.16)]).met is False


def test_capture_that_grows_with_the_number_of_sizes_is_linear_and_its_slope_is_told() -> None:
    found = number("graph capture", capture((3, 0.3), (30, 3.0), (30, 3.0), (60, 6.0)))
    assert found.value == pytest.approx(1.0)
    assert found.met
    assert "100.0 ms a size" in found.why
    assert number("graph capture", capture((3, 0.3), (30, 9.0), (60, 6.0))).met is False


def test_graphs_that_were_captured_twice_are_told_beside_the_sizes_that_were_asked_for() -> None:
    def graphs(start: CheckedStart, calls: int) -> CheckedStart:
        row = {"phase": "graph_capturing", "part": "8", "quantity": "calls", "value": calls}
        seconds = {**row, "quantity": "seconds", "value": 0.5}
        other = {**row, "part": "other"}
        return replace(start, parts=(row, seconds, {**other, "value": 99}, {**seconds, **other, "quantity": "seconds"}))

    starts = capture((3, 0.6), (30, 6.0), (60, 9.0))
    found = number("graph capture", [graphs(start, calls) for start, calls in zip(starts, (6, 60, 90), strict=True)])
    assert found.value is not None
    assert found.value < 0.99
    assert "against captured graphs R² 1.0000, 100.0 ms a graph" in found.why


def test_a_line_needs_three_numbers_of_sizes() -> None:
    found = number("graph capture", capture((3, 0.3), (60, 6.0), (60, 6.1)))
    assert (found.value, found.met) == (None, None)
    assert "2 numbers of sizes" in found.why


def test_loading_is_held_against_the_largest_copies_from_pinned_memory() -> None:
    copies = (Copy("pinned", 1024, 1.0), Copy("pinned", 20 * GB, 1.0), Copy("pageable", 20 * GB, 4.0))
    found = number("weight loading", loads(0.5, 0.5), copies)  # 14 GB/s
    assert found.value == pytest.approx(0.7)
    assert found.met
    assert "pageable 5.00 GB/s" in found.why
    assert number("weight loading", loads(0.51, 0.51), copies).met is False


def test_loading_without_pinned_copies_has_a_rate_but_no_verdict() -> None:
    found = number("weight loading", loads(0.5), (Copy("mapped", GB, 1.0),))
    assert (found.value, found.met) == (None, None)
    assert "14.00 GB/s" in found.why


def test_what_loading_was_made_of_is_the_reason_that_is_given() -> None:
    rows = tuple(
        {"phase": "load_weights", "part": part, "quantity": quantity, "value": value}
        for part, quantity, value in (("copy cpu to cuda", "seconds", 0.4), ("copy cpu to cuda", "bytes", 7e9))
    )
    found = number("weight loading", loads(0.5, 0.5, parts=rows), (Copy("pinned", GB, 0.05),))
    assert "of it copy cpu to cuda 0.40 s; copy cpu to cuda 17.50 GB/s" in found.why


@given(st.lists(st.tuples(st.sampled_from([1, 2, 4]), st.floats(0.001, 10)), min_size=1))
def test_a_rate_lies_between_the_slowest_and_the_fastest_of_the_largest_copies(copies: list[tuple[int, float]]) -> None:
    made = [Copy("pinned", size * GB, seconds) for size, seconds in copies]
    largest = max(copy.bytes for copy in made)
    rates = [copy.bytes / copy.seconds for copy in made if copy.bytes == largest]
    found = rate_of(made, "pinned")
    assert found is not None
    assert min(rates) <= found <= max(rates)
    assert rate_of(made, "mapped") is None
