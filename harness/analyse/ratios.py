"""Two sides of one comparison (two GPUs, two CPUs, two storages): how many times longer each step takes on the other.

The ratio is taken per model, of the means of its repeats; then the models are averaged. It is not a ratio of means:
every model counts alike, however long it takes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt

from harness.analyse.dataset import MEASURED, TOTAL, CaseData, Side
from harness.analyse.paper_average import mean_seconds
from harness.analyse.stats import Summary, summarise

# The paper's bars. Its published drawing leaves framework_bootstrap out of the same data.
STEPS = (
    "framework_bootstrap",
    "tokenizer_init",
    "model_init",
    "load_weights",
    "dynamo_transform_time",
    "graph_compile_cached",
    "kv_cache_profiling",
    "graph_capturing",
    TOTAL,
)


@dataclass(frozen=True)
class StepRatio:
    """One step: model → other / base, and the summary over the models."""

    step: str
    by_model: Mapping[str, float]
    over_models: Summary

    @property
    def standard_error(self) -> float | None:
        """The paper's error bar; None for one model."""
        return self.over_models.sd / sqrt(self.over_models.n) if self.over_models.sd is not None else None


@dataclass(frozen=True)
class Comparison:
    """``other`` divided by ``base``, for the models that both have."""

    base: Side
    other: Side
    steps: tuple[StepRatio, ...]
    models: tuple[str, ...]
    missing: tuple[str, ...]  # steps that no model states on both sides
    left_out: tuple[str, ...]  # models that cannot be compared, each with the reason
    differing: tuple[str, ...]  # engine arguments that differ between the sides, by model
    starts: tuple[int, int]  # least and most measured starts of a compared case


def compare_sides(base: Side, other: Side) -> Comparison:
    """Ratios other / base of every step, joined by model."""
    one, two = _by_model(base), _by_model(other)
    models = tuple(model for model, cases in one.items() if len(cases) == len(two.get(model, ())) == 1)
    pairs = {model: (one[model][0], two[model][0]) for model in models}
    steps = tuple(ratio for step in STEPS if (ratio := _ratio(step, pairs)))
    counts = [sum(r.kind == MEASURED for r in case.repeats) for pair in pairs.values() for case in pair] or [0]
    return Comparison(
        base,
        other,
        steps,
        models,
        tuple(step for step in STEPS if step not in {ratio.step for ratio in steps}),
        tuple(_left_out(base, other, one, two)),
        tuple(text for model, pair in pairs.items() if (text := _differing(model, *pair))),
        (min(counts), max(counts)),
    )


def _by_model(side: Side) -> dict[str, list[CaseData]]:
    cases: dict[str, list[CaseData]] = {}
    for case in side.cases:
        cases.setdefault(case.model, []).append(case)
    return cases


def _ratio(step: str, pairs: Mapping[str, tuple[CaseData, CaseData]]) -> StepRatio | None:
    """The step over all models that took time in it on both sides: a step that took none has no ratio."""
    by_model = {}
    for model, (base, other) in pairs.items():
        below, above = mean_seconds(base, step), mean_seconds(other, step)
        if below and above and below.mean > 0 and above.mean > 0:
            by_model[model] = above.mean / below.mean
    over_models = summarise(by_model.values())
    return StepRatio(step, by_model, over_models) if over_models else None


def _left_out(
    base: Side, other: Side, one: Mapping[str, list[CaseData]], two: Mapping[str, list[CaseData]]
) -> Iterable[str]:
    for model in dict.fromkeys([*one, *two]):
        if model not in two:
            yield f"{model} (not in {other.slot})"
        elif model not in one:
            yield f"{model} (not in {base.slot})"
        elif len(one[model]) > 1 or len(two[model]) > 1:
            yield f"{model} (several cases of it in one slot)"


def _differing(model: str, base: CaseData, other: CaseData) -> str:
    """``qwen-14b: max_model_len 16752 / default``; empty if nothing differs. Storage is a state, not an argument."""
    names = [*base.parameters, *(name for name in other.parameters if name not in base.parameters)]
    told = [
        f"{name} {base.parameters.get(name, 'default')} / {other.parameters.get(name, 'default')}"
        for name in names
        if name != "storage" and base.parameters.get(name) != other.parameters.get(name)
    ]
    return f"{model}: {', '.join(told)}" if told else ""
