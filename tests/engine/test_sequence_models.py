"""Real models of sequences, trained by the engine's torch: they find what there is to find, and nothing else."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from harness.analyse.sequence_baselines import baselines
from harness.analyse.sequence_scores import Evaluation, evaluate
from harness.analyse.sequences import Settings, as_values, make_settings, modelled, split
from harness.engine.environment import Engine, engine_of
from harness.measure.sequence_folder import SequenceModel
from harness.measure.sequence_models import Training, predict_lengths, predict_sequence, train_sequence
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin

pytestmark = [pytest.mark.engine, pytest.mark.beside]

# Every value is followed by each of the others, so that one value tells little; four tell all.
PATTERN = [0, 1, 2, 0, 2, 1, 1, 0, 0, 2, 2, 0, 1, 0, 1, 1, 2, 1, 0, 2]
WINDOW = 8


@pytest.fixture(scope="module")
def engine() -> Engine:
    found = engine_of(load_pin(DEFAULT_CPU_PIN))
    if not found.is_complete:
        pytest.skip("the default engine is not installed: bash run_tests.sh --setup-only")
    return found


def judged(values: Sequence[int], settings: Settings, models: Sequence[SequenceModel], engine: Engine) -> Evaluation:
    array, parts = as_values(values), split(len(values), settings.window)
    sequence = modelled(array, settings)
    found = predict_sequence(array, models, engine)
    predicted = {
        model.name: each[-(parts.end - parts.validation_end) :] for model, each in zip(models, found, strict=True)
    }
    return evaluate(sequence[parts.test], baselines(sequence, settings, parts), predicted, settings)


def test_both_models_learn_a_pattern_that_no_baseline_knows_and_equal_seeds_are_equal(
    engine: Engine, tmp_path: Path
) -> None:
    values = PATTERN * 25
    settings = make_settings("classification", WINDOW, None, values)
    trainings = {"mlp": Training("mlp"), "lstm": Training("lstm", epochs=60), "again": Training("lstm", epochs=60)}
    models = [train_sequence(values, settings, each, tmp_path / name, engine) for name, each in trainings.items()]
    found = judged(values, settings, models[:2], engine)
    assert all(found.scores[name]["accuracy"].value < 0.6 for name in list(found.scores)[:3])
    for name in ("MLP, seed 0", "LSTM, seed 0"):
        assert found.scores[name]["accuracy"].low > 0.9
    assert [each.beats for each in found.comparisons] == [True, True]
    _, once, again = predict_sequence(as_values(values), models, engine)
    assert np.array_equal(once, again)
    weights = [model.folder.joinpath("model.safetensors").read_bytes() for model in models[1:]]
    assert weights[0] == weights[1]


def test_a_regression_learns_lengths_and_gives_a_study_one_for_each_request(engine: Engine, tmp_path: Path) -> None:
    lengths = [10 + 90 * each + each**7 for each in PATTERN]  # 10, 101, 318
    values = lengths * 40
    settings = make_settings("regression", WINDOW, None, values)
    model = train_sequence(values, settings, Training("mlp"), tmp_path / "mlp", engine)
    found = judged(values, settings, [model], engine)
    assert found.comparisons[0].beats is True
    assert found.scores["MLP, seed 0"]["mae"].value < 0.2 * found.scores[found.best_baseline]["mae"].value
    assert found.scores["MLP, seed 0"]["mae"].value == pytest.approx(model.document["metrics"]["test"]["mae"])
    predictions = predict_lengths(lengths, model.folder, engine)
    assert predictions.values[:WINDOW] == [round(np.mean(values[: model.document["split"]["train_end"]]))] * WINDOW
    errors = np.abs(np.array(predictions.values) - lengths)[WINDOW:]
    assert len(predictions.values) == len(lengths)
    assert np.median(errors) < 20
    assert -100 < predictions.residual_quantiles[10] <= predictions.residual_quantiles[90] < 100


def test_a_model_of_a_random_sequence_does_not_beat_a_constant(engine: Engine, tmp_path: Path) -> None:
    values = np.random.default_rng(7).integers(0, 4, 800).tolist()
    settings = make_settings("classification", WINDOW, None, values)
    model = train_sequence(values, settings, Training("mlp"), tmp_path / "mlp", engine)
    assert judged(values, settings, [model], engine).comparisons[0].beats is False
