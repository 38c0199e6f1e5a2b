"""What was held over time, in at most 1,024 bins of equal width: means over virtual time, largest values."""

from collections.abc import Iterator

MAX_BINS = 1024
FIRST_WIDTH_S = 2.0**-10


class Occupancy:
    """Blocks in use and requests waiting, as step functions of virtual time.

    A value holds from when it is set until the next ``at``; one that held for no time leaves no trace. When time leaves
    the bins, they become twice as wide and are joined in pairs, so that memory stays bounded without knowing the end.
    """

    def __init__(self) -> None:
        self.in_use = 0
        self.waiting = 0
        self._now = 0.0
        self._width = FIRST_WIDTH_S
        self._bins: list[list[float]] = []  # in_use × s, its maximum, waiting × s, its maximum

    def at(self, now: float) -> None:
        """Time has come to ``now``: what has been held since the last call is counted."""
        begin = self._now
        if now <= begin:
            return
        while now > MAX_BINS * self._width:
            self._widen()
        while begin < now:
            index = int(begin / self._width)
            end = min(now, (index + 1) * self._width)
            while len(self._bins) <= index:
                self._bins.append([0.0, 0, 0.0, 0])
            here = self._bins[index]
            here[0] += self.in_use * (end - begin)
            here[1] = max(here[1], self.in_use)
            here[2] += self.waiting * (end - begin)
            here[3] = max(here[3], self.waiting)
            begin = end
        self._now = now

    def rows(self) -> Iterator[tuple[float, float, float, int, float, int]]:
        """Begin and end [s], mean and largest number of blocks in use, mean and largest number of requests waiting."""
        for index, (blocks, most_blocks, waiting, most_waiting) in enumerate(self._bins):
            begin = index * self._width
            end = min(begin + self._width, self._now)
            yield begin, end, blocks / (end - begin), int(most_blocks), waiting / (end - begin), int(most_waiting)

    def _widen(self) -> None:
        self._width *= 2
        pairs = [self._bins[index : index + 2] for index in range(0, len(self._bins), 2)]
        self._bins = [
            [sum(b[0] for b in pair), max(b[1] for b in pair), sum(b[2] for b in pair), max(b[3] for b in pair)]
            for pair in pairs
        ]
