"""The simulator against the real engine: counts and throughput of the same points, and the step-time model."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from harness.analyse.headroom_agreement import Both, Tiers, in_both
from harness.record.headroom_tables import CALIBRATION, FITTED, HELD_OUT, PACED, SECONDS, STEPS
from harness.record.study_slot import StudySlot
from harness.record.tables import cells_of
from harness.show.headroom_looks import MARK, WORKLOAD_MARKERS, Look, empty, from_zero, key, logarithmic
from harness.show.style import BLACK, BLUE, GREY, SKY, VERMILLION

_WITHIN = 0.05  # of the real throughput: what the simulator should reach
_PARTS: dict[str, Look] = {FITTED: {"color": SKY, "marker": "."}, HELD_OUT: {"color": VERMILLION, "marker": "x"}}
_MOST_STEPS = 1500  # dots that are drawn of each part: evenly picked


def preemptions(axes: Axes, tiers: Tiers) -> None:
    """By step, where both must be equal, and by the clock, where they need not."""
    for arrivals, colour, hollow in ((SECONDS, VERMILLION, True), (STEPS, BLUE, False)):
        found = in_both(tiers, "preemptions", arrivals)
        name = "arrivals by step" if arrivals == STEPS else "arrivals by the clock"
        if found:
            axes.plot([each.real for each in found], [each.simulated for each in found], ls="", marker="o",
                      ms=MARK + 1.5 * hollow, mfc="none" if hollow else colour, mec=colour, mew=0.6,
                      label=f"{name} (n={len(found)})")  # fmt: skip
    if not axes.lines:
        empty(axes, "no real point")
        return
    axes.set(xlabel="preemptions, real engine", ylabel="preemptions, simulated")
    from_zero(axes, "x")
    from_zero(axes, "y")
    highest = max(axes.get_xlim()[1], axes.get_ylim()[1])
    axes.plot([0, highest], [0, highest], color=BLACK, lw=0.5, zorder=0)
    axes.set(xlim=(-0.3, highest), ylim=(-0.3, highest))
    key(axes, "upper left")


def throughput(axes: Axes, tiers: Tiers) -> None:
    """By the clock; markers are workloads, the band is ± 5 %."""
    found = [each for each in in_both(tiers, "output_throughput", SECONDS) if min(each.real, each.simulated) > 0]
    if not found:
        empty(axes, "no real point by the clock")
        return
    for at, workload in enumerate(dict.fromkeys(each.setting.group.workload for each in found)):
        mine: Sequence[Both] = [each for each in found if each.setting.group.workload == workload]
        axes.plot([each.real for each in mine], [each.simulated for each in mine], ls="", ms=MARK, mec=BLUE, mew=0.6,
                  mfc="none", marker=WORKLOAD_MARKERS[at % 6], label=f"{workload} (n={len(mine)})")  # fmt: skip
    paced = [each for each in in_both(tiers, "output_throughput", PACED) if min(each.real, each.simulated) > 0]
    if paced:
        axes.plot([each.real for each in paced], [each.simulated for each in paced], ls="", ms=MARK, mec=BLACK, mew=0.6,
                  marker="x", label=f"at the others' pace (n={len(paced)})")  # fmt: skip
    values = [value for each in (*found, *paced) for value in (each.real, each.simulated)]
    low, high = 0.85 * min(values), 1.15 * max(values)
    axes.plot([low, high], [low, high], color=BLACK, lw=0.5, zorder=0)
    below, above = ([(1 + sign * _WITHIN) * each for each in (low, high)] for sign in (-1, 1))
    axes.fill_between([low, high], below, above, color=GREY, alpha=0.5, lw=0, zorder=0, label="± 5 %")
    logarithmic(axes, low, high)
    axes.set(xlabel="output tokens/s, real engine", ylabel="output tokens/s, simulated")
    key(axes, "upper left")


def step_times(axes: Axes, slot: StudySlot) -> None:
    """Seconds of engine steps, measured and as the step-time model says."""
    values: list[float] = []
    for part, look in _PARTS.items():
        rows = cells_of(CALIBRATION, slot.tables[CALIBRATION.name], part=part)
        kept = rows[:: -(-len(rows) // _MOST_STEPS)] if rows else []
        kept = [row for row in kept if row["measured_s"] > 0 and row["predicted_s"] > 0]
        if kept:
            measured, predicted = ([1e3 * row[name] for row in kept] for name in ("measured_s", "predicted_s"))
            values += [*measured, *predicted]
            axes.plot(measured, predicted, ls="",
                      ms=MARK - 0.3, mew=0.5, label=f"{part} (n={len(rows)} steps)", **look)  # fmt: skip
    if not axes.lines:
        empty(axes, "no calibration")
        return
    low, high = min(values) / 1.2, max(values) * 1.2
    axes.plot([low, high], [low, high], color=BLACK, lw=0.5)
    logarithmic(axes, low, high)
    axes.set(xlabel="step, measured (ms)", ylabel="step, predicted (ms)")
    key(axes, "upper left")
