"""``figures/figure-anatomy/figure.yaml``: which server is taken apart, under which loads, with which features."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from harness.record.load import MAX_TOKENS
from harness.spec.features import Features
from harness.spec.fields import FROZEN, TYPED, Device, Seconds, Whole
from harness.spec.models import find_model
from harness.spec.study_figure import StudyFigure, load_declared
from harness.workspace import Workspace


class LoadLevel(BaseModel):
    """So many requests, so many of them waiting for their answers at once."""

    model_config = FROZEN
    concurrency: Whole
    requests: Whole

    @property
    def id(self) -> str:
        """Its name in a run."""
        return f"c{self.concurrency}"


class Prompts(BaseModel):
    """What is asked: words of random letters; answers are of different lengths, or all would begin and end together.

    ``timeout_s``: of one request.
    """

    model_config = TYPED
    words: Whole
    min_output_tokens: Annotated[int, Field(ge=2, le=MAX_TOKENS)]  # one has no time between tokens
    max_output_tokens: Annotated[int, Field(ge=2, le=MAX_TOKENS)]
    seed: int = Field(ge=0)
    timeout_s: Seconds

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.min_output_tokens > self.max_output_tokens:
            raise ValueError(f"min_output_tokens {self.min_output_tokens} > max_output_tokens {self.max_output_tokens}")
        return self


class Server(BaseModel):
    """Arguments of ``vllm serve``, under vLLM's names."""

    model_config = TYPED
    dtype: str
    enforce_eager: bool
    max_model_len: Whole
    max_num_seqs: Whole
    enable_prefix_caching: bool
    enable_chunked_prefill: bool
    tensor_parallel_size: Whole


class Setting(BaseModel):
    """What is measured on one kind of device. ``threads``: of every worker's forward pass, on a CPU."""

    model_config = TYPED
    model: str
    repeats: Whole
    threads: Whole
    prompts: Prompts
    server: Server

    @model_validator(mode="after")
    def _fits(self) -> Self:
        least = self.prompts.words + self.prompts.max_output_tokens  # a word is at least one token
        if least > self.server.max_model_len:
            asked = f"prompts.words {self.prompts.words} + prompts.max_output_tokens {self.prompts.max_output_tokens}"
            raise ValueError(f"{asked} > server.max_model_len {self.server.max_model_len}: every request is refused")
        return self


class Sampled(BaseModel):
    """How long, and how often, rows of every token are made."""

    model_config = FROZEN
    detail_s: Seconds
    period_s: Seconds

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.detail_s > self.period_s / 2:
            raise ValueError("detail_s is at most half of period_s: its hooks cost too much")
        return self


class Smoke(BaseModel):
    """What a smoke runs instead."""

    model_config = FROZEN
    repeats: Whole
    levels: tuple[LoadLevel, ...] = Field(min_length=1)


class Limits(BaseModel):
    """How long a step may take: until the server answers, one level's load, stopping."""

    model_config = FROZEN
    ready: Seconds
    level: Seconds
    stop: Seconds


class AnatomyFigure(StudyFigure):
    """The whole declaration."""

    study: Literal["engine_anatomy"]
    levels: tuple[LoadLevel, ...] = Field(min_length=1)
    sampled: Sampled
    cuda: Setting
    cpu: Setting
    smoke: Smoke
    features: Features
    timeout_s: Limits

    @model_validator(mode="after")
    def _levels_differ(self) -> Self:
        for levels in (self.levels, self.smoke.levels):
            if len({level.concurrency for level in levels}) < len(levels):
                raise ValueError("two levels of one concurrency")
        return self

    def setting(self, device: Device) -> Setting:
        """What is measured on this kind of device."""
        return self.cuda if device == "cuda" else self.cpu


def load_anatomy(number: str, workspace: Workspace) -> AnatomyFigure:
    """Read the figure's declaration.

    Raises:
        HarnessError: it is absent, has a bad field, or names a model that models.yaml does not have.
    """
    figure = load_declared(number, AnatomyFigure, workspace)
    for setting in (figure.cpu, figure.cuda):
        find_model(setting.model)
    return figure
