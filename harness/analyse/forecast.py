"""Seconds of a start, phase by phase, from facts known before it and from a node's earlier starts.

One line per phase (``forecast_phases``), added up; loading is bytes over the bandwidth of the storage state. A forecast
of one node is carried to another by one factor per phase, from a few starts there (``calibrated``). Every number comes
with a 95 % prediction interval: where a single new model's mean start will fall.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from harness.analyse.forecast_line import Line, Spread, distinct_terms, fit_line, spread_of
from harness.analyse.forecast_phases import LOAD, PHASE
from harness.analyse.forecast_points import folded, phases_with_a_line, points_of, row_of
from harness.analyse.forecast_range import TWINS_ONLY, Seen, seen_in
from harness.analyse.forecast_seconds import Loading, Seconds, count
from harness.analyse.forecast_starts import Cache, Start
from harness.analyse.forecast_states import Sorted, State
from harness.analyse.model_facts import TERMS, ModelFacts

# Bytes of tokenizer.json per entry of the vocabulary, where no training model's is known: median over models.yaml.
USUAL_BYTES_PER_ENTRY = 55.0
LEAST_CALIBRATION = 2  # models that tell how far off a carried forecast may be


@dataclass(frozen=True)
class Prediction:
    """A start's forecast: ``phases`` add up to ``total`` (in seconds; intervals do not add)."""

    total: Seconds
    phases: Mapping[str, Seconds]
    outside: tuple[str, ...]  # per fact: what lies beyond the training models, and beyond those it was carried by
    load_source: str
    no_interval: str | None  # why the total has none


@dataclass(frozen=True)
class Calibration:
    """The few starts that a forecast was carried to another node by.

    ``factors``: phase → what its line is multiplied with there.
    """

    factors: Mapping[str, float]
    models: int
    seen: Seen

    def doubt(self, facts: ModelFacts) -> str | None:
        """Why they cannot say how far off a forecast of this model may be; None: they can."""
        if self.models < LEAST_CALIBRATION:
            return f"carried by {count(self.models, 'model')}, needs {LEAST_CALIBRATION} to know how far off it may be"
        if not self.seen.holds_checkpoint(facts):
            return "the checkpoint lies beyond those of the starts that it was carried by"
        return None


@dataclass(frozen=True)
class Forecast:
    """Trained lines. ``calibration`` None: of the node that it was trained on."""

    cache: Cache
    state: State
    models: tuple[str, ...]
    lines: Mapping[str, Line]
    total: Spread
    seen: Seen
    bytes_per_entry: float
    calibration: Calibration | None = None

    def predict(self, facts: ModelFacts, loading: Loading | None = None, load_format: str = "") -> Prediction:
        """The forecast for a model; ``loading``: another storage state, ``load_format``: another one without starts."""
        at = row_of(facts, self.bytes_per_entry)
        carried = self.calibration
        doubt = carried.doubt(facts) if carried else None
        extra = 1 / carried.models if carried else 0.0  # the factors are means of so many
        phases = {}
        for name, line in self.lines.items():
            factor = carried.factors.get(name, 1.0) if carried else 1.0
            variance = None if doubt else line.spread.variance(at)
            scaled = None if variance is None else variance * factor**2 * (1 + extra)
            phases[name] = Seconds(line.seconds(at) * factor, line.spread.half_width(scaled))
        whole = None if doubt else self.total.variance(at)
        if whole is not None:
            plain = sum(line.seconds(at) for name, line in self.lines.items() if name != LOAD)
            here = sum(phases[name].seconds for name in phases if name != LOAD)
            whole *= (here / plain) ** 2 * (1 + extra) if plain else 1.0
        half = self.total.half_width(whole)
        if half is None:
            doubt = doubt or "too few models measured to know how far off this may be"
        source, load_doubt = self._load_source(), self._load_doubt(facts, load_format)
        if loading is not None:
            phases[LOAD], source, load_doubt = loading.seconds(facts), loading.source, loading.doubt(facts)
            half = None if half is None else math.hypot(half, phases[LOAD].half_width or 0.0)
        if load_doubt:
            phases[LOAD], half = Seconds(phases[LOAD].seconds, None), None
        total = Seconds(math.fsum(each.seconds for each in phases.values()), half)
        outside = self.seen.outside(facts, load_format)
        if carried:
            outside += carried.seen.outside(facts, load_format, "calibration")
        return Prediction(total, phases, tuple(dict.fromkeys(outside)), source, load_doubt or doubt)

    def _load_source(self) -> str:
        """What loading is predicted from."""
        over, line = count(len(self.models), "model"), self.lines.get(LOAD)
        if line is not None and line.terms != ("one",):
            over = f"line over {over}"
        elif len(self.models) > 1:
            over = f"mean of {over}"
        by = f" times what {count(self.calibration.models, 'model')} took here," if self.calibration else ""
        return f"{over}{by} loaded from {self.state.words()}"

    def _load_doubt(self, facts: ModelFacts, load_format: str) -> str | None:
        """Why loading's line has no interval for this model; None: it has one."""
        seen = self.calibration.seen if self.calibration else self.seen
        if LOAD in self.lines and seen.only_twins(facts):
            return TWINS_ONLY
        return f"no start loads {load_format}" if load_format and load_format not in seen.load_formats else None


def seconds_of_start(
    forecast: Forecast, facts: ModelFacts | None, cache: Cache, loading: Loading | None = None
) -> Seconds | None:
    """Seconds of one start with its interval, for who plans starts; None if this forecast cannot say.

    ``cache``: what the start will find in its compile caches; None comes back if the forecast is of another.
    """
    if facts is None or cache != forecast.cache:
        return None
    return forecast.predict(facts, loading).total


def train(found: Sorted, cache: Cache, without: str | None = None) -> Forecast | None:
    """The forecast from a sweep's usable starts, all of the model ``without`` held out; None if none is left."""
    points = points_of(start for start in found.used if start.model != without)
    if not points or found.main is None:
        return None
    per_entry = [p.facts.tokenizer_bytes / p.facts.vocabulary for p in points if p.facts.tokenizer_bytes]
    bytes_per_entry = median(per_entry) if per_entry else USUAL_BYTES_PER_ENTRY
    rows = [row_of(point.facts, bytes_per_entry) for point in points]
    own = phases_with_a_line(points)
    seconds = [folded(point.seconds, own) for point in points]
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
    )


def calibrated(forecast: Forecast, starts: Sequence[Start], state: State) -> Forecast:
    """The forecast carried to the node of ``starts``: each phase's line times what these took over what it says.

    ``state``: that of those starts. A phase that they do not state is 0 there; one that only they state goes with the
    remainder.
    """
    told = [(start, start.facts) for start in starts if start.facts is not None]
    factors = {}
    for name, line in forecast.lines.items():
        here = math.fsum(folded(start.seconds, tuple(forecast.lines)).get(name, 0.0) for start, _ in told)
        there = math.fsum(line.seconds(row_of(facts, forecast.bytes_per_entry)) for _, facts in told)
        factors[name] = here / there if there > 0 else 1.0
    seen = seen_in([facts for _, facts in told], {start.load_format for start, _ in told})
    calibration = Calibration(factors, len({start.model for start, _ in told}), seen)
    return replace(forecast, calibration=calibration, state=state)
