"""How far forecasts are off models that they have not seen: leave-one-out on a node, and carried across nodes."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from harness.analyse.dataset import MEASURED
from harness.analyse.forecast import Forecast, Prediction, calibrated, train
from harness.analyse.forecast_points import points_of
from harness.analyse.forecast_starts import Cache, Start
from harness.analyse.forecast_states import Flag, Sorted, most_models, sort_starts
from harness.analyse.model_facts import TERMS

CALIBRATION_STARTS = 3
LEAST_MODELS = len(TERMS)  # of a node whose lines are carried elsewhere: fewer cannot tell all terms apart


@dataclass(frozen=True)
class HeldOut:
    """A model (as the data calls it) predicted from the others, beside the mean of its starts."""

    model: str
    prediction: Prediction
    measured_s: float

    @property
    def error(self) -> float:
        """Relative to what was measured; negative: predicted too short."""
        return self.prediction.total.seconds / self.measured_s - 1

    @property
    def covered(self) -> bool | None:
        """Whether what was measured lies in the interval; None without one."""
        total = self.prediction.total
        return None if total.half_width is None else abs(total.seconds - self.measured_s) <= total.half_width


@dataclass(frozen=True)
class Errors:
    """Held-out models of one node (or of a pair of nodes)."""

    held_out: tuple[HeldOut, ...]

    @property
    def mape(self) -> float | None:
        """Mean absolute relative error in percent; None without predictions."""
        return 100 * sum(abs(each.error) for each in self.held_out) / len(self.held_out) if self.held_out else None

    @property
    def max_ape(self) -> float | None:
        """The largest, in percent."""
        return 100 * max(abs(each.error) for each in self.held_out) if self.held_out else None

    @property
    def coverage(self) -> float | None:
        """Percent of the models whose start lies in its 95 % interval, of those that have one."""
        told = [each.covered for each in self.held_out if each.covered is not None]
        return 100 * sum(told) / len(told) if told else None


@dataclass(frozen=True)
class Sweep:
    """A node's starts of one compile-cache state, sorted by what they have in common."""

    node: str
    cache: Cache
    found: Sorted

    @property
    def models(self) -> list[str]:
        """The models that are used, in the order of their starts."""
        return list(dict.fromkeys(start.model for start in self.found.used))


def sweep(node: str, starts: Sequence[Start], cache: Cache | None = None) -> Sweep:
    """The sweep to evaluate.

    ``cache`` None: what most models' measured starts found; starts that found something else are flagged. Starts with
    a fault are flagged whatever they found.
    """
    if cache is not None:
        return Sweep(node, cache, sort_starts(trainable(starts, cache)))
    measured = [start for start in starts if start.kind == MEASURED]
    sound = [start for start in measured if start.fault is None]
    usual = most_models(sound, lambda start: start.cache) or "warm"
    found = sort_starts(start for start in measured if start.cache == usual or start.fault)
    used = {start.label for start in found.used}
    odd = {start.label: _FOUND[start.cache] for start in sound if start.cache != usual}
    flags = [Flag(name, f"{what}, the others' {_FOUND[usual]}", name not in used) for name, what in odd.items()]
    return Sweep(node, usual, Sorted(found.main, found.used, found.others, (*found.flags, *flags)))


_FOUND = {"warm": "starts loaded compiled graphs", "empty": "starts compiled", "off": "starts compiled nothing"}


def trainable(starts: Sequence[Start], cache: Cache) -> list[Start]:
    """The starts that found this in their compile caches; warm-up starts only where they are to compile.

    Those with a fault too, to be flagged: what they found can often not be told.
    """
    alike = (start for start in starts if start.cache == cache or start.fault)
    return [start for start in alike if cache == "empty" or start.kind == MEASURED]


def leave_one_out(one: Sweep) -> Errors:
    """Every model predicted from all others; all repeats of a model are held out together."""
    points = points_of(one.found.used)
    forecasts = {model: train(one.found, one.cache, without=model) for model in one.models}
    told = [(point, forecast) for point in points if (forecast := forecasts[point.model]) is not None]
    return Errors(tuple(HeldOut(p.label, forecast.predict(p.facts), p.total_s) for p, forecast in told))


def calibration_starts(one: Sweep, most: int = CALIBRATION_STARTS) -> list[Start]:
    """The starts that would be made first on a new node: one of the smallest, the middle, and the largest model.

    Chosen by checkpoint bytes alone, and at least one model stays to be predicted.
    """
    first: dict[str, Start] = {}
    for start in one.found.used:
        first.setdefault(start.model, start)
    by_size = sorted(
        first.values(), key=lambda start: (start.facts.checkpoint_bytes if start.facts else 0, start.model)
    )
    count = min(most, len(by_size) - 1)
    if count <= 0:
        return []
    places = [0] if count == 1 else [round(at * (len(by_size) - 1) / (count - 1)) for at in range(count)]
    return [by_size[place] for place in places]


def across(origin: Sweep, target: Sweep) -> tuple[int, Errors]:
    """The origin's forecast carried to the target by its calibration starts: how many those are, and the errors.

    A model to be predicted is held out of the origin's training too, and is none of those calibrated with.
    """
    calibration = calibration_starts(target)
    if target.found.main is None or not calibration or len(origin.models) < LEAST_MODELS:
        return 0, Errors(())
    state = target.found.main
    known = {start.model for start in calibration}

    @functools.cache
    def carried(without: str) -> Forecast | None:
        forecast = train(origin.found, origin.cache, without)
        return None if forecast is None else calibrated(forecast, calibration, state)

    held_out = []
    for point in points_of(target.found.used):
        if point.model not in known and (forecast := carried(point.model)) is not None:
            held_out.append(HeldOut(point.label, forecast.predict(point.facts), point.total_s))
    return len(calibration), Errors(tuple(held_out))
