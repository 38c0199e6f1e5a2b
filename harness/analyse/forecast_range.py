"""What the training models were like, and in which facts a model lies outside of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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


_UNITS = {"checkpoint": " GB", "layers": "", "tokenizer": " MB", "vocabulary": " entries"}
_MARGIN = 0.05  # beyond the range by less is no extrapolation, and some sizes are known as rounded numbers only


@dataclass(frozen=True)
class Seen:
    """Least and most of each fact, kinds of models, and load formats, of the training starts."""

    ranges: Mapping[str, tuple[float, float]]
    kinds: tuple[str, ...]
    load_formats: tuple[str, ...]

    def outside(self, facts: ModelFacts, load_format: str = "") -> tuple[str, ...]:
        """One line for each fact that no training model was like; ``load_format`` empty: the trained one."""
        found = []
        for name, (least, most) in self.ranges.items():
            value = _numbers(facts)[name]
            if value is not None and not least * (1 - _MARGIN) <= value <= most * (1 + _MARGIN):
                between = f"{_number(least)} to {_number(most)}{_UNITS[name]}"
                found.append(f"{name} {_number(value)}{_UNITS[name]}, trained on {between}")
        if facts.tokenizer_bytes is None and "tokenizer" in self.ranges:
            found.append("tokenizer's size is not known; estimated from the vocabulary")
        unseen = sorted(_kinds(facts) - set(self.kinds))
        found += [f"{kind}: never seen in training" for kind in unseen]
        if load_format and load_format not in self.load_formats:
            found.append(f"load format {load_format}: never seen, trained on {', '.join(self.load_formats)}")
        return tuple(found)


def _number(value: float) -> str:
    """Whole, or three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def seen_in(models: Sequence[ModelFacts], load_formats: Iterable[str]) -> Seen:
    """The ranges over the training models."""
    ranges = {}
    for name in _UNITS:
        values = [value for facts in models if (value := _numbers(facts)[name]) is not None]
        if values:
            ranges[name] = (min(values), max(values))
    kinds = sorted({kind for facts in models for kind in _kinds(facts)})
    return Seen(ranges, tuple(kinds), tuple(sorted(load_formats)))


def _kinds(facts: ModelFacts) -> set[str]:
    """How the model's phases may differ in kind, not in size."""
    kinds = {"mixture of experts" if facts.experts else "dense model"}
    if facts.hybrid:
        kinds.add("hybrid architecture (layers without attention)")
    if facts.quantised:
        kinds.add("quantised weights")
    return kinds
