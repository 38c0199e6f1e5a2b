"""The best parameter of a search, chosen on other repeats than those it is reported on, and the trade-off.

Whoever picks the best of many points and reports it on the same repeats reports its luck, too. From three repeats on,
the parameter for each repeat is chosen on all others (leave one out), and the repeat shows what that choice is worth.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean

from harness.analyse.headroom_findings import PREEMPTIONS, THROUGHPUT
from harness.analyse.headroom_series import Group, Metrics, Points, Setting, mean_of, of_search
from harness.analyse.paired import paired
from harness.record.headroom_tables import NONE, SEARCHES

MOST_LOST = 0.01  # of the output throughput of none
RULE = (
    f"fewest preemptions among the points whose output throughput is at most {MOST_LOST:.0%} below that of none; of "
    "equal ones the higher throughput, then the smaller parameter"
)
LEAVE_OUT_FROM = 3  # repeats


@dataclass(frozen=True)
class Chosen:
    """A search at its best.

    ``parameter``: chosen on all repeats, what somebody would use. ``parameters``: those of the repeats, each chosen on
    the others if ``held_out``, else ``parameter`` again. ``metrics``: of each repeat at its parameter.
    """

    search: str
    parameter: float
    parameters: tuple[float, ...]
    held_out: bool
    metrics: Metrics


def best(points: Points, group: Group, search: str) -> Chosen | None:
    """The search's best point in a group by ``RULE``; None if the group has no such point, or lacks ``none``."""
    base = Setting(group, NONE, 0.0)
    repeats = sorted(points.get(base, {}).get(THROUGHPUT, {}))
    candidates = [setting for setting in of_search(points, group, search) if _judged(points[setting], repeats)]
    if not repeats or not candidates or min(points[base][THROUGHPUT].values()) <= 0:
        return None
    overall = _choose(points, base, candidates, repeats)
    held_out = len(repeats) >= LEAVE_OUT_FROM
    by_repeat = {
        repeat: _choose(points, base, candidates, [each for each in repeats if each != repeat]) if held_out else overall
        for repeat in repeats
    }
    metrics: dict[str, dict[int, float]] = {}
    for repeat, setting in by_repeat.items():
        for metric, values in points[setting].items():
            if repeat in values:
                metrics.setdefault(metric, {})[repeat] = values[repeat]
    parameters = tuple(setting.parameter for setting in by_repeat.values())
    return Chosen(search, overall.parameter, parameters, held_out, metrics)


def _judged(metrics: Metrics, repeats: Sequence[int]) -> bool:
    """Whether the rule's metrics are there for all repeats."""
    throughput, preemptions = (metrics.get(name, {}) for name in (THROUGHPUT, PREEMPTIONS))
    return all(throughput.get(repeat, 0) > 0 and repeat in preemptions for repeat in repeats)


def _choose(points: Points, base: Setting, candidates: Sequence[Setting], repeats: Iterable[int]) -> Setting:
    """By ``RULE``, on these repeats; if every point loses more throughput, the one that loses least."""
    on = list(repeats)

    def kept(setting: Setting) -> float:
        of, against = points[setting][THROUGHPUT], points[base][THROUGHPUT]
        return geometric_mean(of[repeat] / against[repeat] for repeat in on)

    def preemptions(setting: Setting) -> float:
        return fmean(points[setting][PREEMPTIONS][repeat] for repeat in on)

    shares = {setting: round(kept(setting), 12) for setting in candidates}
    allowed = [setting for setting in candidates if shares[setting] >= 1 - MOST_LOST]
    if not allowed:
        return max(candidates, key=lambda setting: (shares[setting], -setting.parameter))
    return min(allowed, key=lambda setting: (preemptions(setting), -shares[setting], setting.parameter))


@dataclass(frozen=True)
class Normalised:
    """A setting on both axes of the trade-off: preemptions per 1,000 requests, and throughput ÷ that of none."""

    setting: Setting
    per_thousand: float
    throughput: float

    @property
    def at(self) -> tuple[float, float]:
        """Cost and gain."""
        return self.per_thousand, self.throughput


def normalised(points: Points, group: Group) -> list[Normalised]:
    """The group's settings against none, means over repeats; those that lack a metric are left out."""
    found = []
    base = points.get(Setting(group, NONE, 0.0), {})
    for setting, metrics in points.items():
        if setting.group == group and setting.search in SEARCHES:
            ratio = paired(base.get(THROUGHPUT, {}), metrics.get(THROUGHPUT, {}))
            preempted, requests = (mean_of(points, setting, name) for name in (PREEMPTIONS, "requests"))
            if ratio and ratio.ratio is not None and preempted is not None and requests:
                found.append(Normalised(setting, 1000 * preempted / requests, ratio.ratio))
    return found


def pareto_front(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of (cost, gain), those that no other beats in one without losing in the other; ascending in both, each once."""
    front: list[tuple[float, float]] = []
    for cost, gain in sorted(set(points), key=lambda point: (point[0], -point[1])):
        if not front or gain > front[-1][1]:
            front.append((cost, gain))
    return front
