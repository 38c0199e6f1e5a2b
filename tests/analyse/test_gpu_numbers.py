"""Numbers of a start on a GPU, each against one worked out by hand."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.dataset import CaseData, Repeat
from harness.analyse.gpu_numbers import (
    attributed_share,
    capture_line,
    capture_points,
    hook_share,
    load_rate,
    size_line,
)
from harness.analyse.part_means import MeanPart, cumulated, mean_parts
from harness.analyse.parts import OTHER, Part
from harness.analyse.points import Point
from harness.analyse.stats import summarise
from tests.synthetic_run import make_run

COPY = "copy cpu to cuda"


def test_the_rate_is_of_the_copies_to_the_gpu_alone():
    parts = [
        Part("load_weights", COPY, 0.5, 10, 2_000_000_000),
        Part("weight_postprocess", COPY, 0.5, 1, 1_000_000_000),
        Part("load_weights", "copy cpu to cpu", 9.0, 10, 5_000_000_000),
        Part("load_weights", OTHER, 3.0),
    ]
    assert load_rate(parts) == pytest.approx(3e9)
    assert load_rate(parts, "copy cpu to cpu") == pytest.approx(5e9 / 9)
    assert load_rate(parts[3:]) is None
    assert load_rate([Part("load_weights", COPY, 0.0, 1, 100)]) is None


def test_shares_are_of_the_whole_start_and_absent_without_spans():
    run = make_run(ready_s=20.0, unattributed_s=0.5, tracer={"self_s": 0.2, "processes": 3})
    assert attributed_share(run) == pytest.approx(0.975)
    assert hook_share(run) == pytest.approx(0.01)
    untraced = replace(run, tracer={"self_s": 0.0, "processes": 0})
    assert attributed_share(untraced) is None
    assert hook_share(untraced) is None
    failed = replace(run, ready_s=None, unattributed_s=None)
    assert attributed_share(failed) is None
    assert hook_share(failed) is None


@given(
    slope=st.floats(0.01, 1),
    intercept=st.floats(0, 5),
    sizes=st.lists(st.integers(1, 500), min_size=3, max_size=20, unique=True),
)
def test_captures_that_grow_evenly_are_a_line(slope: float, intercept: float, sizes: list[int]):
    line = capture_line([(size, intercept + slope * size) for size in sizes])
    assert line is not None
    assert line.slope == pytest.approx(slope, rel=1e-6)
    assert line.r2 == pytest.approx(1, abs=1e-9)


def case(number: float, *seconds: float, **more: Any) -> CaseData:
    repeats = [Repeat("measured", str(n), {"graph_capturing": each}) for n, each in enumerate(seconds)]
    return CaseData("m", False, {}, {"captured_sizes": number}, (*repeats, Repeat("warmup", "w", {})), **more)


def test_points_are_means_over_measured_starts_and_two_are_no_line():
    points = capture_points([case(20, 2.0, 3.0), case(3, 1.0), CaseData("x", False, {}, {}, ())])
    assert points == [(3, 1.0), (20, 2.5)]
    assert capture_line(points) is None


def test_the_captures_of_one_case_have_a_line_over_their_sizes():
    parts = tuple(MeanPart(str(size), 0.01 + 0.001 * size, 2, None, 3) for size in (8, 64, 512))
    seconds = summarise([1.0])
    assert seconds is not None
    point = Point("m", "m", 1.0, seconds, "spans", False, False, False, (*parts, MeanPart(OTHER, 5.0, None, None, 3)))
    line = size_line(point)
    assert line is not None
    assert (line.n, line.slope, line.intercept) == (3, pytest.approx(0.001), pytest.approx(0.01))
    assert size_line(replace(point, parts=())) is None


def test_a_part_that_a_start_does_not_have_took_no_time_in_it():
    def start(kind: str, *parts: Part) -> Repeat:
        return Repeat(kind, kind, {"load_weights": 1.0}, parts=parts)

    copied, opened = Part("load_weights", COPY, 0.4, 10, 100), Part("load_weights", "open", 0.2, 1)
    other = Part("load_weights", OTHER, 0.3)
    of_another = Part("warmup", "8", 0.7, 1)
    starts = (
        start("measured", copied, other, of_another),
        start("measured", opened, other),
        start("warmup", opened),
        start("measured"),  # of an older version: it tells none
    )
    found = mean_parts(CaseData("m", False, {}, {}, starts), "load_weights")
    assert found == (
        MeanPart(COPY, 0.2, 10, 100, 2),
        MeanPart("open", 0.1, 1, None, 2),
        MeanPart(OTHER, 0.3, None, None, 2),
    )
    assert found[0].bytes_per_s == 500
    assert mean_parts(CaseData("m", False, {}, {}, starts), "model_loading") == found
    assert cumulated([(1, 0.5), (2, 0.25)]) == [(1, 0.5), (2, 0.75)]
