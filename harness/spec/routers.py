"""Parameters of the routers that are compared; what each does: docs/routing.md.

Their names are those of Ray's classes and ours, which take them as they are written here.
"""

import math
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from harness.spec.fields import Whole

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


def _limit(value: Any) -> Any:
    """Infinity becomes None: JSON has no such number, and the routers take null for it."""
    if value is None or value == math.inf:
        return None
    if type(value) not in (int, float) or not value >= 0:
        raise ValueError("it takes a number from 0, or null or inf: no limit")
    return value


Limit = Annotated[int | float | None, BeforeValidator(_limit)]


class _Router(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NoParameters(_Router):
    """Of power-of-two and round robin."""


class Prefix(_Router):
    """Of Ray's ``PrefixCacheAffinityRouter``."""

    imbalanced_threshold: Limit  # requests that queues may differ by
    match_rate_threshold: Share  # of the prompt
    do_eviction: bool
    eviction_threshold_chars: Whole  # of one replica
    eviction_target_chars: Whole
    eviction_interval_secs: Whole

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        target, threshold = self.eviction_target_chars, self.eviction_threshold_chars
        if target > threshold:
            raise ValueError(f"eviction_target_chars {target} > eviction_threshold_chars {threshold}")
        return self


class Exact(_Router):
    """Of ours, by what is cached; meanings as in ``Prefix``."""

    imbalanced_threshold: Limit
    match_rate_threshold: Share


class Session(_Router):
    """Of Ray's ``ConsistentHashRouter``."""

    num_virtual_nodes: Whole  # of a replica
    num_fallback_replicas: int = Field(ge=0)


class Random(_Router):
    """Of ours, by chance."""

    seed: int = Field(ge=0)


class Routers(_Router):
    """One of each strategy, in the order in which they are run."""

    power_of_two: NoParameters = Field(alias="power-of-two")
    prefix: Prefix
    exact: Exact
    session: Session
    round_robin: NoParameters = Field(alias="round-robin")
    random: Random

    def parameters(self) -> dict[str, dict[str, Any]]:
        """Strategy → parameters of its router, as JSON can hold them."""
        return self.model_dump(by_alias=True)
