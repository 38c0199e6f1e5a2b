"""What was sampled while a start ran, as tracks of a trace: busy cores, and each quantity of each GPU."""

from collections.abc import Iterator, Sequence

from harness.analyse.cores import CoreUse
from harness.analyse.gpu_use import GpuUse, Step
from harness.record import gpu as words
from harness.record.paper_cores import INTERVAL_S
from harness.record.plain import printable
from harness.show.trace_events import Track

CORES = "cores of the machine"
# What a reader of the trace sees instead of the table's unit.
_SHOWN = {
    words.MEMORY_USED: ("memory used (GiB)", 2**30),
    words.PCIE_RX: ("PCIe to GPU (GB/s)", 1e9),
    words.PCIE_TX: ("PCIe from GPU (GB/s)", 1e9),
    words.UTILISATION: ("kernels run (%)", 1),
    words.MEMORY_BUSY: ("memory busy (%)", 1),
    words.SM_CLOCK: ("SM clock (MHz)", 1),
    words.MEMORY_CLOCK: ("memory clock (MHz)", 1),
    words.POWER: ("power (W)", 1),
    words.TEMPERATURE: ("temperature (°C)", 1),
}


def core_track(use: CoreUse) -> list[Track]:
    """How many cores' worth of time was used; nothing if there is no sample."""
    begins = (max(0.0, time_s - INTERVAL_S) for time_s in use.times_s[:1])
    steps = [*map(Step, (*begins, *use.times_s), use.times_s, use.busy)]
    return [Track(CORES, "busy threads", tuple(_points(steps)))] if steps else []


def gpu_tracks(gpus: GpuUse, names: Sequence[str]) -> list[Track]:
    """Every quantity of every GPU; of the reasons of its clock, whether any held it down."""
    tracks = []
    for number, series in gpus.items():
        named = printable(names[number], 80) if number < len(names) else ""
        group = f"GPU {number} {named}".strip()
        for quantity, found in series.items():
            steps = found.steps()
            if quantity == words.CLOCK_REASONS:
                held = [Step(at.begin_s, at.end_s, float(bool(int(at.value) & words.THROTTLING))) for at in steps]
                tracks.append(Track(group, "clock held down (power, heat)", tuple(_points(held))))
                continue
            name, unit = _SHOWN.get(quantity, (printable(quantity, 80), 1))
            scaled = [Step(step.begin_s, step.end_s, step.value / unit) for step in steps]
            tracks.append(Track(group, name, tuple(_points(scaled))))
    return tracks


def _points(steps: Sequence[Step]) -> Iterator[tuple[float, float | None]]:
    """Where the value changes; None where nothing was told for a while, and after the end."""
    before: Step | None = None
    for step in steps:
        if before is not None and step.begin_s > before.end_s:
            yield before.end_s, None
        if before is None or step.begin_s > before.end_s or step.value != before.value:
            yield max(0.0, step.begin_s), step.value
        before = step
    if before is not None:
        yield before.end_s, None
