"""The declaration of the KV head-room study's figure: ``figures/figure-headroom/figure.yaml``."""

import math
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from harness.spec.fields import FROZEN, Whole
from harness.spec.models import find_model
from harness.spec.study_figure import StudyFigure, load_declared
from harness.workspace import Workspace

Above = Annotated[float, Field(gt=0, allow_inf_nan=False)]
From0 = Annotated[float, Field(ge=0, allow_inf_nan=False)]
From1 = Annotated[float, Field(ge=1, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, lt=1)]
_MOST_POINTS = 1000  # of one range


class Steps(BaseModel):
    """Numbers from ``least`` to at most ``most``."""

    model_config = FROZEN
    least: From0
    most: From0
    step: Above

    def values(self) -> list[float]:
        """The numbers, as they are written down: 0.6, not 0.6000000000000001."""
        return [round(self.least + k * self.step, 9) for k in range(self._number)]

    @property
    def _number(self) -> int:
        return math.floor((self.most - self.least) / self.step + 1e-9) + 1

    @model_validator(mode="after")
    def _is_possible(self) -> "Steps":
        if not 1 <= self._number <= _MOST_POINTS:
            raise ValueError(f"from {self.least} to {self.most} by {self.step}: 1 to {_MOST_POINTS} numbers")
        return self


class Targets(Steps):
    """Blocks per sequence."""

    least: From1


class Uniform(BaseModel):
    """Whole numbers between two, both included, equally often."""

    model_config = FROZEN
    least: Whole
    most: Whole


class Gamma(BaseModel):
    """Whole numbers from 1 to ``most``, of a gamma distribution of this mean and shape."""

    model_config = FROZEN
    mean: Above
    shape: Above
    most: Whole


class _Workload(BaseModel):
    model_config = FROZEN
    num_blocks: int = Field(ge=2)  # as vLLM counts them, in blocks of ``block_size``


class Synthetic(_Workload):
    """Requests that share nothing, of drawn lengths."""

    kind: Literal["synthetic"]
    prompt_tokens: Uniform
    output_tokens: Gamma


class Conversations(_Workload):
    """Multi-turn dialogues, generated (or ``--data``'s)."""

    kind: Literal["dialogues"]
    conversations: Whole


class Divided(_Workload):
    """Mooncake's trace with its lengths divided."""

    kind: Literal["mooncake"]
    prompt_divisor: Whole
    output_divisor: Whole


AnyWorkload = Annotated[Synthetic | Conversations | Divided, Field(discriminator="kind")]


class Swap(BaseModel):
    """Points whose preempted sequences' blocks are kept in host memory."""

    model_config = FROZEN
    cpu_blocks_per_gpu_block: Whole
    bandwidth_bytes_s: Above
    factors: tuple[From0, ...]


class Real(BaseModel):
    """Points that the real engine runs, too."""

    model_config = FROZEN
    workload: str
    requests: Whole
    load: Above  # as the grid's
    factors: tuple[From0, ...]
    targets: tuple[From1, ...]
    watermarks: tuple[Share, ...]
    sigmas: tuple[From0, ...]


class Grid(BaseModel):
    """What is searched."""

    model_config = FROZEN
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)  # what repeats are over
    requests: Whole
    load: Above
    factors: Steps
    targets: Targets
    fitting_targets: tuple[Above, ...]  # as multiples of the blocks a sequence has on average without head-room
    watermarks: tuple[Share, ...]
    sigmas: tuple[From0, ...]
    swap: Swap
    real: Real


class Slo(BaseModel):
    """Limits of a request's latency, as multiples of one's that has the engine to itself."""

    model_config = FROZEN
    ttft: Above
    tpot: Above


class HeadroomFigure(StudyFigure):
    """What the figure searches; ``smoke`` replaces ``full`` in a smoke."""

    study: Literal["kv_headroom"]
    engine: str  # pin
    models: tuple[str, ...] = Field(min_length=1)  # whose step times and KV bytes count
    block_size: Whole  # tokens
    real_block_size: Whole
    max_num_seqs: Whole
    max_num_batched_tokens: Whole
    slo: Slo
    workloads: dict[str, AnyWorkload] = Field(min_length=1)
    full: Grid
    smoke: Grid
    timeout_s: Above  # of one worker

    @model_validator(mode="after")
    def _is_possible(self) -> "HeadroomFigure":
        if self.real_block_size % self.block_size:
            raise ValueError("real_block_size must be a multiple of block_size")
        for grid in (self.full, self.smoke):
            if grid.real.workload not in self.workloads:
                raise ValueError(f"real.workload is '{grid.real.workload}', no workload of this name is declared")
            if grid.real.requests > grid.requests:
                raise ValueError(f"real.requests is {grid.real.requests}, of {grid.requests} requests of a repeat")
        return self


def load_headroom(number: str, workspace: Workspace) -> HeadroomFigure:
    """Read the figure's declaration.

    Raises:
        HarnessError: it is absent, has a bad field, or names a model that models.yaml does not have.
    """
    figure = load_declared(number, HeadroomFigure, workspace)
    for model in figure.models:
        find_model(model)
    return figure
