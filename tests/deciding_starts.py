"""Claims and their starts as the planning sees them, for tests: a start is known by its key, and a size."""

from collections.abc import Iterable
from typing import Any

from harness.analyse.budget import Candidate
from harness.analyse.deciding import Needs, Point, Start


def start(key: str | None, **changes: Any) -> Start:
    """A case to be started (or measured, without a key) of figure 3."""
    usual = {
        "figure": "3",
        "slot": "node0",
        "model": key or "model",
        "device": "cuda",
        "node": "node-1",
        "version": "1.0",
        "twin": False,
        "load_format": "auto",
        "facts": {},
    }
    return Start(key=key, **{**usual, **changes})


def point(key: str, **facts: float) -> Point:
    """A point of one case."""
    return Point((start(key, facts=facts),))


def candidate(name: str, cases: Iterable[str], least: int | None = None, **needs: Any) -> Candidate:
    """A claim that these cases decide; ``least`` of them in part."""
    points = tuple(point(case) for case in cases)
    return Candidate(name, Needs(points, least or len(points), needs.pop("declared", len(points)), **needs))
