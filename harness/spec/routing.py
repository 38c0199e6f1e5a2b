"""``figures/figure-routing/figure.yaml``: which routers are compared, on which deployment, under which load."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.errors import HarnessError
from harness.record.load import LoadParameters
from harness.record.routing_tables import STRATEGIES
from harness.spec.models import find_model
from harness.spec.yamlfile import load_yaml
from harness.workspace import Workspace

_FROZEN = ConfigDict(extra="forbid", frozen=True)
Whole = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Strategy = Literal["power-of-two", "prefix", "exact", "session", "round-robin", "random"]
Device = Literal["cpu", "cuda"]


class Load(BaseModel):
    """What is sent; meanings: ``harness/record/load.py``."""

    model_config = _FROZEN
    max_conversations: Whole
    num_prompts: Whole
    min_messages: Whole
    min_output_tokens: Whole
    max_output_tokens: Whole
    request_rate: float = Field(gt=0)  # .inf: all at once
    max_concurrency: Whole
    ignore_eos: bool
    stream: bool
    chat: bool
    seed: int = Field(ge=0)
    cancel: Share
    timeout_s: Seconds

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.min_output_tokens > self.max_output_tokens:
            raise ValueError(f"min_output_tokens {self.min_output_tokens} > max_output_tokens {self.max_output_tokens}")
        return self

    def of_repeat(self, repeat: int) -> LoadParameters:
        """The load of repeat 1, 2, …: every one has requests of its own, the same for all strategies."""
        return LoadParameters(**self.model_dump() | {"seed": self.seed + repeat - 1})


class Replica(BaseModel):
    """Engine arguments of a replica, under vLLM's names; ``num_blocks`` null: as many as fit."""

    model_config = _FROZEN
    dtype: str
    enforce_eager: bool
    block_size: Whole
    num_blocks: int | None = Field(ge=2)
    max_model_len: Whole
    max_num_seqs: Whole
    max_num_batched_tokens: Whole
    enable_prefix_caching: bool
    enable_chunked_prefill: bool

    def arguments(self) -> dict[str, Any]:
        """As vLLM's engine takes them."""
        found = self.model_dump(exclude={"num_blocks"})
        return found | ({} if self.num_blocks is None else {"num_gpu_blocks_override": self.num_blocks})


class Setting(BaseModel):
    """What is deployed and sent on one kind of device."""

    model_config = _FROZEN
    model: str
    replicas: Whole
    repeats: Whole
    with_warmup: bool  # the same load twice without a restart
    max_ongoing_requests: Whole  # of a replica, at the router
    bundle: dict[str, float]  # what Ray sets aside for a replica
    load: Load
    engine: Replica


class Smoke(BaseModel):
    """What a smoke runs instead."""

    model_config = _FROZEN
    strategies: tuple[Strategy, ...] = Field(min_length=1)
    repeats: Whole
    num_prompts: Whole


class Mooncake(BaseModel):
    """Mooncake's trace over replicas without a model."""

    model_config = _FROZEN
    replicas: tuple[Whole, ...]
    seeds: Whole
    block_size: Whole
    num_blocks: int = Field(ge=2)
    max_num_seqs: Whole


class Simulated(BaseModel):
    """The same routers over replicas without a model; ``seeds``: of a router, over which its hit rate is averaged."""

    model_config = _FROZEN
    seeds: Whole
    mooncake: Mooncake


class Limits(BaseModel):
    """How long a step may take: until queries are answered, one load, stopping."""

    model_config = _FROZEN
    ready: Seconds
    phase: Seconds
    stop: Seconds


class RoutingFigure(BaseModel):
    """The whole declaration."""

    model_config = _FROZEN
    figure: str
    question: str
    study: Literal["prefix_routing"]
    engines: dict[Device, str]  # pins
    port: int = Field(ge=1, le=65_535)
    strategies: dict[Strategy, dict[str, int | float | bool | None]]  # name → parameters of its router
    cuda: Setting
    cpu: Setting
    smoke: Smoke
    simulated: Simulated
    slots: tuple[str, ...] = Field(min_length=1, max_length=1)
    timeout_s: Limits

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if missing := [name for name in STRATEGIES if name not in self.strategies]:
            raise ValueError(f"strategies: {missing[0]} is missing")
        return self

    def setting(self, device: Device) -> Setting:
        """What is run on this kind of device."""
        return self.cuda if device == "cuda" else self.cpu


def load_routing(number: str, workspace: Workspace) -> RoutingFigure:
    """Read the figure's declaration.

    Raises:
        HarnessError: it is absent, has a bad field, or names a model that models.yaml does not have.
    """
    path = workspace.figure(number) / "figure.yaml"
    figure = load_yaml(path, RoutingFigure)
    if figure.figure != number:
        raise HarnessError(f"{path}: field 'figure' is '{figure.figure}'; it must equal its folder's '{number}'")
    for setting in (figure.cpu, figure.cuda):
        find_model(setting.model)
    return figure
