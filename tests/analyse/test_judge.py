"""The rules of a verdict, on claims and data made for it."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.dataset import CaseData, Repeat, Side
from harness.analyse.evidence import Device, Evidence, Here, Origin
from harness.analyse.judge import judge
from harness.analyse.judged import Judged, Verdict
from harness.analyse.weigh import weigh
from harness.spec.claims import Claim
from harness.spec.figure import load_figure
from harness.workspace import Workspace
from tests.claims_evidence import CLAIMS

STRENGTH: dict[Verdict, int] = {"contradicted": 0, "inconclusive": 1, "same shape": 2, "reproduced": 3}
FIGURE = load_figure("2", Workspace())


def claim(**changes: object) -> Claim:
    """Seconds of one quantity of figure 2: 10 ± 1, and 5 to 20 for the same shape."""
    fields: dict[str, object] = {
        "id": "made",
        "figure": "2",
        "statement": "It takes ten seconds.",
        "quantity": "seconds",
        "kind": "value",
        "unit": "s",
        "estimate": {"by": "total", "quantities": ["worker_init"]},
        "paper": 10,
        "tolerance": {"low": 9, "high": 11},
        "shape": {"low": 5, "high": 20},
        "portable": "shape",
        "why": "",
        "origin": "paper figure",
    }
    return Claim.model_validate({name: value for name, value in (fields | changes).items() if value is not None})


def evidence(
    values: Sequence[float], twin: bool = False, device: Device = "cuda", papers_machine: bool = False
) -> Evidence:
    repeats = tuple(Repeat("measured", str(at + 1), {}, {"worker_init": value}) for at, value in enumerate(values))
    side = Side("node0", "mine", "a machine", (CaseData("llama3-3b", twin, {}, {}, repeats),))
    return Evidence({"2": FIGURE}, {"2": {"node0": side}}, {("2", "node0"): Origin(device, papers_machine, "node-a")})


def judged(values: Sequence[float], wanted: Claim | None = None, **origin: object) -> Judged:
    return judge(wanted or claim(), evidence(values, **origin), Here("cuda"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([10.0, 10.1, 9.9], "reproduced"),
        ([14.0, 14.1, 13.9], "same shape"),
        ([30.0, 30.1, 29.9], "contradicted"),
        (
            [8.0, 10.0, 12.0],
            "same shape",
        ),  # the point is right, but the interval from 5.03 to 14.97 shows only the shape
        ([7.5, 10.0, 12.5], "inconclusive"),  # and this one, from 3.8 to 16.2, not even that
        ([8.5, 9.0, 4.6], "inconclusive"),  # within the shape, but the interval is not: no reach is allowed beyond it
        ([13.0, 20.0, 24.0], "inconclusive"),  # nothing to say whether it is the same finding
        ([10.8, 11.2, 10.9], "reproduced"),  # the interval reaches out by less than a tolerance width
    ],
)
def test_a_verdict_is_by_the_point_and_the_reach_of_its_interval(values: list[float], verdict: str) -> None:
    assert judged(values).verdict == verdict


def test_a_value_outside_the_tolerance_is_a_contradiction_where_the_claim_is_exact() -> None:
    exact = claim(portable="exact", shape=None)
    assert judged([14.0, 14.1, 13.9], exact).verdict == "contradicted"
    assert judged([11.5, 10.9, 11.3], exact).verdict == "inconclusive"


def test_a_twin_yields_at_most_the_same_shape() -> None:
    found = judged([10.0, 10.1, 9.9], twin=True)
    assert found.verdict == "same shape"
    assert any("twin" in flag for flag in found.flags)
    assert judged([30.0, 30.1, 29.9], twin=True).verdict == "contradicted"


def test_a_cpu_engine_yields_at_most_the_same_shape() -> None:
    assert judged([10.0, 10.1, 9.9], device="cpu").verdict == "same shape"


def test_an_exact_claim_is_at_most_the_same_shape_on_a_twin_and_within_its_tolerance() -> None:
    exact = claim(portable="exact", shape=None)
    assert judged([10.0, 10.1, 9.9], exact, twin=True).verdict == "same shape"
    assert judged([14.0, 14.1, 13.9], exact, twin=True).verdict == "contradicted"


def test_what_rests_on_weights_is_not_run_on_a_twin() -> None:
    found = judged([10.0, 10.1, 9.9], claim(rests_on=["weights"]), twin=True)
    assert (found.verdict, found.mine, found.reason.split(":")[0]) == ("not run", None, "twin")


@pytest.mark.parametrize("basis", ["gpu", "graphs"])
def test_what_rests_on_a_gpu_is_not_run_on_a_cpu_engine(basis: str) -> None:
    found = judged([10.0, 10.1, 9.9], claim(rests_on=[basis]), device="cpu")
    assert (found.verdict, found.reason.split(":")[0]) == ("not run", "no GPU")


def test_a_claim_about_the_papers_machine_is_not_run_on_another_one() -> None:
    theirs = claim(portable="no", shape=None)
    assert judged([10.0, 10.1, 9.9], theirs).verdict == "not run"
    assert judged([10.0, 10.1, 9.9], theirs, papers_machine=True).verdict == "reproduced"
    assert judged([30.0, 30.1, 29.9], theirs, papers_machine=True).verdict == "contradicted"


def test_a_claim_without_any_start_says_what_this_machine_lacks_first() -> None:
    empty = Evidence({"2": FIGURE}, {}, {})
    assert judge(claim(rests_on=["gpu"]), empty, Here("cpu")).reason.startswith("no GPU")
    assert judge(claim(), empty, Here("cpu")).reason == "figure 2 is not measured: bash run_figure.sh 2"


def test_a_claim_that_a_twin_could_not_decide_is_not_sent_to_be_measured() -> None:
    empty = Evidence({"2": FIGURE}, {}, {})
    assert judge(claim(rests_on=["weights"]), empty, Here("cpu")).reason.startswith("twin: ")
    with_weights = Here("cpu", frozenset(FIGURE.models))
    assert "bash run_figure.sh 2" in judge(claim(rests_on=["weights"]), empty, with_weights).reason


def test_damage_is_told_before_what_the_machine_lacks() -> None:
    damaged = Evidence({"2": FIGURE}, {}, {}, problems={"2": "figures/figure-2/node0/data.csv: damaged"})
    assert judge(claim(rests_on=["gpu"]), damaged, Here("cpu")).reason == "figures/figure-2/node0/data.csv: damaged"


def test_a_known_failure_is_reproduced_when_it_recurs() -> None:
    found = judged([10.0, 10.1, 9.9], claim(known_failure=True))
    assert found.verdict == "reproduced"
    assert "the known failure recurs" in found.reason


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=6))
def test_every_data_has_one_verdict_and_a_reproduced_one_is_within_its_bounds(values: list[float]) -> None:
    found = judged(values)
    assert found.mine == pytest.approx(sum(values) / len(values))
    if found.verdict in ("reproduced", "same shape"):
        bounds = found.claim.tolerance if found.verdict == "reproduced" else found.claim.shape
        assert bounds is not None
        assert bounds.holds(found.mine or 0)
    if found.verdict == "contradicted" and found.interval:
        assert found.interval[0] > 20 or found.interval[1] < 5
    assert (found.more_runs is None) or found.verdict == "inconclusive"


@given(st.lists(st.floats(1, 100), min_size=2, max_size=6), st.floats(1, 3))
def test_a_noisier_measurement_never_turns_into_a_clearer_verdict(values: list[float], factor: float) -> None:
    """Around the same mean, more spread can only make what was said uncertain."""
    mean = sum(values) / len(values)
    noisy = judged([mean + factor * (value - mean) for value in values]).verdict
    if (calm := judged(values).verdict) == "inconclusive":
        assert noisy in ("inconclusive", "same shape", "reproduced", "contradicted")
        assert noisy == "inconclusive" or factor == pytest.approx(1, abs=1e-6)
    elif calm == "contradicted":
        assert noisy in (calm, "inconclusive")
    else:
        assert STRENGTH[noisy] <= STRENGTH[calm]
        assert noisy != "contradicted"


# Of bounds that are open on one side, or as far on both sides of the paper's value.
@st.composite
def even_bounds(draw: st.DrawFn) -> Claim:
    tolerance, shape = draw(st.floats(0.1, 3)), draw(st.floats(3, 9))
    above = draw(st.booleans())
    bounds = [{"low": 10 - width, **({"high": 10 + width} if above else {})} for width in (tolerance, shape)]
    return claim(tolerance=bounds[0], shape=bounds[1])


@given(even_bounds(), st.floats(0, 12), st.floats(0, 12), st.floats(0, 12), st.booleans())
def test_of_two_intervals_of_one_width_the_nearer_one_never_has_the_weaker_verdict(
    wanted: Claim, one: float, other: float, half: float, has_interval: bool
) -> None:
    """Of points below the paper's value: above it, bounds that are open there are the safer the farther."""
    near, far = sorted((one, other))
    places = (
        weigh(wanted, 10 - off, (10 - off - half, 10 - off + half) if has_interval else None, False)
        for off in (near, far)
    )
    nearer, farther = (STRENGTH[found.verdict] for found in places)
    assert nearer >= farther


