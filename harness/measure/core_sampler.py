"""Use of every core of the machine while an engine starts, sampled ten times a second by a thread of the harness.

The kernel counts a core's time in ticks of 10 ms, so one sample has steps of about 10 %. All cores are sampled, not
only those that the engine may use: what else the machine does is seen too. A core's number is its place among the
machine's online cores.

Cost: 0.03 ms per sample with 2 cores (it grows with their number), ten times a second: 0.03 % of one core. A sampled
start is a case of its own all the same (``Case.samples``).
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from harness.record.tables import CORES, table_csv

INTERVAL_S = 0.1


class CoreSamples:
    """Samples of one start. Times are ns on CLOCK_MONOTONIC."""

    def __init__(self, exec_ns: int) -> None:
        self._exec_ns = exec_ns
        self._samples: list[tuple[int, list[float]]] = []  # end of the interval, percent by core

    def add(self, at_ns: int, percents: list[float]) -> None:
        """What the cores did since the sample before (the first: since exec)."""
        self._samples.append((at_ns, percents))

    def csv(self, until_ns: int | None) -> bytes:
        """``cores.csv``: the intervals that ended by ``until_ns`` (None: all).

        Idle cores are left out, but for the first interval (it names every core) and core 0 (it names every time): of
        a machine's hundred cores a start leaves most idle most of the time.
        """
        kept = (sample for sample in self._samples if until_ns is None or sample[0] <= until_ns)
        return table_csv(
            CORES,
            (
                ((at_ns - self._exec_ns) / 1e9, core, percent)
                for number, (at_ns, percents) in enumerate(kept)
                for core, percent in enumerate(percents)
                if percent or core == 0 or number == 0
            ),
        )


@contextmanager
def core_samples(exec_ns: int) -> Iterator[CoreSamples]:
    """Sample while the block runs; ``exec_ns`` is when the engine was started."""
    samples = CoreSamples(exec_ns)
    stop = threading.Event()
    thread = threading.Thread(target=_sample, args=(samples, stop), name="core sampler", daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


def _sample(samples: CoreSamples, stop: threading.Event) -> None:
    """One sample each 0.1 s; one that is late does not put off the next, and one that fails is part of the next."""
    with suppress(OSError):
        psutil.cpu_percent(percpu=True)  # from here the first interval counts
    began = time.monotonic()
    number = 1
    while not stop.wait(max(0.0, began + number * INTERVAL_S - time.monotonic())):
        with suppress(OSError):  # no file descriptor left, for a moment
            percents = psutil.cpu_percent(percpu=True)
            samples.add(time.monotonic_ns(), percents)
        number = max(number + 1, int((time.monotonic() - began) / INTERVAL_S) + 1)
