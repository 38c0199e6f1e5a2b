"""The fourth page of the anatomy figure: what TTFT and TPOT are made of, by concurrency."""

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes

from harness.analyse.anatomy_series import CaseSplit
from harness.analyse.stats import Summary
from harness.record.anatomy_tables import ALL, TPOT, TPOT_PARTS, TTFT, TTFT_PARTS
from harness.show.anatomy_looks import Bar, part_key, plus_minus, stacked
from harness.show.routing_looks import empty
from harness.show.study_page import PAGE_IN, Band
from harness.show.style import SMALLEST_PT

_INSET, _NOTE = 0.3, 1.3
_WIDTH_IN = PAGE_IN - 0.5 - _INSET - 0.14
_ROW_IN = 0.3
_NAMES = {TTFT: "TTFT", TPOT: "TPOT"}


def request_bands(data: CaseSplit) -> list[Band]:
    """TTFT above TPOT."""
    height = _ROW_IN * len(data.concurrencies) + 0.1
    return [
        Band("", [("mean TTFT by what happened in it, ms", partial(_parts, data=data, metric=TTFT, parts=TTFT_PARTS))],
             height, inset=_INSET, below=0.75),
        Band("", [("mean TPOT by what engine and worker did meanwhile, ms",
                   partial(_parts, data=data, metric=TPOT, parts=TPOT_PARTS))], height, inset=_INSET, below=0.55),
    ]  # fmt: skip


def _parts(axes: Axes, data: CaseSplit, metric: str, parts: Sequence[str]) -> None:
    bars = []
    for concurrency in data.concurrencies:
        found = {part: over for (at, of, part), over in data.requests.items() if (at, of) == (concurrency, metric)}
        if whole := found.pop(ALL, None):
            bars.append(Bar(f"{concurrency} at once", found, _note(data, concurrency, metric, whole)))
    if not bars:
        empty(axes, f"no request gave its {_NAMES[metric]}")
        return
    box = axes.get_position()
    share = 1 - _NOTE / _WIDTH_IN
    axes.set_position((box.x0, box.y0, box.width * share, box.height))
    stacked(axes, bars, parts, _WIDTH_IN * share, partial(plus_minus, scale=1e3, form=".2f"))
    axes.set_xlabel(f"% of the mean {_NAMES[metric]}")
    axes.legend(handles=part_key(parts), loc="upper left", bbox_to_anchor=(-0.12, -0.36 / (_ROW_IN * len(bars) + 0.1)),
                ncols=7, fontsize=SMALLEST_PT, frameon=False, borderaxespad=0, handlelength=1.4, handletextpad=0.3,
                columnspacing=0.8)  # fmt: skip


def _note(data: CaseSplit, concurrency: int, metric: str, whole: Summary) -> str:
    return f"{plus_minus(whole, 1e3, '.2f')} ms\n{data.counted[concurrency, metric]:,} requests"
