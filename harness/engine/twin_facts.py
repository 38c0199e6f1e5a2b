"""What is known of a structural twin before it is made: the facts that a forecast of its start needs."""

from dataclasses import replace

from harness.analyse.model_facts import ModelFacts, facts_of
from harness.engine.parameter_count import parameter_count
from harness.engine.twin_shape import BYTES_PER_PARAMETER, narrow
from harness.spec.models import Model


def twin_facts(model: Model) -> ModelFacts:
    """Facts of the model's twin as download_models.py makes it; its tokenizer's size is not known before.

    Raises:
        HarnessError: an architecture whose parameters cannot be counted.
    """
    config = model.config.as_dict()
    keys = narrow(config, model.checkpoint.tensor_bytes)
    size = BYTES_PER_PARAMETER * parameter_count({**config, **keys})
    return replace(facts_of(model), checkpoint_bytes=size, tokenizer_bytes=None, quantised=False, twin=True)
