"""What the driver tells of the GPUs while an engine starts, sampled ten times a second by threads of the harness.

One thread asks for everything that is answered at once; one for each GPU asks for the traffic on PCIe, because the
driver counts for some 20 ms before it answers, and once for each direction. So a sample of PCIe is the mean of 20 ms in
each 100 ms, and the others are of a moment, or of the driver's own interval (utilisation).

What the driver does not tell leaves no rows. A driver that fails, or hangs, costs samples and never the start: threads
that do not come back are left behind. A sampled start is a case of its own (``Case.samples``).

While NVML is open the driver keeps the GPU initialised, as ``nvidia-persistenced`` does. Has run against the tests' own
library only (tests/nvml_stub), not yet on a GPU.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pynvml

from harness.engine.detect import gpus_of_start, nvml
from harness.errors import HarnessError
from harness.record import gpu as words
from harness.state.gpu_facts import clock_reasons, memory_used_bytes

INTERVAL_S = 0.1
LEFT_BEHIND_S = 1.0  # how long the end of a start waits for a driver that does not answer
_KB = 1000  # nvml.h says "KB/s"
_NEVER = (
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_NO_PERMISSION,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    pynvml.NVML_ERROR_INVALID_ARGUMENT,
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
)
Answers = dict[str, float]
Question = Callable[[Any], Answers]


def _utilisation(handle: Any) -> Answers:
    rates = pynvml.nvmlDeviceGetUtilizationRates(handle)
    return {words.UTILISATION: rates.gpu, words.MEMORY_BUSY: rates.memory}


def _pcie(name: str, counter: int) -> Question:
    return lambda handle: {name: pynvml.nvmlDeviceGetPcieThroughput(handle, counter) * _KB}


# Of a part (MIG) that a start uses; everything else only the whole GPU has.
OF_PART: tuple[Question, ...] = (
    _utilisation,
    lambda gpu: {words.MEMORY_USED: memory_used_bytes(gpu)},
)
OF_WHOLE: tuple[Question, ...] = (
    lambda gpu: {words.SM_CLOCK: pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM)},
    lambda gpu: {words.MEMORY_CLOCK: pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_MEM)},
    lambda gpu: {words.POWER: round(pynvml.nvmlDeviceGetPowerUsage(gpu) / 1000)},
    lambda gpu: {words.TEMPERATURE: pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU)},
    lambda gpu: {words.CLOCK_REASONS: clock_reasons(gpu)},
    lambda gpu: {words.PCIE_GENERATION: pynvml.nvmlDeviceGetCurrPcieLinkGeneration(gpu)},
    lambda gpu: {words.PCIE_WIDTH: pynvml.nvmlDeviceGetCurrPcieLinkWidth(gpu)},
)
COUNTED: tuple[Question, ...] = (  # of the whole GPU, and slow
    _pcie(words.PCIE_RX, pynvml.NVML_PCIE_UTIL_RX_BYTES),
    _pcie(words.PCIE_TX, pynvml.NVML_PCIE_UTIL_TX_BYTES),
)


class GpuSamples:
    """Samples of one start. Times are ns on CLOCK_MONOTONIC; threads may add at the same time."""

    def __init__(self, exec_ns: int) -> None:
        self._exec_ns = exec_ns
        self._samples: list[tuple[int, int, str, float]] = []  # at_ns, gpu, quantity, value
        self._closed = False

    def add(self, at_ns: int, gpu: int, answers: Answers) -> None:
        """What one GPU told at a time; nothing once the start is over."""
        if not self._closed:
            self._samples += [(at_ns, gpu, quantity, value) for quantity, value in answers.items()]

    def close(self) -> None:
        """A thread that was left behind adds nothing any more."""
        self._closed = True

    def rows(self, until_ns: int | None = None) -> list[words.Sample]:
        """Rows of ``gpu.csv`` by time: what was sampled by ``until_ns`` (None: all), without the middle of stretches.

        A stretch are samples of one quantity with equal values that follow each other: its first and last say it all.
        """
        series: dict[tuple[int, str], list[tuple[int, float]]] = {}
        for at_ns, gpu, quantity, value in sorted(self._samples):
            if until_ns is None or at_ns <= until_ns:
                series.setdefault((gpu, quantity), []).append((at_ns, value))
        kept = []
        for (gpu, quantity), found in series.items():
            for number, (at_ns, value) in enumerate(found):
                around = {found[max(number - 1, 0)][1], found[min(number + 1, len(found) - 1)][1]}
                if number in (0, len(found) - 1) or around != {value}:
                    kept.append((at_ns, gpu, quantity, value))
        return [((at_ns - self._exec_ns) / 1e9, *rest) for at_ns, *rest in sorted(kept)]  # type: ignore[misc]


@contextmanager
def gpu_samples(exec_ns: int, count: int | None = None) -> Iterator[GpuSamples]:
    """Sample while the block runs; ``exec_ns``: when the engine was started, ``count``: as ``gpus_of_start``."""
    samples, stop = GpuSamples(exec_ns), threading.Event()
    thread = _thread(_sample_all, samples, stop, count)
    try:
        yield samples
    finally:
        stop.set()
        thread.join(LEFT_BEHIND_S)
        samples.close()


def _thread(work: Callable[..., None], *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, name="gpu sampler", daemon=True)
    thread.start()
    return thread


def _sample_all(samples: GpuSamples, stop: threading.Event, count: int | None) -> None:
    """Open the driver, begin a thread for each GPU's traffic, ask for the rest here."""
    with suppress(pynvml.NVMLError, HarnessError), nvml() as there:
        at_once, counted = [], []
        for number, gpu in enumerate(gpus_of_start(count) if there else ()):
            part = whole = pynvml.nvmlDeviceGetHandleByUUID(gpu["uuid"])
            if gpu["uuid"].startswith("MIG-"):
                whole = pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(part)
            of_both = [*((part, question) for question in OF_PART), *((whole, question) for question in OF_WHOLE)]
            at_once.append(_Gpu(number, of_both))
            counted.append(_Gpu(number, [(whole, question) for question in COUNTED]))
        threads = [_thread(_sample, samples, stop, [gpu]) for gpu in counted]
        _sample(samples, stop, at_once)
        for thread in threads:  # the driver is closed when nobody asks it any more
            thread.join()


class _Gpu:
    """One GPU by its number, and what is asked of which of its handles."""

    def __init__(self, number: int, asked: list[tuple[Any, Question]]) -> None:
        self.number = number
        self._asked = asked

    def answers(self) -> Iterator[tuple[int, Answers]]:
        """What it tells now, each answer with its own time in ns. What it never answers is not asked again."""
        for handle, question in list(self._asked):
            try:
                found = question(handle)
            except pynvml.NVMLError as error:
                if error.value in _NEVER:
                    self._asked.remove((handle, question))
            else:
                yield time.monotonic_ns(), found


def _sample(samples: GpuSamples, stop: threading.Event, gpus: list[_Gpu]) -> None:
    """One sample each 0.1 s; one that is late does not put off the next."""
    began = time.monotonic()
    number = 0
    while not stop.wait(max(0.0, began + number * INTERVAL_S - time.monotonic())):
        for gpu in gpus:
            for at_ns, answers in gpu.answers():
                samples.add(at_ns, gpu.number, answers)
        number = max(number + 1, int((time.monotonic() - began) / INTERVAL_S) + 1)
