"""The parts of a leaf, where its spans state them: what a hook's ``part`` names, and what was added up over many calls.

A part's seconds are of the critical path like its leaf's, and with the part ``other`` they add up to the leaf's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.analyse.phases import UNATTRIBUTED
from harness.analyse.spanlines import Span
from harness.record.plain import printable
from harness.record.slotcheck import SlotError
from harness.record.tables import PARTS, Cell

OTHER = "other"  # time of a leaf that is none of its parts
MAX_PARTS = 500  # of a leaf: the shortest of more are told with what is in no part
_MAX_NAME = 100


@dataclass(frozen=True)
class Part:
    """A part of a leaf. What is not told is None: bytes of calls that copy nothing, calls of what is in no part."""

    phase: str
    part: str
    seconds: float
    calls: int | None = None
    bytes: int | None = None  # copied
    read_bytes: int | None = None  # had from block devices

    def __add__(self, other: "Part") -> "Part":
        """Both together; a number that one of them does not tell is the other's."""
        numbers = (_both(getattr(self, name), getattr(other, name)) for name in ("calls", "bytes", "read_bytes"))
        return Part(self.phase, self.part, self.seconds + other.seconds, *numbers)


def _both(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


@dataclass
class _Own:
    """What a span had of the critical path for itself, and the part that it is."""

    span: Span
    leaf: str
    part: Span | None
    ns: int = 0


@dataclass
class PartSums:
    """Collects the critical path's slices, and tells the parts of every leaf that has some."""

    _own: dict[int, _Own] = field(default_factory=dict)

    def add(self, stack: Sequence[Span], leaf: str, took_ns: int) -> None:
        """A slice of ``leaf`` with these spans open, outermost first."""
        if leaf == UNATTRIBUTED or not stack or stack[-1].package is not None:
            return
        part = _part_of(stack)
        if part is not None or "parts" in stack[-1].attrs:
            self._own.setdefault(id(stack[-1]), _Own(stack[-1], leaf, part)).ns += took_ns

    def parts(self, leaves: Mapping[str, int]) -> list[Part]:
        """All parts, by leaf and name, ``other`` last; ``leaves``: the leaves' ns."""
        found: dict[str, dict[str, Part]] = {}
        seen: set[int] = set()
        for own in self._own.values():
            parts = found.setdefault(own.leaf, {})
            rest_ns = own.ns
            for part, ns in _added(own):
                rest_ns -= ns
                _add(parts, part)
            if own.part is not None:
                first = id(own.part) not in seen
                seen.add(id(own.part))
                _add(parts, Part(own.leaf, _name(own.part.attrs["part"]), rest_ns / 1e9, int(first)))
        return [part for leaf in sorted(found) for part in _with_other(leaf, found[leaf], leaves[leaf])]


def _part_of(stack: Sequence[Span]) -> Span | None:
    """The innermost span that states a part, up to the one whose phase the slice is of."""
    for span in reversed(stack):
        if span.package is not None or span.kind == "container":
            return None
        if "part" in span.attrs:
            return span
        if "phase" in span.attrs:
            return None
    return None


def _added(own: _Own) -> Iterable[tuple[Part, int]]:
    """What was added up in a span, with its ns: never more than the span had of the critical path."""
    sums = own.span.attrs.get("parts", {})
    total_ns = sum(each["ns"] for each in sums.values())
    for name, each in sums.items():
        ns = each["ns"] if total_ns <= own.ns else each["ns"] * own.ns // total_ns
        yield Part(own.leaf, _name(name), ns / 1e9, each["calls"], each.get("bytes"), each.get("read_bytes")), ns


def _add(parts: dict[str, Part], part: Part) -> None:
    parts[part.part] = parts[part.part] + part if part.part in parts else part


def _with_other(leaf: str, parts: dict[str, Part], leaf_ns: int) -> list[Part]:
    longest = sorted(parts.values(), key=lambda part: (-part.seconds, part.part))[:MAX_PARTS]
    kept = sorted((part for part in longest if part.part != OTHER), key=by_name)
    return [*kept, Part(leaf, OTHER, max(leaf_ns / 1e9 - sum(part.seconds for part in kept), 0.0))]


def by_name(part: Part) -> tuple[bool, int, str]:
    """Order of parts: sizes by number, then names."""
    number = part.part if part.part.isdecimal() and len(part.part) < 10 else None
    return (number is None, int(number or 0), part.part)


def _name(text: str) -> str:
    return printable(text, _MAX_NAME) or "?"


def part_rows(parts: Iterable[Part]) -> list[tuple[Cell, ...]]:
    """Rows of ``parts.csv``; a number that is not told has none."""
    return [
        (part.phase, part.part, quantity, float(value))
        for part in parts
        for quantity in ("calls", "seconds", "bytes", "read_bytes")
        if (value := getattr(part, quantity)) is not None
    ]


def parts_from(rows: Iterable[Sequence[Cell]]) -> list[Part]:
    """The parts in rows of ``parts.csv``, in their order.

    Raises:
        SlotError: a part without seconds, or a quantity that is none or is told twice.
    """
    told: dict[tuple[str, str], dict[str, float]] = {}
    for phase, part, quantity, value in rows:
        numbers = told.setdefault((str(phase), str(part)), {})
        if quantity in numbers or quantity not in ("calls", "seconds", "bytes", "read_bytes"):
            raise SlotError(f"{PARTS.name}: {part} of {phase}: '{quantity}' is told twice, or is no quantity")
        numbers[str(quantity)] = float(value)
    if lacking := next((key for key, numbers in told.items() if "seconds" not in numbers), None):
        raise SlotError(f"{PARTS.name}: {lacking[1]} of {lacking[0]} has no seconds")
    return [
        Part(phase, part, numbers["seconds"], *(_whole(numbers.get(name)) for name in ("calls", "bytes", "read_bytes")))
        for (phase, part), numbers in told.items()
    ]


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
