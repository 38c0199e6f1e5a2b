"""Seconds of a start, phase by phase, from facts known before it and from a node's earlier starts.

One line per phase (``forecast_phases``), added up; loading is bytes over the bandwidth of the storage state. A forecast
of one node is carried to another by one factor per phase, from a few starts there (``calibrated``). Every number comes
with a 95 % prediction interval: where a single new model's mean start will fall.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from harness.analyse.forecast_line import Line, Row, Spread, distinct_terms, fit_line, spread_of
from harness.analyse.forecast_phases import LOAD, PHASE, PHASES, REMAINDER
from harness.analyse.forecast_range import Seen, seen_in
from harness.analyse.forecast_starts import Cache, Start
from harness.analyse.forecast_states import Sorted, State
from harness.analyse.model_facts import TERMS, ModelFacts

# Bytes of tokenizer.json per entry of the vocabulary, where no training model's is known: median over models.yaml.
USUAL_BYTES_PER_ENTRY = 55.0


@dataclass(frozen=True)
class Seconds:
    """One predicted duration; ``half_width`` of its 95 % interval, None: too few starts to know one."""

    seconds: float
    half_width: float | None

    @property
    def low(self) -> float | None:
        """Lower end of the interval; nothing takes less than no time."""
        return None if self.half_width is None else max(0.0, self.seconds - self.half_width)

    @property
    def high(self) -> float | None:
        """Upper end."""
        return None if self.half_width is None else self.seconds + self.half_width


@dataclass(frozen=True)
class Loading:
    """How fast weights are read in a state that is not the training one, and how that is known."""

    bytes_per_s: float
    source: str
    relative_sd: float | None  # of seconds about bytes over bandwidth
    freedom: int


@dataclass(frozen=True)
class Prediction:
    """A start's forecast: ``phases`` add up to ``total`` (in seconds; intervals do not add)."""

    total: Seconds
    phases: Mapping[str, Seconds]
    outside: tuple[str, ...]  # per fact: what lies beyond the training models
    load_source: str


@dataclass(frozen=True)
class Point:
    """One model's mean start: what a line is fitted through."""

    model: str
    label: str
    facts: ModelFacts
    seconds: Mapping[str, float]

    @property
    def total_s(self) -> float:
        """Sum of the phases."""
        return math.fsum(self.seconds.values())


@dataclass(frozen=True)
class Forecast:
    """Trained lines. ``factors``: phase → what its line is multiplied with on the node it was carried to."""

    cache: Cache
    state: State
    models: tuple[str, ...]
    lines: Mapping[str, Line]
    total: Spread
    seen: Seen
    bytes_per_entry: float
    factors: Mapping[str, float]
    calibration_models: int = 0  # of the node it was carried to; 0: it is of the node it was trained on

    def predict(self, facts: ModelFacts, loading: Loading | None = None, load_format: str = "") -> Prediction:
        """The forecast for a model; ``loading``: another storage state than the training one."""
        at = row_of(facts, self.bytes_per_entry)
        extra = 1 / self.calibration_models if self.calibration_models else 0.0  # the factors are means of so many
        phases, variances = {}, {}
        for name, line in self.lines.items():
            factor = self.factors.get(name, 1.0)
            variance = line.spread.variance(at)
            variances[name] = None if variance is None else variance * factor**2 * (1 + extra)
            phases[name] = Seconds(line.seconds(at) * factor, line.spread.half_width(variances[name]))
        whole = self.total.variance(at)
        if whole is not None:
            plain = sum(line.seconds(at) for name, line in self.lines.items() if name != LOAD)
            here = sum(phases[name].seconds for name in phases if name != LOAD)
            whole *= (here / plain) ** 2 * (1 + extra) if plain else 1.0
        half = self.total.half_width(whole)
        source = f"line over {len(self.models)} models loaded from {self.state.words()}"
        if loading is not None:
            seconds = facts.checkpoint_bytes / loading.bytes_per_s
            sd = None if loading.relative_sd is None else loading.relative_sd * seconds
            other = Spread((), (), sd, loading.freedom)
            own = other.half_width(None if sd is None else sd**2)
            phases[LOAD] = Seconds(seconds, own)
            half = None if half is None or own is None else math.hypot(half, own)
            source = loading.source
        total = Seconds(math.fsum(each.seconds for each in phases.values()), half)
        return Prediction(total, phases, self.seen.outside(facts, load_format), source)


