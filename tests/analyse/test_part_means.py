"""Parts of a phase over the starts of a case: means, captured sizes, and the rate of copies from host memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.dataset import CaseData, Repeat
from harness.analyse.part_means import MeanPart, copy_rate, cumulated, mean_parts, sizes
from harness.analyse.parts import OTHER, Part

COPY = "copy cpu to cuda"


def mean(name: str, seconds: float, copied: float | None = None) -> MeanPart:
    return MeanPart(name, seconds, 2, copied, 3)


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


@pytest.mark.parametrize(("name", "rate"), [(COPY, 2e9), ("copy cpu to cpu", 2e9)])
def test_a_copy_from_host_memory_has_a_rate(name: str, rate: float):
    assert mean(name, 0.5, 1e9).bytes_per_s == rate


@pytest.mark.parametrize("name", ["copy cuda to cuda", "copy ? to cuda", "copy ?", "stream", "copy cuda to cpu", "512"])
def test_what_is_only_started_or_is_no_such_copy_has_no_rate(name: str):
    assert mean(name, 0.5, 1e9).bytes_per_s is None


@given(seconds=st.floats(1e-6, 1e3), copied=st.integers(1, 10**13), more=st.integers(1, 10**13))
def test_the_rate_of_a_case_is_that_of_its_copies_from_host_memory_together(seconds: float, copied: int, more: int):
    parts = [mean(COPY, seconds, copied), mean("copy cuda to cuda", 1e-9, more), mean(OTHER, 5.0)]
    assert copy_rate(parts) == pytest.approx(copied / seconds)
    both = [*parts, mean("copy cpu to cpu", seconds, more)]
    assert copy_rate(both) == pytest.approx((copied + more) / (2 * seconds))
    assert copy_rate(parts[1:]) is None
    assert copy_rate([mean(COPY, 0.0, copied)]) is None


def test_sizes_are_the_numbers_of_graph_capture_and_of_no_other_phase():
    parts = (mean("8192", 2.0), mean("8", 0.5), mean(OTHER, 1.0))
    assert sizes("graph_capturing", parts) == [(8, 0.5), (8192, 2.0)]
    for quantity in ("kv_cache_profiling", "warmup", "init_engine"):
        assert sizes(quantity, parts) == []
