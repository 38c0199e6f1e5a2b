"""Figure 12: one start of each side, what it was doing and which cores were busy meanwhile, on one scale of time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from harness.analyse.cores import (
    BURST_PERCENT,
    CoreUse,
    Load,
    SampledStart,
    load_of,
    nearest_to_median,
    paper_core_use,
    sampled_starts,
)
from harness.analyse.dataset import MEASURED, Side
from harness.analyse.gpu_use import GpuUse
from harness.analyse.timeline import Piece
from harness.errors import HarnessError
from harness.record.paper_cores import INTERVAL_S, PAPER_CORES_CSV, read_paper_cores, recorded_cores
from harness.record.plain import printable
from harness.record.slot import Slot
from harness.show.caption import CAPTION_PT, CAPTION_ROW_IN, about, caption_height, caption_lines, whose
from harness.show.command import FigureData
from harness.show.cores_panel import draw_start, start_height
from harness.show.gpu_text import gpu_names, gpu_sentences
from harness.show.panel import MARGIN_IN, Panel
from harness.show.style import FONT_PT, style
from harness.show.time_strip import PAGE_IN

_TITLE_IN = 0.2
_GAP_IN = 0.12
_CAPTION_IN = PAGE_IN - 2 * MARGIN_IN
_MACHINE = (
    "All cores of the machine are sampled every 0.1 s, whatever used them; busy threads: the sum over cores, 100 % = 1."
)


@dataclass(frozen=True)
class _Shown:
    """One start to draw. ``pieces`` is empty where no spans were recorded."""

    name: str  # for a row of the table
    title: str
    sentences: tuple[str, ...]
    use: CoreUse
    pieces: tuple[Piece, ...]
    gpus: GpuUse = field(default_factory=dict)

    @property
    def load(self) -> Load:
        return load_of(self.use)


def draw(data: FigureData) -> tuple[Figure, list[RenderableType]]:
    """A panel for one start of each case of each own or merged slot, and one for the paper's.

    Raises:
        HarnessError: there are no samples to draw.
        SlotError: samples cannot be read, or are none of a start.
    """
    sampled = [(side, slot, sampled_starts(slot)) for side, slot in zip(data.own, data.slots, strict=True)]
    shown = [one for side, slot, starts in sampled for one in _own(side, slot, starts)]
    lacking = [side.slot for side, _, starts in sampled if not starts]
    shown += _paper(data)
    if not shown:
        raise HarnessError(
            f"slot {', '.join(lacking)} has no samples of cores; measure again: bash run_figure.sh {data.figure.figure}"
        )
    remarks = [f"Slot {printable(slot)} has no samples of cores and is not drawn." for slot in lacking]
    return _page(shown, remarks), [_table(shown), *map(Text, remarks)]


def _own(side: Side, slot: Slot, sampled: Sequence[SampledStart]) -> list[_Shown]:
    """One start of each case: the cached one nearest to the median, or the warm-up if there is no other."""
    by_case: dict[str, list[SampledStart]] = {}
    for start in sampled:
        by_case.setdefault(start.case, []).append(start)
    models = {case["case"]: _model(case) for case in slot.manifest["cases"]}
    shown = []
    for case, every in by_case.items():
        starts = [start for start in every if start.kind == MEASURED] or every
        start = nearest_to_median(starts)
        kind = "cached" if start.kind == MEASURED else "uncached"
        title = f"{side.slot}, {whose(side)}: {models[case]}, {kind} start, ready after {start.ready_s:.2f} s"
        chosen = f"Shown: {_which(start, starts, kind)}."
        of_gpus = gpu_sentences(start.gpus, gpu_names(slot, start.case, start.run))
        sentences = (*about(side, ()), chosen, _words(load_of(start.use)), _MACHINE, *of_gpus)
        name = f"{side.slot} ({side.whose}): {models[case]}, {kind} run {start.run}"
        shown.append(_Shown(name, title, sentences, start.use, start.pieces, start.gpus))
    return shown


def _model(case: Mapping[str, Any]) -> str:
    twin = " twin" if case["model"].get("twin") else ""
    return f"{case['model'].get('name', case['case'])}{twin}"


def _which(start: SampledStart, starts: Sequence[SampledStart], kind: str) -> str:
    if len(starts) == 1:
        return f"run {start.run}, the only {kind} start"
    middle = median(one.ready_s for one in starts)
    return f"run {start.run}, of {len(starts)} {kind} starts the nearest to their median time to ready ({middle:.2f} s)"


def _paper(data: FigureData) -> list[_Shown]:
    """The paper's recording, from the folder that was named or from what ships beside the figure."""
    if not data.paper:
        return []
    samples = [sample for folder in data.recorded for sample in recorded_cores(folder)]
    use = paper_core_use(samples if data.recorded else read_paper_cores(data.folder / PAPER_CORES_CSV))
    side = data.paper[0]
    models = ", ".join(dict.fromkeys(case.model for case in side.cases))
    title = f"{whose(side)}: {models}, cached start, {use.times_s[-1]:.1f} s recorded"
    sentences = (*about(side, ()), _words(load_of(use)), "No spans were recorded with it, so no phases are shown.")
    return [_Shown(f"paper: {models}", title, sentences, use, ())]


