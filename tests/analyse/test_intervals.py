"""Arithmetic of intervals, held against sets of whole numbers."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.intervals import Interval, Lengths, cover, difference, intersection, length, union

POINTS = st.integers(0, 60)
SETS = st.lists(st.tuples(POINTS, POINTS), max_size=12)


def points(intervals: list[Interval]) -> set[int]:
    return {at for begin, end in intervals for at in range(begin, end)}


def is_normal(intervals: list[Interval]) -> bool:
    return all(begin < end for begin, end in intervals) and all(a[1] < b[0] for a, b in pairwise(intervals))


@given(SETS)
def test_a_union_has_every_point_once_whatever_the_order(intervals: list[Interval]) -> None:
    found = union(intervals)
    assert is_normal(found)
    assert points(found) == points(intervals)
    assert length(found) == len(points(intervals))
    assert union(reversed(intervals)) == found


@given(SETS, SETS)
def test_intersection_and_difference_part_a_set(a: list[Interval], b: list[Interval]) -> None:
    one, other = union(a), union(b)
    both, rest = intersection(one, other), difference(one, other)
    assert points(both) == points(a) & points(b)
    assert points(rest) == points(a) - points(b)
    assert all(begin < end for begin, end in (*both, *rest))
    assert length(both) + length(rest) == length(one)


@given(st.lists(SETS, max_size=4), SETS)
def test_a_cover_gives_each_instant_to_the_first_layer_that_has_it(
    layers: list[list[Interval]], inside: list[Interval]
) -> None:
    within = union(inside)
    found = cover({str(at): union(each) for at, each in enumerate(layers)}, within, "rest")
    left = points(within)
    for at, each in enumerate(layers):
        assert points(found[str(at)]) == left & points(each)
        left -= points(each)
    assert points(found["rest"]) == left
    assert sum(map(length, found.values())) == length(within)


@given(SETS, POINTS, POINTS)
def test_lengths_within_any_interval_are_those_of_its_points(intervals: list[Interval], a: int, b: int) -> None:
    assert Lengths(union(intervals)).within(a, b) == len(points(intervals) & set(range(a, b)))
