"""The head-room figure's points by setting, and the curves that it draws, out of a slot's rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from harness.analyse.paired import ByRepeat
from harness.analyse.stats import Summary, summarise
from harness.record.headroom_tables import NONE, POINTS, SECONDS, SIM
from harness.record.study_slot import StudySlot
from harness.record.tables import Cell


@dataclass(frozen=True, order=True)
class Group:
    """What is compared within: the same requests, model and mode, so that only the policy differs."""

    workload: str
    model: str
    mode: str


@dataclass(frozen=True, order=True)
class Setting:
    """One policy with one parameter, in a group."""

    group: Group
    search: str
    parameter: float

    @property
    def without(self) -> "Setting":
        """vLLM as it is, in the same group."""
        return replace(self, search=NONE, parameter=0.0)


Metrics = Mapping[str, ByRepeat]  # metric → repeat → value
Points = Mapping[Setting, Metrics]


@dataclass(frozen=True)
class At:
    """A metric at one parameter, over repeats."""

    parameter: float
    over: Summary


def points_of(rows: Iterable[tuple[Cell, ...]], tier: str = SIM, arrivals: str = SECONDS) -> Points:
    """The points of a tier and kind of arrivals, in the order of points.csv."""
    found: dict[Setting, dict[str, dict[int, float]]] = {}
    settings: dict[tuple[Any, ...], Setting] = {}
    for row in rows:
        _, workload, repeat, model, of_tier, search, parameter, mode, by, *_, metric, value, _ = cast(list[Any], row)
        if (of_tier, by) != (tier, arrivals):
            continue
        named = (workload, model, mode, search, parameter)
        if named not in settings:
            settings[named] = Setting(Group(workload, model, mode), search, parameter)
        found.setdefault(settings[named], {}).setdefault(metric, {})[repeat] = value
    return found


def slot_points(slot: StudySlot, tier: str = SIM, arrivals: str = SECONDS) -> Points:
    """``points_of`` a slot."""
    return points_of(slot.tables[POINTS.name], tier, arrivals)


def complete(points: Points) -> Points:
    """Without the settings that lack a repeat which ``none`` has in their group, and without groups that lack ``none``.

    A mean over fewer repeats is one of other workloads.
    """
    kept = {}
    for setting, metrics in points.items():
        base = points.get(setting.without)
        if base and _repeats(base) == _repeats(metrics):
            kept[setting] = metrics
    return kept


def groups_of(points: Points) -> list[Group]:
    """In the order of their first point."""
    return list(dict.fromkeys(setting.group for setting in points))


def of_search(points: Points, group: Group, search: str) -> list[Setting]:
    """The group's settings of one search, by parameter."""
    return sorted(setting for setting in points if (setting.group, setting.search) == (group, search))


def curve(points: Points, group: Group, search: str, *metrics: str) -> list[At]:
    """The sum of the metrics over the parameters of a search, ascending; parameters that lack one are left out."""
    found = []
    for setting in of_search(points, group, search):
        over = summarise(_summed(points[setting], metrics).values())
        if over is not None:
            found.append(At(setting.parameter, over))
    return found


def changes(points: Points, group: Group, search: str, *metrics: str) -> dict[float, Summary]:
    """Parameter → difference of the metrics' sum to that of none, over the paired repeats."""
    base = _summed(points.get(Setting(group, NONE, 0.0), {}), metrics)
    found = {}
    for setting in of_search(points, group, search):
        values = _summed(points[setting], metrics)
        over = summarise(values[repeat] - base[repeat] for repeat in sorted(values.keys() & base.keys()))
        if over is not None:
            found[setting.parameter] = over
    return found


def _summed(of: Metrics, metrics: Sequence[str]) -> ByRepeat:
    """Of the repeats that have all of the metrics."""
    values = [of.get(metric, {}) for metric in metrics]
    repeats = set(values[0]).intersection(*values[1:])
    return {repeat: sum(each[repeat] for each in values) for repeat in sorted(repeats)}


def mean_of(points: Points, setting: Setting, metric: str) -> float | None:
    """The metric's mean over repeats; None if it does not exist."""
    over = summarise(points.get(setting, {}).get(metric, {}).values())
    return over.mean if over else None


def _repeats(metrics: Metrics) -> frozenset[int]:
    return frozenset(metrics.get("requests", {}))
