"""What a figure says in words of a start's GPUs: names, what they did at most, when they were held down."""

from collections.abc import Mapping, Sequence

from harness.analyse.gpu_use import GpuUse, Series
from harness.record import gpu as words
from harness.record.plain import printable
from harness.record.slot import Slot

_GIB, _GB = 2**30, 1e9
_HOW = (
    "GPUs are sampled every 0.1 s as their driver tells it (PCIe: the mean of 20 ms of them); "
    "shaded: the clock was held down by power or heat."
)


def gpu_names(slot: Slot, case: str, run: str) -> list[str]:
    """Names of a run's GPUs, in the order of their numbers; none where the slot does not have them."""
    runs = [each for each in slot.manifest["runs"] if (each["case"], each["run"]) == (case, run)]
    return [printable(gpu["name"], 80) for each in runs for gpu in each.get("gpus") or ()]


def gpu_sentences(gpus: GpuUse, names: Sequence[str]) -> list[str]:
    """A sentence for each GPU, and how it was sampled; nothing where none was."""
    told = [
        f"GPU {number} ({names[number]}): {_told(series)}."
        if number < len(names)
        else f"GPU {number}: {_told(series)}."
        for number, series in gpus.items()
    ]
    return [_HOW, *told] if told else []


def _told(series: Mapping[str, Series]) -> str:
    parts = []
    if found := series.get(words.UTILISATION):
        parts.append(f"kernels ran {found.mean:.0f} % of the time")
    if found := series.get(words.MEMORY_USED):
        parts.append(f"memory at most {max(found.values) / _GIB:.1f} GiB")
    if found := series.get(words.PCIE_RX):
        parts.append(f"at most {max(found.values) / _GB:.1f} GB/s to it")
    if found := series.get(words.SM_CLOCK):
        parts.append(f"SM clock at most {max(found.values):.0f} MHz")
    if found := series.get(words.CLOCK_REASONS):
        held = found.share_with(words.THROTTLING)
        parts.append(f"held down {held * 100:.1f} % of the time" if held else "never held down")
    silent = [name.removesuffix("_percent") for name in (words.UTILISATION, words.PCIE_RX) if name not in series]
    return "; ".join([*parts, *([f"not told: {', '.join(silent)}"] if silent else [])])