@pytest.mark.parametrize("point", [0.83, 0.81])
def test_within_the_tolerance_and_outside_it_an_interval_within_the_shape_is_the_same_finding(point: float) -> None:
    found = weigh(CLAIMS["f2-cpu-bound"], point, (point - 0.13, point + 0.13), shape_only=False)
    assert found.verdict == "same shape"


@pytest.mark.parametrize(
    ("name", "point", "interval"),
    [
        ("f13-total", 1.05, (0.55, 2.0)),
        ("f13-load", 1.2, (0.1, 14.0)),
        ("f1-fall-first", 0.8, (0.6, 1.14)),
        ("f3-slope", 0.006, (-0.02, 0.03)),
        ("f10-capture", 1.05, (0.9, 1.2)),
        ("f15-cache-gain", 1.6, (0.7, 3.6)),
    ],
)
def test_an_interval_that_holds_the_opposite_finding_is_not_the_same_shape(
    name: str, point: float, interval: tuple[float, float]
) -> None:
    assert weigh(CLAIMS[name], point, interval, shape_only=False).verdict == "inconclusive"


def test_one_start_outside_the_bounds_contradicts_nothing() -> None:
    found = judged([30.0])
    assert (found.verdict, found.n, found.interval) == ("inconclusive", 1, None)
    assert found.reason == "outside 5 to 20, which a point alone does not show; one start, no interval"
    assert judged([10.0]).verdict == "reproduced"
    assert judged([14.0]).verdict == "same shape"


