"""Where two sequences part."""

from collections.abc import Sequence


def first_difference(one: Sequence[object], other: Sequence[object]) -> int | None:
    """The index of the first element that differs or that only one of them has; None: they are equal."""
    pairs = enumerate(zip(one, other, strict=False))
    at = next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
    return None if at == len(one) == len(other) else at
