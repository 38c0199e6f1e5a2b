"""``models.yaml``: facts about models, each with its source; null where a fact is not known."""

import difflib
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from harness.errors import HarnessError
from harness.spec.published_config import PublishedConfig
from harness.spec.yamlfile import load_yaml

MODELS_YAML = Path(__file__).resolve().parents[2] / "models.yaml"

# What makes a twin comparable with its original; `twin` may not touch these.
KEPT_BY_TWINS = frozenset({"architectures", "model_type", "num_hidden_layers", "vocab_size", "max_position_embeddings"})


class Checkpoint(BaseModel):
    """The published weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    tensor_bytes: PositiveInt  # without the files' headers
    files: PositiveInt | None  # shards; null = unknown, a twin has one


class Tokenizer(BaseModel):
    """The published tokenizer.json; a twin's has as many entries as the config's ``vocab_size``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    file_bytes: PositiveInt | None  # null = unknown, or the model has no such file
    special_tokens: PositiveInt | None
    merges: PositiveInt | None  # null = unknown, a twin has one per learned entry


class Model(BaseModel):
    """One entry of ``models.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    hub_id: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    revision: str | None = Field(pattern=r"^[0-9a-f]{40}$")
    gated: bool
    parameters_billion: float | None = Field(gt=0)  # as the paper rounds it
    tokenizer_mb: float | None = Field(gt=0)  # as the paper rounds it; it mixes MB and MiB, see tokenizer.file_bytes
    compiled_graph_kb: float | None = Field(gt=0)
    loaded_gib: float | None = Field(default=None, gt=0)  # "Model loading took X GiB" on one GPU
    checkpoint: Checkpoint
    tokenizer: Tokenizer
    config: PublishedConfig
    twin: dict[str, PositiveInt] = Field(default={})  # config key → narrower value, where the rule's is not wanted
    sources: dict[str, str]  # fact → where it is from

    @model_validator(mode="after")
    def _every_fact_has_a_source(self) -> "Model":
        facts = {name for name in type(self).model_fields if name not in ("twin", "sources")}
        known = {name for name in facts if _is_known(getattr(self, name))}
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
            if type(original[key]) is not int:
                raise ValueError(f"twin.{key}: {original[key]!r} in 'config' is no width that a twin could narrow")
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
    try:
        status = path.stat()
    except OSError:
        return load_yaml(path, Models)  # says what is wrong with it
    return _load_unchanged(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _load_unchanged(path: Path, _mtime_ns: int, _size: int) -> Models:
    """The file as it was at that time: reading it takes 0.2 s, and a figure asks for many models."""
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


def _is_known(fact: object) -> bool:
    """Whether a fact says anything; a group of facts that are all null does not."""
    if isinstance(fact, BaseModel):
        return any(_is_known(part) for _, part in fact)
    return fact is not None
