"""The paper's start-up predictor (its figure 17): six straight lines and two means, added up.

Every line is plain least squares over the means of the training models; what is predicted is the total that
``paper_average`` defines. Source of the model lists and of the capture term: the paper's recorded predictor data, from
which the published predictions follow to 1e-6.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.analyse.dataset import TOTAL, CaseData, Side
from harness.analyse.paper_average import mean_seconds
from harness.analyse.regression import Fit, fit
from harness.analyse.stats import Summary

VALIDATION = ("falcon-11b", "gemma-7b", "llama3-3b", "mistral-7b", "qwen-7b")
# Neither trained on nor in the published figure: mixture of experts, 4-bit weights, a hybrid with warm weights.
SET_ASIDE = ("qwen-14.3b", "deepseek-v2-lite-16b", "gpt-oss-20b", "granite4.0-h-32b")

# step → the kind of size that its line is over
LINES = {
    "load_weights": "size",
    "kv_cache_profiling": "size",
    "dynamo_transform_time": "graph",
    "graph_compile_cached": "graph",
    "tokenizer_init": "tokenizer",
    "graph_capturing": "size",
}
MEANS = ("model_init", "framework_bootstrap")
LEAST_MODELS = 3

# The paper trains the capture line over size × 67 and predicts with size × 1 (it captures 35 graphs, in fact).
TRAINED_BATCH, PUBLISHED_BATCH = 67, 1


class TooFewModelsError(Exception):
    """A line cannot be fitted. The message says what is missing."""


@dataclass(frozen=True)
class Predictor:
    """Trained lines (step → name of the size, line) and means (step → seconds)."""

    trained_on: tuple[str, ...]
    lines: Mapping[str, tuple[str, Fit]]
    means: Mapping[str, float]
    absent: tuple[str, ...]  # terms that no training start states: this engine does not have them, or not log them

    def predict(self, facts: Mapping[str, float], batch: float = PUBLISHED_BATCH) -> float | None:
        """Seconds of a start of a model with these sizes; None if one of them is unknown.

        ``batch``: the factor of the capture term, in the unit it was trained with.
        """
        if any(axis not in facts for axis, _ in self.lines.values()):
            return None
        lines = (
            line.predict(facts[axis] * (batch if step == "graph_capturing" else 1))
            for step, (axis, line) in self.lines.items()
        )
        return sum(lines) + sum(self.means.values())


@dataclass(frozen=True)
class Prediction:
    """A model that the predictor was not trained on: seconds predicted, seconds measured."""

    model: str
    predicted_s: float
    measured: Summary

    @property
    def error(self) -> float:
        """Relative to what was measured; negative: predicted too short."""
        return self.predicted_s / self.measured.mean - 1


def size_axes(side: Side) -> dict[str, str]:
    """Kind of size → the fact it is on this side: the paper's table, or what was measured of the own model files."""
    if side.whose == "paper":
        return {"size": "size_b", "graph": "graph_kb", "tokenizer": "tokenizer_mb"}
    on_disk = any("checkpoint_mb" in case.facts for case in side.cases)
    return {"size": "checkpoint_mb" if on_disk else "size_b", "graph": "graph_code_kb", "tokenizer": "tokenizer_mb"}


def training_cases(side: Side, without: Iterable[str] = ()) -> list[CaseData]:
    """The side's models without those to predict, those set aside, and ``without``."""
    excluded = {*VALIDATION, *SET_ASIDE, *without}
    return [case for case in side.cases if case.model not in excluded and mean_seconds(case, TOTAL)]


def train(side: Side, without: Iterable[str] = ()) -> Predictor:
    """The predictor from the side's own starts.

    Raises:
        TooFewModelsError: fewer than ``LEAST_MODELS`` training models, or models that are all of one size.
    """
    cases, axes = training_cases(side, without), size_axes(side)
    if len(cases) < LEAST_MODELS:
        raise TooFewModelsError(f"needs measured starts of at least {LEAST_MODELS} training models, has {len(cases)}")
    batch = TRAINED_BATCH if side.whose == "paper" else PUBLISHED_BATCH
    lines: dict[str, tuple[str, Fit]] = {}
    for step, kind in LINES.items():
        points = _points(cases, step, axes[kind], batch if step == "graph_capturing" else 1)
        if points is None:
            continue
        line = fit(points)
        if line is None:
            raise TooFewModelsError(
                f"{step} needs at least {LEAST_MODELS} training models of different {axes[kind]}, "
                f"has {len({x for _, x, _ in points})}"
            )
        lines[step] = (axes[kind], line)
    means = {step: mean for step in MEANS if (mean := _mean(cases, step)) is not None}
    absent = tuple(term for term in (*LINES, *MEANS) if term not in lines and term not in means)
    return Predictor(tuple(case.model for case in cases), lines, means, absent)


def predictions(predictor: Predictor, cases: Iterable[CaseData], batch: float = PUBLISHED_BATCH) -> list[Prediction]:
    """One for each case whose total is measured and whose sizes are known."""
    out = []
    for case in cases:
        measured, predicted_s = mean_seconds(case, TOTAL), predictor.predict(case.facts, batch)
        if measured and predicted_s is not None:
            out.append(Prediction(case.model, predicted_s, measured))
    return out


def mape(made: Iterable[Prediction]) -> float | None:
    """Mean absolute relative error, 0…; None without predictions."""
    errors = [abs(prediction.error) for prediction in made]
    return sum(errors) / len(errors) if errors else None


def covered_share(predictor: Predictor, cases: Iterable[CaseData]) -> float | None:
    """Which part of the measured totals the predictor's terms are about, 0…1, over all these cases together."""
    covered = total = 0.0
    for case in cases:
        if whole := mean_seconds(case, TOTAL):
            total += whole.mean
            parts = (mean_seconds(case, step) for step in (*predictor.lines, *predictor.means))
            covered += sum(part.mean for part in parts if part)
    return covered / total if total else None


def _points(cases: Iterable[CaseData], step: str, axis: str, scale: float) -> list[tuple[str, float, float]] | None:
    """(model, size, seconds) of each case that has both; None if no case states the step."""
    told = [(case, found) for case in cases if (found := mean_seconds(case, step))]
    if not told:
        return None
    return [(case.model, case.facts[axis] * scale, found.mean) for case, found in told if axis in case.facts]


def _mean(cases: Iterable[CaseData], step: str) -> float | None:
    found = [value.mean for case in cases if (value := mean_seconds(case, step))]
    return sum(found) / len(found) if found else None
