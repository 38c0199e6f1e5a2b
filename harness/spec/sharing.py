"""The declaration of the prefix-sharing study's figure: ``figures/figure-sharing/figure.yaml``."""

from typing import Literal

from pydantic import BaseModel, Field, model_validator

from harness.record.replay import StepTime
from harness.spec.fields import FROZEN, Whole
from harness.spec.study_figure import StudyFigure, load_declared
from harness.workspace import Workspace

Policy = Literal["lru", "fifo", "lfu", "oracle"]


class Dialogues(BaseModel):
    """Dialogues that are replayed turn by turn: generated ones, or somebody's (``--data``)."""

    model_config = FROZEN
    conversations: Whole
    seeds: tuple[int, ...] = Field(min_length=1)  # one workload for each: what repeats are over
    arrival_rate: float = Field(gt=0, allow_inf_nan=False)  # dialogues that begin per second
    block_size: Whole  # of everything but the block sizes' panel
    block_sizes: tuple[Whole, ...] = Field(min_length=1)
    policies: tuple[Policy, ...] = Field(min_length=1)
    size_step: int = Field(ge=2)  # from one cache size to the next: powers of 2 from what the longest request takes


class Mooncake(BaseModel):
    """Mooncake's published trace, whose requests are known by hashes of 512 tokens: finer blocks would tell no more."""

    model_config = FROZEN
    block_size: Whole
    policies: tuple[Policy, ...] = Field(min_length=1)
    cache_blocks: tuple[Whole, ...] = Field(min_length=1)
    limit: Whole | None = None  # only the first requests


class Grid(BaseModel):
    """What is replayed."""

    model_config = FROZEN
    dialogues: Dialogues
    mooncake: Mooncake


class SharingFigure(StudyFigure):
    """What the figure replays and with which engine's block manager; ``smoke`` replaces ``full`` in a smoke."""

    study: Literal["prefix_sharing"]
    engine: str  # pin
    step_time: dict[str, float]  # the virtual clock's model, as harness/record/replay.py has it
    full: Grid
    smoke: Grid
    timeout_s: float = Field(gt=0, allow_inf_nan=False)  # of one worker

    @property
    def clock(self) -> StepTime:
        """The step-time model."""
        return StepTime(**self.step_time)

    @model_validator(mode="after")
    def _is_possible(self) -> "SharingFigure":
        names = StepTime.__dataclass_fields__
        if unknown := [name for name in self.step_time if name not in names]:
            raise ValueError(f"step_time names '{unknown[0]}'; it has {', '.join(names)}")
        for grid in (self.full, self.smoke):
            if min(grid.dialogues.block_sizes) < grid.dialogues.block_size:
                raise ValueError("dialogues' block_size must be the smallest of block_sizes")
            if 512 % grid.mooncake.block_size:
                raise ValueError("mooncake's block size must divide 512, the tokens of one hash")
        return self


def load_sharing(number: str, workspace: Workspace) -> SharingFigure:
    """Read the figure's declaration.

    Raises:
        HarnessError: it is absent, or has a bad field.
    """
    return load_declared(number, SharingFigure, workspace)
