"""Which of a claim's points are measured, if not all."""

from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.deciding import Needs, Point
from harness.analyse.point_choice import cases_for, decided_by
from tests.deciding_starts import point, start


def picked(needs: Needs, wanted: int, have: tuple[str, ...] = (), shared: str = "") -> list[str]:
    """Of cases that take equally long; those in ``shared`` are of other claims, too."""
    seconds = dict.fromkeys("abcdefghijklmnop", 10.0)
    return cases_for(needs, have, wanted, lambda each: float(each.cases[0] in shared), seconds)


def line(*xs: float, least: int = 3) -> Needs:
    """Through cases a, b, … of these sizes."""
    return Needs(tuple(point("abcdefghij"[at], size_b=x) for at, x in enumerate(xs)), least, len(xs), axes=("size_b",))


def test_points_are_far_apart_in_size() -> None:
    assert set(picked(line(7, 7, 7, 0.5, 7, 3, 14, 13), 3)) == {"a", "d", "g"}


def test_shared_points_come_before_distant_ones_but_for_the_second_end_of_a_line() -> None:
    assert set(picked(line(1, 2, 3, 10, 20), 3, shared="abc")) == {"a", "b", "c"}
    assert set(picked(line(7, 7, 7, 10, 20), 3, shared="abc")) == {"a", "b", "e"}


def test_what_is_there_counts() -> None:
    assert picked(line(1, 2, 3, 4), 3, have=("a", "b")) == ["d"]
    assert picked(line(7, 7, 7, 4), 3, have=("a", "b", "c")) == ["d"], "three of one size are no line"


def test_all_cases_of_a_point_and_all_that_must_be_there_are_taken() -> None:
    pair = Point((start("a"), start("b"), start(None)))
    needs = Needs((pair, point("c")), 1, 2, must=(start("d"), start(None)))
    assert picked(needs, 2) == ["d", "a", "b", "c"]
    assert not decided_by(needs, "abc", 2)
    assert decided_by(needs, "abcd", 2)
    assert decided_by(needs, "cd", 1)


@given(st.lists(st.floats(0.1, 100), min_size=2, max_size=10), st.data())
def test_what_is_picked_decides(xs: list[float], data: st.DataObject) -> None:
    needs = line(*xs, least=data.draw(st.integers(1, len(xs))))
    if not needs.enough(needs.points):
        return
    have = data.draw(st.sets(st.sampled_from("abcdefghij"[: len(xs)])))
    wanted = data.draw(st.integers(needs.least, len(xs)))
    cases = cases_for(needs, have, wanted, lambda _: 0.0, dict.fromkeys("abcdefghij", 1.0))
    assert not set(cases) & have
    assert decided_by(needs, {*have, *cases}, wanted)
