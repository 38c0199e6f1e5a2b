"""What is known of a model before it is started: the facts that a start's seconds are predicted from.

Source: ``models.yaml`` (published checkpoint, tokenizer and config). Nothing that a log of the start itself says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.spec.models import Model, load_models

# A fact as a regressor, in units that keep the numbers of one line alike in size.
TERMS = ("one", "checkpoint_gb", "layers", "tokenizer_mb", "expert_layers")


@dataclass(frozen=True)
class ModelFacts:
    """One model. ``tokenizer_bytes`` None: not known (it is then taken from the vocabulary, and said)."""

    checkpoint_bytes: int
    layers: int
    vocabulary: int
    tokenizer_bytes: int | None
    experts: int  # routed ones per layer; 0: a dense model
    hybrid: bool = False  # some layers are no attention (Mamba)
    quantised: bool = False
    twin: bool = False  # its structural twin: random weights, narrow

    def term(self, name: str, tokenizer_bytes_per_entry: float) -> float:
        """The fact as a regressor (one of ``TERMS``)."""
        if name == "one":
            return 1.0
        if name == "checkpoint_gb":
            return self.checkpoint_bytes / 1e9
        if name == "layers":
            return float(self.layers)
        if name == "expert_layers":
            return float(self.layers if self.experts else 0)
        if name == "tokenizer_mb":
            known = self.tokenizer_bytes
            return (self.vocabulary * tokenizer_bytes_per_entry if known is None else known) / 1e6
        raise ValueError(f"no term is called {name}")


def facts_of(model: Model) -> ModelFacts:
    """The published model's facts."""
    config = model.config.as_dict()
    kinds: Any = config.get("layer_types") or ()
    rounded = None if model.tokenizer_mb is None else round(model.tokenizer_mb * 1e6)
    return ModelFacts(
        checkpoint_bytes=model.checkpoint.tensor_bytes,
        layers=model.config.layers,
        vocabulary=model.config.vocabulary,
        tokenizer_bytes=model.tokenizer.file_bytes or rounded,
        experts=model.config.experts,
        hybrid=any("attention" not in str(kind) for kind in kinds),
        quantised="quantization_config" in config,
    )


def known_models() -> dict[str, ModelFacts]:
    """Every model of ``models.yaml``."""
    return {name: facts_of(model) for name, model in load_models().models.items()}


def name_in_models_yaml(said: str) -> str | None:
    """The entry that a recording's name of a model means: its own name, or the last part of its hub name; or None.

    ``/data/models/Llama-3.2-3B`` and ``meta-llama/Llama-3.2-3B`` mean the entry with that hub name.
    """
    models = load_models().models
    last = said.rstrip("/").rpartition("/")[2]
    names: Mapping[str, str] = {model.hub_id.rpartition("/")[2].casefold(): name for name, model in models.items()}
    return next((name for name in (said, last) if name in models), None) or names.get(last.casefold())
