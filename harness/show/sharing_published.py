"""The prefix-sharing figure's panel about Mooncake's published ratios."""

from matplotlib.axes import Axes

from harness.analyse.sharing_series import rows_of
from harness.record.sharing_tables import GLOBAL_POOL, LIMITED, PUBLISHED, RATIOS, UNLIMITED, VLLM
from harness.record.study_slot import StudySlot
from harness.show.sharing_panels import LINE, MARK, key, logarithmic
from harness.show.style import BLACK, BLUE, ORANGE

_LOOKS = {
    PUBLISHED: ("published (earlier trace)", {"color": BLACK, "marker": "x", "linestyle": ":"}),
    GLOBAL_POOL: ("same method (global pool), this trace", {"color": ORANGE, "marker": "s", "linestyle": "--"}),
    VLLM: ("vLLM's pool, this trace", {"color": BLUE, "marker": "o", "linestyle": "-"}),
}


def published(axes: Axes, slot: StudySlot) -> None:
    """LRU: what was published of an earlier trace, the same count on this one, and vLLM's pool on this one."""
    for source, (name, look) in _LOOKS.items():
        rows = rows_of(slot, RATIOS, source=source, policy="LRU")
        limited = sorted((row["capacity_blocks"], row["hit_ratio"]) for row in rows if row["cache"] == LIMITED)
        axes.plot([x for x, _ in limited], [y for _, y in limited], label=name, lw=LINE, ms=MARK, **look)  # type: ignore[arg-type]
    logarithmic(axes, "x")
    for source, (_, look) in _LOOKS.items():
        for row in rows_of(slot, RATIOS, source=source, policy="LRU", cache=UNLIMITED):
            axes.axhline(row["hit_ratio"], lw=0.4, color=look["color"], ls=look["linestyle"])
    axes.set(xlabel="cache size (blocks of 512 tokens)", ylabel="LRU hit ratio (of prompt blocks)")
    axes.set_ylim(0, 0.75)
    key(axes, "upper left")