def seconds_of_start(
    forecast: Forecast, facts: ModelFacts | None, cache: Cache, loading: Loading | None = None
) -> Seconds | None:
    """Seconds of one start with its interval, for who plans starts; None if this forecast cannot say.

    ``cache``: what the start will find in its compile caches; None comes back if the forecast is of another.
    """
    if facts is None or cache != forecast.cache:
        return None
    return forecast.predict(facts, loading).total


def points_of(starts: Iterable[Start]) -> list[Point]:
    """One point per model (and per size of its files: a twin is another point), the mean over its starts.

    A phase that a start does not state took none of its time: it is in the start's remainder, and the sum stays.
    """
    groups: dict[tuple[str, str, ModelFacts], list[Start]] = {}
    for start in starts:
        if start.facts is not None:
            groups.setdefault((start.model, start.label, start.facts), []).append(start)
    points = []
    for (model, label, facts), group in groups.items():
        names = [phase.name for phase in PHASES if any(phase.name in start.seconds for start in group)]
        sums = {name: math.fsum(start.seconds.get(name, 0.0) for start in group) for name in names}
        points.append(Point(model, label, facts, {name: value / len(group) for name, value in sums.items()}))
    return points


def train(found: Sorted, cache: Cache, without: str | None = None) -> Forecast | None:
    """The forecast from a sweep's usable starts, all of the model ``without`` held out; None if none is left."""
    points = points_of(start for start in found.used if start.model != without)
    if not points or found.main is None:
        return None
    per_entry = [p.facts.tokenizer_bytes / p.facts.vocabulary for p in points if p.facts.tokenizer_bytes]
    bytes_per_entry = median(per_entry) if per_entry else USUAL_BYTES_PER_ENTRY
    rows = [row_of(point.facts, bytes_per_entry) for point in points]
    own = _phases_with_a_line(points)
    seconds = [_folded(point.seconds, own) for point in points]
    lines = {}
    for name in own:
        told = [(row, each[name]) for row, each in zip(rows, seconds, strict=True) if name in each]
        lines[name] = fit_line([row for row, _ in told], [value for _, value in told], PHASE[name].terms)
    predicted = [sum(line.seconds(row) for line in lines.values()) for row in rows]
    residuals = [point.total_s - value for point, value in zip(points, predicted, strict=True)]
    terms = distinct_terms(rows, [term for term in TERMS if any(term in line.terms for line in lines.values())])
    return Forecast(
        cache=cache,
        state=found.main,
        models=tuple(dict.fromkeys(point.model for point in points)),
        lines=lines,
        total=spread_of(rows, residuals, terms),
        seen=seen_in([point.facts for point in points], {start.load_format for start in found.used}),
        bytes_per_entry=bytes_per_entry,
        factors={},
    )


def calibrated(forecast: Forecast, starts: Sequence[Start], state: State) -> Forecast:
    """The forecast carried to the node of ``starts``: each phase's line times what these took over what it says.

    ``state``: that of those starts. A phase that they do not state is 0 there; one that only they state goes with the
    remainder.
    """
    told = [start for start in starts if start.facts is not None]
    factors = {}
    for name, line in forecast.lines.items():
        here = there = 0.0
        for start in told:
            assert start.facts is not None
            here += _folded(start.seconds, tuple(forecast.lines)).get(name, 0.0)
            there += line.seconds(row_of(start.facts, forecast.bytes_per_entry))
        factors[name] = here / there if there > 0 else 1.0
    return replace(forecast, factors=factors, calibration_models=len({start.model for start in told}), state=state)


def row_of(facts: ModelFacts, bytes_per_entry: float) -> Row:
    """Every term's value for a model."""
    return {name: facts.term(name, bytes_per_entry) for name in TERMS}


def _phases_with_a_line(points: Sequence[Point]) -> tuple[str, ...]:
    """Those that at least half of the models state; the others stay in the remainder."""
    stated = (phase.name for phase in PHASES if phase.name != REMAINDER)
    return (*(name for name in stated if 2 * sum(name in p.seconds for p in points) >= len(points)), REMAINDER)


def _folded(seconds: Mapping[str, float], own: Sequence[str]) -> dict[str, float]:
    """The phases with the ones that have no line put into the remainder."""
    out = {name: value for name, value in seconds.items() if name in own}
    rest = math.fsum(value for name, value in seconds.items() if name not in own)
    return {**out, REMAINDER: out.get(REMAINDER, 0.0) + rest}
