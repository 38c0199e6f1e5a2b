"""A predicted duration with its interval, and loading at a bandwidth that was not the trained one."""

from dataclasses import dataclass

from harness.analyse.forecast_line import Spread
from harness.analyse.forecast_range import TWINS_ONLY
from harness.analyse.model_facts import ModelFacts


@dataclass(frozen=True)
class Seconds:
    """One predicted duration; ``half_width`` of its 95 % interval, None: too little is known for one."""

    seconds: float
    half_width: float | None

    @property
    def low(self) -> float | None:
        """Lower end of the interval; nothing takes less than no time."""
        return None if self.half_width is None else max(0.0, self.seconds - self.half_width)

    @property
    def high(self) -> float | None:
        """Upper end."""
        return None if self.half_width is None else self.seconds + self.half_width


@dataclass(frozen=True)
class Loading:
    """How fast weights are read in a state that is not the training one, and how that is known."""

    bytes_per_s: float
    source: str
    relative_sd: float | None  # of seconds about bytes over bandwidth
    freedom: int
    twins: bool = False  # whether only structural twins were loaded so

    def seconds(self, facts: ModelFacts) -> Seconds:
        """Of the model's bytes."""
        seconds = facts.checkpoint_bytes / self.bytes_per_s
        if self.relative_sd is None or self.doubt(facts):
            return Seconds(seconds, None)
        sd = self.relative_sd * seconds
        return Seconds(seconds, Spread((), (), sd, self.freedom).half_width(sd**2))

    def doubt(self, facts: ModelFacts) -> str | None:
        """Why the seconds have no interval; None: they have one."""
        if self.twins and not facts.twin:
            return TWINS_ONLY
        return "too little is known of that bandwidth" if self.relative_sd is None else None


def count(number: int, what: str) -> str:
    """``1 model``, ``2 models``."""
    return f"{number} {what}{'' if number == 1 else 's'}"
