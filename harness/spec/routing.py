"""``figures/figure-routing/figure.yaml``: which routers are compared, on which deployment, under which load."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from harness.record.load import MAX_TOKENS, LoadParameters
from harness.spec.fields import FROZEN, TYPED, Device, Seconds, Whole
from harness.spec.models import find_model
from harness.spec.routers import Routers, Share
from harness.spec.study_figure import StudyFigure, load_declared
from harness.workspace import Workspace

Output = Annotated[int, Field(ge=1, le=MAX_TOKENS)]
Strategy = Literal["power-of-two", "prefix", "exact", "session", "round-robin", "random"]


class Load(BaseModel):
    """What is sent; meanings: ``harness/record/load.py``. What ``python3 harness load`` refuses is refused here."""

    model_config = TYPED
    max_conversations: Whole
    num_prompts: Whole
    min_messages: Whole
    min_output_tokens: Output
    max_output_tokens: Output
    request_rate: float  # .inf: all at once
    max_concurrency: Whole
    ignore_eos: bool
    stream: bool
    chat: bool
    seed: int = Field(ge=0)
    cancel: Share
    timeout_s: float = Field(ge=0.001, allow_inf_nan=False)

    @field_validator("request_rate")
    @classmethod
    def _is_a_rate(cls, rate: float) -> float:
        if not 1e-6 <= rate <= 1e6 and rate != math.inf:
            raise ValueError("it takes requests per second from 1e-6 to 1e6, or inf")
        return rate

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.min_output_tokens > self.max_output_tokens:
            raise ValueError(f"min_output_tokens {self.min_output_tokens} > max_output_tokens {self.max_output_tokens}")
        if self.cancel and not self.stream:
            raise ValueError("cancel drops requests after their first token, which only stream true shows")
        return self

    def of_repeat(self, repeat: int) -> LoadParameters:
        """The load of repeat 1, 2, …: every one has requests of its own, the same for all strategies."""
        return LoadParameters(**self.model_dump() | {"seed": self.seed + repeat - 1})


class Replica(BaseModel):
    """Engine arguments of a replica, under vLLM's names; ``num_blocks`` null: as many as fit."""

    model_config = TYPED
    dtype: str
    enforce_eager: bool
    block_size: Whole
    num_blocks: int | None = Field(ge=2)
    max_model_len: Whole
    max_num_seqs: Whole
    max_num_batched_tokens: Whole
    enable_prefix_caching: bool
    enable_chunked_prefill: bool

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        # So vLLM 0.32.0 checks as it starts, v1/core/kv_cache_utils.py; the first block is its null block.
        needed = math.ceil(self.max_model_len / self.block_size) + 1
        if self.num_blocks is not None and self.num_blocks < needed:
            what = f"num_blocks {self.num_blocks} cannot hold a request of max_model_len {self.max_model_len} tokens"
            raise ValueError(f"{what}, which takes {needed} with vLLM's null block; set fewer tokens or more blocks")
        return self

    def arguments(self) -> dict[str, Any]:
        """As vLLM's engine takes them."""
        found = self.model_dump(exclude={"num_blocks"})
        return found | ({} if self.num_blocks is None else {"num_gpu_blocks_override": self.num_blocks})


class Setting(BaseModel):
    """What is deployed and sent on one kind of device."""

    model_config = TYPED
    model: str
    replicas: Whole
    repeats: Whole
    with_warmup: bool  # the same load twice without a restart
    max_ongoing_requests: Whole  # of a replica, at the router
    bundle: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]  # what Ray sets aside for a replica
    load: Load
    engine: Replica


class Smoke(BaseModel):
    """What a smoke runs instead."""

    model_config = FROZEN
    strategies: tuple[Strategy, ...] = Field(min_length=1)
    repeats: Whole
    num_prompts: Whole


class Mooncake(BaseModel):
    """Mooncake's trace over replicas without a model."""

    model_config = FROZEN
    replicas: tuple[Whole, ...]
    seeds: Whole
    block_size: Whole
    num_blocks: int = Field(ge=2)
    max_num_seqs: Whole


class Simulated(BaseModel):
    """The same routers over replicas without a model; ``seeds``: of a router, over which its hit rate is averaged."""

    model_config = FROZEN
    seeds: Whole
    mooncake: Mooncake


class Limits(BaseModel):
    """How long a step may take: until queries are answered, one load, stopping."""

    model_config = FROZEN
    ready: Seconds
    phase: Seconds
    stop: Seconds


class RoutingFigure(StudyFigure):
    """The whole declaration."""

    study: Literal["prefix_routing"]
    engines: dict[Device, str]  # pins
    port: int = Field(ge=1, le=65_535)
    routers: Routers = Field(alias="strategies")
    cuda: Setting
    cpu: Setting
    smoke: Smoke
    simulated: Simulated
    timeout_s: Limits

    @property
    def strategies(self) -> dict[str, dict[str, Any]]:
        """Name → parameters of its router, in the order in which they are run."""
        return self.routers.parameters()

    def setting(self, device: Device) -> Setting:
        """What is run on this kind of device."""
        return self.cuda if device == "cuda" else self.cpu


def load_routing(number: str, workspace: Workspace) -> RoutingFigure:
    """Read the figure's declaration.

    Raises:
        HarnessError: it is absent, has a bad field, or names a model that models.yaml does not have.
    """
    figure = load_declared(number, RoutingFigure, workspace)
    for setting in (figure.cpu, figure.cuda):
        find_model(setting.model)
    return figure
