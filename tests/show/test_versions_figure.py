from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.dataset import Side
from harness.analyse.releases import releases
from harness.show.versions import draw
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


def with_gaps(shown: Side, *gaps: tuple[str, str]) -> Side:
    return replace(shown, gaps=gaps)


def test_a_gap_is_an_empty_place_with_a_mark_and_its_reason() -> None:
    shown = with_gaps(side(case(MODEL, engine="0.32.0")), ("0.12.0", "not installed: no wheel"), ("0.9.0", "timeout"))
    figure, notes = draw(data("1", shown))
    assert_readable(figure)
    said = words(figure)
    assert "× 0.9.0: timeout. × 0.12.0: not installed: no wheel." in said
    (axes,) = figure.axes[1:]
    assert [text.get_text() for text in axes.texts if text.get_text() == "×"] == ["×"] * 2
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.9.0", "0.12.0", "0.32.0"]
    assert {round(patch.get_x() + 0.35) for patch in axes.patches} == {2}
    assert "0.12.0: no start to show; not installed: no wheel" in printed(notes)


def test_gaps_alone_are_said_without_a_drawing() -> None:
    shown = with_gaps(side(case(MODEL, n=0, engine="0.32.0")), ("0.32.0", "start failed: it broke"))
    figure, _ = draw(data("1", shown))
    assert_readable(figure)
    assert "no measured start counts. 0.32.0: start failed: it broke." in words(figure)


def test_a_long_reason_does_not_push_the_rest_off_the_page() -> None:
    shown = with_gaps(side(case(MODEL)), ("0.9.0", "ERROR " * 500), ("0.10.0", "\x1b[2J\n\u202e"))
    figure, _ = draw(data("1", shown))
    assert_readable(figure)
    assert figure.get_figheight() < 5


def test_the_steps_of_a_bar_add_up_to_it_and_stand_in_the_key() -> None:
    figure, notes = draw(data("1", side(case(MODEL, engine="0.32.0"), case(MODEL, 1.2, engine="0.33.0"))))
    _, axes = figure.axes
    said = words(figure)
    for step in ("processes, imports, configuration", "model loading", "compilation", "KV cache, warm-up, capture"):
        assert step in said
    assert "Steps of 0.32.0, 0.33.0 by spans." in said
    (mean, _) = (release.seconds.mean for release in releases(side(case(MODEL)), MODEL) * 2 if release.seconds)
    first = [patch for patch in axes.patches if round(patch.get_x() + 0.35) == 0]
    assert len(first) == 5
    assert sum(patch.get_height() for patch in first) == pytest.approx(mean)
    assert len({patch.get_hatch() for patch in first}) == 5  # told apart without colours
    assert "compile" in printed(notes)


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
