"""Recounts a replay's blocks in use and waiting requests over virtual time, in bins, from their changes alone."""

from harness.record.replay_rows import OccupancyRow

MAX_BINS = 1024
NARROWEST_S = 2.0**-10


class Levels:
    """A value that changes at times and holds in between: its area and largest value in bins of equal width."""

    def __init__(self) -> None:
        self.width = NARROWEST_S
        self._areas: list[float] = []
        self._largest: list[int] = []
        self._value = 0
        self._since = 0.0

    def change(self, now: float, value: int) -> None:
        """From ``now`` on it is ``value``. What held for no time is not seen."""
        while now > MAX_BINS * self.width:
            self._double()
        while self._since < now:
            at = int(self._since / self.width)
            until = min(now, (at + 1) * self.width)
            if at == len(self._areas):
                self._areas.append(0.0)
                self._largest.append(0)
            self._areas[at] += self._value * (until - self._since)
            self._largest[at] = max(self._largest[at], self._value)
            self._since = until
        self._value = value

    def _double(self) -> None:
        self.width *= 2
        if len(self._areas) % 2:
            self._areas.append(0.0)
            self._largest.append(0)
        self._areas = [a + b for a, b in zip(self._areas[::2], self._areas[1::2], strict=True)]
        self._largest = [max(pair) for pair in zip(self._largest[::2], self._largest[1::2], strict=True)]

    def bins(self) -> list[tuple[float, float, float, int]]:
        """(begin, end, mean, largest), the last bin ending with the last change."""
        spans = [(at * self.width, min((at + 1) * self.width, self._since)) for at in range(len(self._areas))]
        return [
            (begin, end, area / (end - begin), largest)
            for (begin, end), area, largest in zip(spans, self._areas, self._largest, strict=True)
        ]


def occupancy_rows(in_use: Levels, waiting: Levels) -> list[OccupancyRow]:
    """Both levels, which end at the same time, as the rows of occupancy.csv."""
    pairs = zip(in_use.bins(), waiting.bins(), strict=True)
    return [
        OccupancyRow(begin, end, mean, most, w_mean, w_most) for (begin, end, mean, most), (*_, w_mean, w_most) in pairs
    ]
