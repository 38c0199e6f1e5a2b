"""How many values match, differ or are missing, and why: the answer of ``reparse``."""

from dataclasses import dataclass, field

from harness.record.plain import printable

MAX_CAUSES = 40
_EXAMPLE = 300  # characters


@dataclass
class Tally:
    """Values by outcome, and why they are not all matched: cause → (how many values, where it was met first)."""

    files: int = 0
    matched: int = 0
    different: int = 0
    missing: int = 0
    reasons: dict[str, tuple[int, str]] = field(default_factory=dict)

    def differ(self, reason: str, where: str) -> None:
        """One value differs."""
        self.different += 1
        self.because(reason, where)

    def miss(self, reason: str, where: str, values: int = 1) -> None:
        """Values that have nothing to be held against."""
        self.missing += values
        self.because(reason, where, values)

    def because(self, reason: str, where: str, values: int = 1) -> None:
        """Note a cause; it is told once, with where it was met first."""
        count, first = self.reasons.get(reason, (0, where))
        self.reasons[reason] = (count + values, first)

    def causes(self) -> list[str]:
        """One line for each, those of most values first; of very many kinds, the first ones."""
        ordered = sorted(self.reasons.items(), key=lambda item: (-item[1][0], item[0]))
        lines = [f"{count} × {printable(reason, 200)}; {printable(at, _EXAMPLE)}" for reason, (count, at) in ordered]
        more = len(lines) - MAX_CAUSES
        return [*lines[:MAX_CAUSES], f"and {more} more kinds of causes"] if more > 0 else lines
