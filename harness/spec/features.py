"""The feature matrix of figure anatomy (``features:`` of its declaration): engine features, each against a baseline."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from harness.errors import HarnessError
from harness.spec.fields import TYPED

Whole = Annotated[int, Field(ge=1, le=100_000)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
# What the harness itself decides of an engine.
_OURS = frozenset({"model", "speculative_config", "worker_extension_cls", "disable_log_stats", "seed"})
SPECULATIVE_SIZE = "num_speculative_tokens"


class Workload(BaseModel):
    """Prompts of random tokens from a seed. Prompt = shared prefix + body, the body ``repeats`` times over.

    ``prompt_tokens``: of the body, least and most.
    """

    model_config = TYPED
    prompts: Whole
    prompt_tokens: tuple[Whole, Whole] = Field(strict=False)
    shared_prefix: int = Field(default=0, ge=0, le=100_000)
    repeats: Whole = 1
    output_tokens: Whole
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        least, most = self.prompt_tokens
        if least > most:
            raise ValueError(f"prompt_tokens: least {least} > most {most}")
        return self

    @property
    def longest(self) -> int:
        """Most tokens of a prompt and its answer."""
        return self.shared_prefix + self.repeats * self.prompt_tokens[1] + self.output_tokens


class Speculation(BaseModel):
    """``config``: of vLLM's ``speculative_config``, without the model.

    ``draft``: "target" (the same weights), "noised" (the target with noise on its weights), a model of models.yaml, or
    "random" (made for the target). ``noise``: standard deviation, relative to each tensor's own.
    """

    model_config = TYPED
    config: dict[str, Any]
    draft: str | None = None
    noise: float = Field(default=0.0, ge=0, le=10)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        size = self.config.get(SPECULATIVE_SIZE)
        if not isinstance(self.config.get("method"), str) or not isinstance(size, int) or not 1 <= size <= 64:
            raise ValueError(f"config needs a method and {SPECULATIVE_SIZE} from 1 to 64")
        if "model" in self.config:
            raise ValueError("config.model is the harness's to fill in; say draft")
        if (self.draft == "noised") != (self.noise > 0):
            raise ValueError("noise belongs to draft: noised, and that needs it")
        return self

    @property
    def keeps_outputs(self) -> bool:
        """Whether greedy answers must be those without speculation; chosen acceptance takes tokens that are wrong."""
        return bool(self.config.get("rejection_sample_method") != "synthetic")


class Feature(BaseModel):
    """One case. ``baseline``: a case's name; None: it is one itself. ``refuses``: a pattern of the engine's reason."""

    model_config = TYPED
    question: str = Field(min_length=1, max_length=200)
    baseline: Name | None = None
    workload: Name
    model: str | None = None  # of models.yaml; None: the figure's
    engine: dict[str, Any] = Field(default_factory=dict)  # of vLLM's LLM, over those of all cases
    speculation: Speculation | None = None
    make_pipeline_buffers: bool = False
    repeats: Whole | None = None  # fewer than the matrix's, of a case that asks whether, not how fast
    environment: dict[str, str | None] = Field(default_factory=dict)  # null: not set
    refuses: str | None = None

    @field_validator("engine")
    @classmethod
    def _leaves_ours(cls, engine: dict[str, Any]) -> dict[str, Any]:
        if wrong := sorted(_OURS & engine.keys()):
            raise ValueError(f"{wrong[0]} is not a case's to set")
        return engine

    @field_validator("refuses")
    @classmethod
    def _is_a_pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"not a pattern: {error}") from None
        return pattern

    def is_declared(self, reason: str) -> bool:
        """Whether the engine refuses as it is declared to."""
        return self.refuses is not None and re.search(self.refuses, reason) is not None


class SmokeFeatures(BaseModel):
    """What a smoke runs instead."""

    model_config = TYPED
    cases: tuple[Name, ...] = Field(min_length=1, strict=False)
    repeats: Whole
    prompts: Whole  # at most, of every workload


class Features(BaseModel):
    """The matrix. ``near_tie``: the largest gap of the two best log-probabilities, in nats, that noise may turn over.

    A gap is of two log-probabilities: half of it is what one of them may be off.
    """

    model_config = TYPED
    repeats: Whole
    passes: Whole  # that are measured, of one engine
    told: Whole  # prompts of a case with a baseline whose log-probabilities are told; of a baseline, all
    threads: Whole  # OMP_NUM_THREADS and NUMBA_NUM_THREADS
    near_tie: float = Field(gt=0, le=1)
    timeout_s: float = Field(gt=0, allow_inf_nan=False, strict=False)
    engine: dict[str, Any]
    workloads: dict[Name, Workload]
    cases: dict[Name, Feature]
    smoke: SmokeFeatures

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        for name, case in self.cases.items():
            if case.workload not in self.workloads:
                raise ValueError(f"case {name}: there is no workload {case.workload}")
            base = self.cases.get(case.baseline) if case.baseline else case
            if base is None or base.baseline is not None:
                raise ValueError(f"case {name}: baseline {case.baseline} is no case, or has a baseline itself")
            if (base.workload, base.model) != (case.workload, case.model):
                raise ValueError(f"case {name}: baseline {case.baseline} has another workload or model")
            if self.workloads[case.workload].longest > arguments(self, case).get("max_model_len", 0):
                raise ValueError(f"case {name}: workload {case.workload} has requests longer than max_model_len")
        self.chosen(self.smoke.cases)
        return self

    def chosen(self, names: Iterable[str]) -> dict[str, Feature]:
        """These cases with their baselines, in the declaration's order. Raises ValueError: one that is not there."""
        wanted = set(names)
        if unknown := sorted(wanted - self.cases.keys()):
            raise ValueError(f"no feature case {unknown[0]}; there is {', '.join(self.cases)}")
        wanted |= {base for name in wanted if (base := self.cases[name].baseline)}
        return {name: case for name, case in self.cases.items() if name in wanted}


def chosen_features(features: Features, option: str | None, smoke: bool) -> list[str]:
    """The names that ``--features`` stands for: ``all``, ``none``, or names. None: the smoke's, or all.

    Raises:
        HarnessError: no name, or one that is not declared.
    """
    if option == "none":
        return []
    if option in (None, "all"):
        return list(features.smoke.cases if smoke and option is None else features.cases)
    names = [name.strip() for name in str(option).split(",") if name.strip()]
    if not names:
        raise HarnessError("--features has no name; give names, all or none")
    try:
        return list(features.chosen(names))
    except ValueError as error:
        raise HarnessError(f"--features: {error}") from None


def arguments(features: Features, case: Feature) -> Mapping[str, Any]:
    """Of vLLM's ``LLM``: those of all cases, and the case's own over them."""
    return {**features.engine, **case.engine}
