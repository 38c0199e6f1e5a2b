"""What of a GPU disturbed a start, or made it slower than this GPU can be: marks, ``kind: detail``, one line each.

From what the driver told right before the start, and from what was sampled during it. Of what is not known nothing is
said. What others had in the GPU's memory is a mark of ``state/quiet.py``. Limits have not been tried on a GPU yet.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.analyse.gpu_use import Series, gpu_use
from harness.record.gpu import CLOCK_REASONS, PCIE_GENERATION, PCIE_WIDTH, POWER_CAP, REASONS, THROTTLING, Sample

# Some GPUs reach their power limit in every dense kernel; a twentieth of a start is what five starts can resolve.
POWER_CAP_SHARE = 0.05
LOST = "GPU is lost"
MOST = 16  # marks of GPUs: a record holds 32 of all kinds
_LINK = ((PCIE_GENERATION, "generation", ""), (PCIE_WIDTH, "width", "x"))


def gpu_marks(gpus: Sequence[Mapping[str, Any]], samples: Iterable[Sample]) -> list[str]:
    """``gpus``: run.json's ``gpus``. A sample's GPU is its place there."""
    use = gpu_use(samples)
    marks = [
        mark
        for number, facts in enumerate(gpus)
        for mark in (
            *_before(number, facts),
            *_kept(number, facts, use),
            *_link(number, facts, use.get(number, {})),
            *_during(number, use),
        )
    ]
    more = len(marks) - MOST
    return marks if more <= 0 else [*marks[:MOST], f"gpu: {more} more of this kind"]


def _before(number: int, facts: Mapping[str, Any]) -> list[str]:
    if LOST in facts["not_told"].values():
        return [f"gpu: GPU {number} is lost: the driver tells nothing of it"]
    marks = []
    limit_w, default_w = facts.get("power_limit_w"), facts.get("power_limit_default_w")
    if limit_w is not None and default_w is not None and limit_w < default_w:
        marks.append(f"gpu power: GPU {number} is limited to {limit_w:.0f} W, by default {default_w:.0f} W")
    clock, default = (facts.get(f"graphics_clock_application{which}_mhz") for which in ("", "_default"))
    if clock is not None and default is not None and clock < default:
        marks.append(f"gpu clock: GPU {number} is set to {clock} MHz, by default {default} MHz")
    return marks


def _kept(number: int, facts: Mapping[str, Any], use: Mapping[int, Mapping[str, Series]]) -> list[str]:
    """Whether the sampler, which has the driver open, did what the start would have had to do itself."""
    if facts.get("persistence_mode") is not False or not use.get(number):
        return []
    return [
        f"gpu persistence: GPU {number} has persistence mode off, and sampling kept it initialised: "
        "cuda_context is without its initialisation"
    ]


def _link(number: int, facts: Mapping[str, Any], use: Mapping[str, Series]) -> list[str]:
    """The best that was seen, against what GPU and machine can do; an idle GPU's lower generation is no fault."""
    marks = []
    for quantity, what, sign in _LINK:
        seen = max(use[quantity].values) if quantity in use else None
        if seen is None and quantity == PCIE_WIDTH:
            seen = facts.get(quantity)
        most = facts.get(f"{quantity}_max")
        if seen is not None and most is not None and seen < most:
            marks.append(f"gpu link: GPU {number} at PCIe {what} {sign}{seen:.0f} at most, {sign}{most} is possible")
    return marks


def _during(number: int, use: Mapping[int, Mapping[str, Series]]) -> list[str]:
    series = use.get(number, {}).get(CLOCK_REASONS)
    if series is None:
        return []
    marks = []
    for bit, words in REASONS.items():
        limit = POWER_CAP_SHARE if bit == POWER_CAP else 0.0
        share = series.share_with(bit)
        if bit & THROTTLING and share > limit:
            told = f"limit {limit:.0%}" if limit else "limit none"
            marks.append(f"gpu throttled: GPU {number} by {words} for {share:.1%} of the start, {told}")
    return marks