def _words(load: Load) -> str:
    share, bursts = f"{load.share * 100:.1f} % of the machine", f"{len(load.bursts_s)} of {load.intervals}"
    return (
        f"Busy threads: median {load.median:.2f}, mean {load.mean:.2f} of {load.cores} ({share}); "
        f"mean use of all cores above {BURST_PERCENT:g} % in {bursts} samples."
    )


def _page(shown: Sequence[_Shown], remarks: Sequence[str]) -> Figure:
    longest_s = max(_end_s(one) for one in shown)
    captions = [
        caption_lines((*one.sentences, *(["Grey: after its end."] if _end_s(one) < longest_s else [])), _CAPTION_IN)
        for one in shown
    ]
    last = caption_lines(remarks, _CAPTION_IN)
    heights = [
        _TITLE_IN + start_height(one.use, one.pieces, one.gpus) + caption_height(lines) + _GAP_IN
        for one, lines in zip(shown, captions, strict=True)
    ]
    with style():
        figure = Figure(figsize=(PAGE_IN, sum(heights) + caption_height(last)))
        top = 0.0
        for one, lines, height in zip(shown, captions, heights, strict=True):
            panel = Panel(figure, 0, top, height)
            panel.name(MARGIN_IN, _TITLE_IN / 2, one.title, PAGE_IN - MARGIN_IN, FONT_PT + 1, weight="bold")
            draw_start(panel, _TITLE_IN, one.use, one.pieces, one.gpus, longest_s)
            _write(panel, lines, _TITLE_IN + start_height(one.use, one.pieces, one.gpus))
            top += height
        if last:
            _write(Panel(figure, 0, top, caption_height(last)), last, 0.0)
    return figure


def _write(panel: Panel, lines: Sequence[str], top: float) -> None:
    for number, line in enumerate(lines):
        panel.text(MARGIN_IN, top + (number + 0.5) * CAPTION_ROW_IN, line, CAPTION_PT)


def _end_s(one: _Shown) -> float:
    return one.pieces[-1].end_s if one.pieces else max(one.use.times_s[-1], INTERVAL_S)


def _table(shown: Sequence[_Shown]) -> Table:
    table = Table(
        box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title="Cores busy while the engine starts", title_justify="left"
    )
    table.add_column("start")
    for column in ("samples", "cores", "median", "mean", "% of machine", f"bursts > {BURST_PERCENT:g} %"):
        table.add_column(column, justify="right")
    for one in shown:
        load = one.load
        numbers = (f"{load.median:.2f}", f"{load.mean:.2f}", f"{load.share:.1%}", str(len(load.bursts_s)))
        table.add_row(Text(printable(one.name)), str(load.intervals), str(load.cores), *numbers)
    return table
