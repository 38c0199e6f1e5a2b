"""Of the points that may decide a claim, those to measure: shared with other claims, and far apart in size."""

from collections.abc import Callable, Collection, Mapping, Sequence

from harness.analyse.deciding import Needs, Point, keys_of

Worth = Callable[[Point], float]


def decided_by(needs: Needs, have: Collection[str], wanted: int) -> bool:
    """Whether the cases in ``have`` decide it by so many points."""
    there = points_in(needs, have)
    return _all_in(keys_of(needs.must), have) and len(there) >= wanted and needs.enough(there)


def points_in(needs: Needs, have: Collection[str]) -> list[Point]:
    """The points whose cases are all in ``have``."""
    return [point for point in needs.points if _all_in(point.cases, have)]


def cases_for(
    needs: Needs, have: Collection[str], wanted: int, first: Worth, seconds: Mapping[str, float]
) -> list[str]:
    """The cases that ``have`` lacks to decide it by ``wanted`` points.

    ``first``: what points are taken by. Of equals the farthest from those that are there, then what takes least
    ``seconds``. Where a line has only one x, another one comes before all that.
    """
    picked = points_in(needs, have) if wanted < len(needs.points) else list(needs.points)
    left = [point for point in needs.points if point not in picked]
    widths = _widths(needs.points)
    while left and (len(picked) < wanted or needs.flat(picked)):
        apart = [(_new_x(needs, point, picked), _distance(point, picked or left, widths)) for point in left]
        worth = [
            (bends, first(point), distance, -sum(seconds[case] for case in point.cases))
            for point, (bends, distance) in zip(left, apart, strict=True)
        ]
        picked.append(left.pop(worth.index(max(worth))))
    cases = [*keys_of(needs.must), *(case for point in picked for case in point.cases)]
    return [case for case in dict.fromkeys(cases) if case not in have]


def _all_in(cases: Sequence[str], have: Collection[str]) -> bool:
    return all(case in have for case in cases)


def _widths(points: Sequence[Point]) -> dict[str, float]:
    """Of every axis on which the points differ."""
    xs: dict[str, list[float]] = {}
    for point in points:
        for axis, x in point.facts.items():
            xs.setdefault(axis, []).append(x)
    return {axis: max(found) - min(found) for axis, found in xs.items() if max(found) > min(found)}


def _new_x(needs: Needs, point: Point, picked: Sequence[Point]) -> int:
    """On how many axes it is the first that differs from the others."""
    return sum(point.facts.get(axis) != picked[0].facts.get(axis) for axis in needs.flat(picked)) if picked else 0


def _distance(point: Point, others: Sequence[Point], widths: Mapping[str, float]) -> float:
    """From the nearest of the others (to itself: from the farthest), each axis in parts of its width."""
    found = [
        sum(
            abs(point.facts[axis] - other.facts[axis]) / width
            for axis, width in widths.items()
            if axis in point.facts and axis in other.facts
        )
        for other in others
    ]
    return max(found) if point in others else min(found)
