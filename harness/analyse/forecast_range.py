"""What the models of some starts were like, and in which facts another model lies outside of it.

The starts are those that a forecast was trained on, or the few that it was carried to another node by.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.analyse.model_facts import ModelFacts


def _numbers(facts: ModelFacts) -> dict[str, float | None]:
    """The numbers that lines are extrapolated over, as they are said."""
    tokenizer = facts.tokenizer_bytes
    return {
        "checkpoint": facts.checkpoint_bytes / 1e9,
        "layers": float(facts.layers),
        "tokenizer": None if tokenizer is None else tokenizer / 1e6,
        "vocabulary": float(facts.vocabulary),
    }


Stage = Literal["training", "calibration"]
_BY = {"training": "trained on", "calibration": "calibrated with"}
_ORIGINAL, _TWIN = "the original's weights", "a structural twin (random weights, narrow)"
TWINS_ONLY = "a twin's loading says nothing of the original's"
_UNITS = {"checkpoint": " GB", "layers": "", "tokenizer": " MB", "vocabulary": " entries"}
_MARGIN = 0.05  # beyond the range by less is no extrapolation, and some sizes are known as rounded numbers only


@dataclass(frozen=True)
class Seen:
    """Least and most of each fact, kinds of models, and load formats, of the starts."""

    ranges: Mapping[str, tuple[float, float]]
    kinds: tuple[str, ...]
    load_formats: tuple[str, ...]

    def outside(self, facts: ModelFacts, load_format: str = "", stage: Stage = "training") -> tuple[str, ...]:
        """One line for each fact that no model of the starts was like; ``load_format`` empty: theirs."""
        found = []
        for name, value in self._beyond(facts).items():
            least, most = map(_number, self.ranges[name])
            between = least if least == most else f"{least} to {most}"
            found.append(f"{name} {_number(value)}{_UNITS[name]}, {_BY[stage]} {between}{_UNITS[name]}")
        if facts.tokenizer_bytes is None and "tokenizer" in self.ranges:
            found.append("tokenizer's size is not known; estimated from the vocabulary")
        for kind in sorted(_kinds(facts) - set(self.kinds)):
            why = f" ({TWINS_ONLY})" if kind == _ORIGINAL else ""
            found.append(f"{kind}: never seen in {stage}{why}")
        if load_format and load_format not in self.load_formats:
            found.append(f"load format {load_format}: never seen, {_BY[stage]} {', '.join(self.load_formats)}")
        return tuple(found)

    def holds_checkpoint(self, facts: ModelFacts) -> bool:
        """Whether the model's bytes lie in the range."""
        return "checkpoint" not in self._beyond(facts)

    def only_twins(self, facts: ModelFacts) -> bool:
        """Whether the model is an original, and all of these were twins."""
        return not facts.twin and _ORIGINAL not in self.kinds

    def _beyond(self, facts: ModelFacts) -> dict[str, float]:
        """The facts whose numbers lie outside the ranges."""
        numbers = {name: (value, *self.ranges[name]) for name, value in _numbers(facts).items() if name in self.ranges}
        return {
            name: value
            for name, (value, least, most) in numbers.items()
            if value is not None and not least * (1 - _MARGIN) <= value <= most * (1 + _MARGIN)
        }


def _number(value: float) -> str:
    """Whole, or three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def seen_in(models: Sequence[ModelFacts], load_formats: Iterable[str]) -> Seen:
    """The ranges over the models of the starts."""
    ranges = {}
    for name in _UNITS:
        values = [value for facts in models if (value := _numbers(facts)[name]) is not None]
        if values:
            ranges[name] = (min(values), max(values))
    kinds = sorted({kind for facts in models for kind in _kinds(facts)})
    return Seen(ranges, tuple(kinds), tuple(sorted(load_formats)))


def _kinds(facts: ModelFacts) -> set[str]:
    """How the model's phases may differ in kind, not in size."""
    kinds = {"mixture of experts" if facts.experts else "dense model", _TWIN if facts.twin else _ORIGINAL}
    if facts.hybrid:
        kinds.add("hybrid architecture (layers without attention)")
    if facts.quantised:
        kinds.add("quantised weights")
    return kinds
