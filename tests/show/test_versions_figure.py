import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.show.versions import draw, releases
from tests.recorded_sides import recorded_versions
from tests.show.column_sides import case, data, printed, side
from tests.show.test_startup_figure import assert_readable, words

# Claims f1-rise and f1-fall.
CLAIMED = {
    "0.3.1": 8.17,
    "0.4.0": 8.27,
    "0.5.0": 9.82,
    "0.6.0": 14.36,
    "0.7.0": 20.12,
    "0.8.0": 33.98,
    "0.9.0": 34.77,
    "0.10.0": 19.19,
    "0.11.0": 13.61,
}
MODEL = "opt-6.7b"


def test_the_recorded_starts_are_the_papers_in_the_order_of_release() -> None:
    found = releases(recorded_versions(), MODEL)
    assert [(release.version, release.seconds.mean) for release in found] == list(CLAIMED.items())
    assert [release.version for release in found if release.doubtful] == ["0.7.0"]
    assert round(CLAIMED["0.9.0"] / CLAIMED["0.3.1"], 3) == 4.256
    table = printed(draw(data("1", recorded_versions()))[1])
    assert "4.256" in table
    assert "0.7.0 (log is a copy)" in table


def test_the_papers_release_without_evidence_has_a_look_and_a_footnote_of_its_own() -> None:
    figure, _ = draw(data("1", recorded_versions()))
    assert_readable(figure)
    said = words(figure)
    assert "0.7.0*" in said
    assert "copy of the log of 0.6.0" in said
    assert "n=1 start each, so no interval" in said
    hatches = [patch.get_hatch() for axes in figure.axes[1:] for patch in axes.patches]
    assert len(hatches) == 9
    assert hatches.count(hatches[4]) == 1


def test_an_own_release_of_that_number_is_not_doubted() -> None:
    (found,) = releases(side(case(MODEL, engine="0.7.0")), MODEL)
    assert not found.doubtful
    assert found.seconds.n == 5


@pytest.mark.parametrize("engines", [["0.32.0"], ["0.31.0", "0.32.0"], [f"0.{minor}.0" for minor in range(20, 33)], []])
def test_own_releases_are_drawn_readably(engines: list[str]) -> None:
    cases = [case(MODEL, 1 + at / 9, engine=engine) for at, engine in enumerate(engines)] or [case(MODEL, n=0)]
    figure, _ = draw(data("1", side(*cases), side(*cases, slot="node1", whose="merged")))
    assert_readable(figure)


@given(st.permutations(["0.9.0", "0.10.0", "0.10.1.1", "0.11.0rc1", "0.11.0", "of-my-own"]))
def test_releases_are_in_order_of_their_numbers_and_builds_without_one_last(engines: list[str]) -> None:
    found = releases(side(*(case(MODEL, n=1, engine=engine) for engine in engines)), MODEL)
    assert [release.version for release in found] == [
        "0.9.0",
        "0.10.0",
        "0.10.1.1",
        "0.11.0rc1",
        "0.11.0",
        "of-my-own",
    ]