def test_a_spread_over_repeats_has_no_interval_and_can_be_contradicted_all_the_same() -> None:
    fields = {"tolerance": {"high": 0.3}, "shape": {"high": 0.4}, "paper": 0.1, "unit": None}
    by = {"by": "repeat spread", "quantity": "worker_init", "reduce": "max", "figures": [{"figure": "2"}]}
    assert judged([10.0, 90.0, 10.0], claim(estimate=by, **fields)).verdict == "contradicted"


def test_the_repeats_asked_for_would_narrow_the_interval_enough() -> None:
    found = judged([7.5, 10.0, 12.5])
    assert found.more_runs is not None
    again = judged([7.5, 10.0, 12.5] * (1 + -(-found.more_runs // 3)))
    assert again.verdict in ("same shape", "reproduced")
    exact = judged([8.0, 10.0, 12.0], claim(portable="exact", shape=None))
    assert exact.more_runs is not None
    again = judged([8.0, 10.0, 12.0] * (1 + -(-exact.more_runs // 3)), claim(portable="exact", shape=None))
    assert again.verdict == "reproduced"


def test_a_hint_names_the_figure_whose_starts_are_lacking() -> None:
    elsewhere = CLAIMS["f4-warm-linear"]
    figures = {number: load_figure(number, Workspace()) for number in ("4", "13")}
    assert "download_models.py --figure 13" in judge(elsewhere, Evidence(figures, {}, {}), Here("cuda")).reason
