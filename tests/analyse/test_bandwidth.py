"""Achieved ÷ possible bandwidth: paired with the probe of the same start, and what a certificate may say of it."""

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.analyse.bandwidth import bandwidth
from harness.analyse.dataset import MEASURED, WARMUP, CaseData, Loading, Repeat, side_of_slot
from harness.record.slot import Slot
from tests.storage_slot import GB, storage_slot

RATE = st.floats(1e5, 1e11)


def case(*starts: tuple[float, float | None], weight_bytes: int = GB, kind: str = MEASURED) -> CaseData:
    """Starts that load at a rate, each with what its probe found, in bytes per second."""
    repeats = tuple(
        Repeat(kind, str(at), {"load_weights": weight_bytes / rate}, loading=Loading(weight_bytes, None, probe, True))
        for at, (rate, probe) in enumerate(starts)
    )
    return CaseData("m", True, {}, {}, repeats)


def read(certificate: Any) -> Loading | None:
    """What a side knows of a start with this storage certificate."""
    rows, manifest = storage_slot("case1", "ssd", starts=1)
    (run,) = (run["run_id"] for run in manifest["runs"] if run["kind"] == MEASURED)
    manifest["certificates"][run] = certificate
    (found,) = side_of_slot(Slot(tuple(rows), manifest), "mine", "a machine").cases
    (repeat,) = (repeat for repeat in found.repeats if repeat.kind == MEASURED)
    return repeat.loading


def test_a_disk_that_is_slower_for_one_start_changes_its_rate_and_not_its_share() -> None:
    found = bandwidth(case((0.8e9, 1e9), (0.4e9, 0.5e9), (1.6e9, 2e9)))
    assert found
    assert found.share
    assert found.share.value == pytest.approx(0.8)
    assert found.share.interval == pytest.approx((0.8, 0.8))
    assert found.achieved.interval
    assert found.achieved.interval[1] > 3 * found.achieved.interval[0]


@given(st.lists(st.tuples(RATE, RATE), min_size=2, max_size=6))
def test_the_share_is_the_quotient_of_the_rates_beside_it_and_its_inverse_has_the_inverse_interval(
    starts: list[tuple[float, float]],
) -> None:
    found, inverse = bandwidth(case(*starts)), bandwidth(case(*((probe, rate) for rate, probe in starts)))
    assert found
    assert found.possible
    assert found.share
    assert found.share.value == pytest.approx(found.achieved.value / found.possible.value)
    assert inverse
    assert inverse.share
    assert inverse.share.value == pytest.approx(1 / found.share.value)
    assert found.share.interval
    assert inverse.share.interval
    low, high = found.share.interval
    assert 0 < low <= found.share.value * (1 + 1e-9)
    assert inverse.share.interval == pytest.approx((1 / high, 1 / low), rel=1e-6)


def test_the_interval_is_students_of_the_logarithms() -> None:
    rng = random.Random(3)
    starts = [(0.8e9 * rng.gauss(1, 0.1), 1e9 * rng.gauss(1, 0.1)) for _ in range(5)]
    expected = stats.ttest_1samp([math.log(rate / probe) for rate, probe in starts], 0).confidence_interval(0.95)
    found = bandwidth(case(*starts))
    assert found
    assert found.share
    assert found.share.interval == pytest.approx((math.exp(expected.low), math.exp(expected.high)))


def test_without_a_probe_there_is_a_rate_and_no_share_and_a_warm_up_has_neither() -> None:
    found = bandwidth(case((4e9, None), (4e9, None)))
    assert found
    assert found.achieved.value == pytest.approx(4e9)
    assert (found.possible, found.share, found.read) == (None, None, None)
    assert bandwidth(case((1e9, 1e9), kind=WARMUP)) is None


def test_a_probe_of_some_starts_is_compared_with_these_starts() -> None:
    found = bandwidth(case((0.5e9, 1e9), (0.9e9, None)))
    assert found
    assert found.share
    assert (found.achieved.n, found.share.n) == (2, 1)
    assert found.share.value == pytest.approx(0.5)
    assert found.share.interval is None


def test_a_start_that_took_no_time_to_load_has_no_rate() -> None:
    loading = Loading(GB, GB, 1e9, True)
    starts = (Repeat(MEASURED, "1", {"load_weights": 0.0}, loading=loading), Repeat(MEASURED, "2", {}, loading=loading))
    assert bandwidth(CaseData("m", True, {}, {}, starts)) is None


def test_what_a_slot_s_certificates_say_is_what_was_measured() -> None:
    rows, manifest = storage_slot("case1", "ssd", weight_bytes=2 * GB, rate=0.8e9, disk=1e9)
    (found,) = side_of_slot(Slot(tuple(rows), manifest), "mine", "a machine").cases
    told = bandwidth(found)
    assert told
    assert told.share
    assert told.share.interval
    assert told.share.interval[0] < 0.8 < told.share.interval[1]
    assert (told.weight_bytes, told.achieved.n, told.read) == (2 * GB, 5, (1.0, 1.0))


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"weight_bytes": 7, "holds": True}, Loading(7, None, None, True)),
        ({"weight_bytes": 7, "holds": 1}, Loading(7, None, None, False)),
        ({"weight_bytes": 7, "read_bytes": {"load": -1}, "probe_bytes_per_s": -2.0}, Loading(7, None, None, False)),
        ({"weight_bytes": 7, "read_bytes": [7], "probe_bytes_per_s": True}, Loading(7, None, None, False)),
        ({"weight_bytes": 7, "probe_bytes_per_s": 1e300}, Loading(7, None, None, False)),
        ({"weight_bytes": 7, "probe_bytes_per_s": float("nan")}, Loading(7, None, None, False)),
        ({"weight_bytes": 7.0}, None),
        ({"weight_bytes": 0}, None),
        ("resident", None),
    ],
)
def test_what_a_certificate_from_elsewhere_cannot_mean_is_not_told(part: Any, expected: Loading | None) -> None:
    assert read({"storage": part}) == expected
    assert read(part) is None
