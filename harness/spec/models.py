"""``models.yaml``: facts about models, each with its source, and the shape of each model's structural twin."""

import difflib
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from harness.errors import HarnessError
from harness.spec.yamlfile import load_yaml

MODELS_YAML = Path(__file__).resolve().parents[2] / "models.yaml"

# What makes a twin comparable with its original; `twin` may not touch these.
KEPT_BY_TWINS = frozenset({"architectures", "model_type", "num_hidden_layers", "vocab_size", "max_position_embeddings"})


class Checkpoint(BaseModel):
    """The published weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    tensor_bytes: PositiveInt  # without the files' headers
    files: PositiveInt  # safetensors shards


class Tokenizer(BaseModel):
    """The published tokenizer.json; its number of entries is the config's ``vocab_size``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    file_bytes: PositiveInt
    special_tokens: PositiveInt  # the last entries of the vocabulary
    merges: PositiveInt | None  # null = one per learned entry


class PublishedConfig(BaseModel):
    """A published config.json: the keys every architecture shares are checked, all others are kept as they are."""

    model_config = ConfigDict(extra="allow", frozen=True)
    model_type: str
    architectures: tuple[str, ...] = Field(min_length=1)
    num_hidden_layers: PositiveInt
    hidden_size: PositiveInt
    num_attention_heads: PositiveInt
    vocab_size: PositiveInt

    def as_dict(self) -> dict[str, Any]:
        """The config under its published key names, as JSON values."""
        return self.model_dump(mode="json")


class Model(BaseModel):
    """One entry of ``models.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    hub_id: str
    revision: str | None = Field(pattern=r"^[0-9a-f]{40}$")
    gated: bool
    parameters_billion: float = Field(gt=0)  # as the paper rounds it
    tokenizer_mb: float | None = Field(gt=0)  # as the paper rounds it; it mixes MB and MiB, see tokenizer.file_bytes
    compiled_graph_kb: float | None = Field(gt=0)
    checkpoint: Checkpoint
    tokenizer: Tokenizer
    config: PublishedConfig
    twin: dict[str, PositiveInt] = Field(min_length=1)  # config key → narrower value
    sources: dict[str, str]  # fact → where it is from

    @cached_property
    def twin_config(self) -> dict[str, Any]:
        """The twin's config.json: the original's with the narrow keys replaced."""
        return self.config.as_dict() | self.twin

    @model_validator(mode="after")
    def _every_fact_has_a_source(self) -> "Model":
        facts = {name for name in type(self).model_fields if name not in ("twin", "sources")}
        known = {name for name in facts if getattr(self, name) is not None}
        if missing := sorted(known - self.sources.keys()):
            raise ValueError(f"no source for {', '.join(missing)}; add it under 'sources', or set the fact to null")
        if unknown := sorted(self.sources.keys() - known):
            raise ValueError(f"'sources' names {', '.join(unknown)}, which is no known fact of this entry")
        return self

    @model_validator(mode="after")
    def _twin_only_narrows(self) -> "Model":
        original = self.config.as_dict()
        for key, narrow in self.twin.items():
            if key in KEPT_BY_TWINS:
                raise ValueError(f"twin.{key}: a twin keeps the original's {key}")
            if key not in original:
                raise ValueError(f"twin.{key}: 'config' has no such key")
            if not narrow <= original[key]:
                raise ValueError(f"twin.{key}: {narrow} is wider than the original's {original[key]}")
        return self


class Models(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    models: dict[str, Model] = Field(min_length=1)


def load_models(path: Path = MODELS_YAML) -> Models:
    """Read ``models.yaml``.

    Raises:
        HarnessError: absent, not YAML, or a fact that does not fit; names file, line, entry and field.
    """
    return load_yaml(path, Models)


def find_model(name: str, path: Path = MODELS_YAML) -> Model:
    """The entry called ``name``.

    Raises:
        HarnessError: no such entry; lists the known names, the nearest guess first.
    """
    models = load_models(path).models
    if name not in models:
        nearest = difflib.get_close_matches(name, models, n=len(models), cutoff=0.0)
        raise HarnessError(f"unknown model '{name}'; known, nearest first: {', '.join(nearest)} (see {path.name})")
    return models[name]
