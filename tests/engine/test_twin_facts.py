"""What is known of a twin before it is made is what is made."""

import pytest

from harness.analyse.model_facts import facts_of
from harness.engine.parameter_count import parameter_count
from harness.engine.twin import twin_config
from harness.engine.twin_facts import twin_facts
from harness.spec.models import load_models

MODELS = load_models().models


@pytest.mark.parametrize("name", ["llama3-3b", "gpt-oss-20b", "qwen-4b"])
def test_a_twin_keeps_the_originals_layers_and_has_its_own_bytes(name: str) -> None:
    model = MODELS[name]
    twin, original = twin_facts(model), facts_of(model)
    assert (twin.layers, twin.vocabulary, twin.experts) == (original.layers, original.vocabulary, original.experts)
    assert twin.checkpoint_bytes < original.checkpoint_bytes / 50
    assert (twin.twin, twin.quantised, twin.tokenizer_bytes) == (True, False, None)
    assert not original.twin
    if model.twin is None:  # narrowed by the rule, not by a shape that models.yaml declares
        assert twin.checkpoint_bytes == 2 * parameter_count(twin_config(model))
