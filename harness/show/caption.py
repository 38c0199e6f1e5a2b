"""What every figure says about a side's data: whose it is, machine and engine, how many starts, what is special."""

from collections.abc import Iterable

from harness.analyse.dataset import PAPER_VERSION, Side
from harness.show.panel import MARGIN_IN, RIGHT_IN
from harness.show.style import SMALLEST_PT, wrap

CAPTION_PT = SMALLEST_PT
CAPTION_ROW_IN = 0.115
CAPTION_IN = RIGHT_IN - MARGIN_IN
INTERVAL = "95 % t interval of the mean"

_DATA = {
    "mine": "Measured on this machine (slot {slot}): {node}",
    "merged": "Measured on another machine and merged (slot {slot}): {node}",
    "paper": "The paper's recorded data (slot {slot}), {node}",
}


def whose(side: Side) -> str:
    """The few words that stand at everything drawn from this side; for the paper and merged slots with the machine."""
    if side.whose == "mine":
        return "this machine"
    return f"merged: {side.node}" if side.whose == "merged" else f"paper, {side.node}"


def about(side: Side, counts: Iterable[int]) -> list[str]:
    """Sentences: whose data, machine, engine, how often, interval, twins, the side's notes.

    ``counts``: how many starts each drawn mean is over.
    """
    return [
        f"{_DATA[side.whose].format(slot=side.slot, node=side.node)}; {_engine(side)}.",
        *_repeats(counts),
        *_twins(side),
        *(f"{note.rstrip('.')}." for note in side.notes),
    ]


def caption_lines(sentences: Iterable[str], width_in: float = CAPTION_IN) -> list[str]:
    """The sentences as lines of ``width_in`` inches at ``CAPTION_PT``."""
    return wrap(" ".join(sentences), CAPTION_PT, width_in)


def caption_height(lines: list[str]) -> float:
    """Inches."""
    return len(lines) * CAPTION_ROW_IN


def _engine(side: Side) -> str:
    versions = list(dict.fromkeys(case.engine for case in side.cases if case.engine))
    return "vLLM " + (", ".join(versions) or (PAPER_VERSION if side.whose == "paper" else "of unknown version"))


def _repeats(counts: Iterable[int]) -> list[str]:
    found = sorted(set(counts))
    if not found:
        return []
    if found == [1]:
        return ["n=1 start each, so no interval."]
    n = f"n={found[0]}" if len(found) == 1 else f"n={found[0]} to {found[-1]}"
    alone = "; n=1 has none" if found[0] == 1 else ""
    return [f"Means of {n} starts ± {INTERVAL}{alone}."]


def _twins(side: Side) -> list[str]:
    twins = list(dict.fromkeys(case.model for case in side.cases if case.twin))
    if not twins:
        return []
    if len(twins) == len({case.model for case in side.cases}):
        return ["All models are structural twins (random weights)."]
    return [f"Structural twins (random weights): {', '.join(twins)}."]
