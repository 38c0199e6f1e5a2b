"""Types of fields that declarations share."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

FROZEN = ConfigDict(extra="forbid", frozen=True)
TYPED = ConfigDict(extra="forbid", frozen=True, strict=True)  # what ``--set`` reaches: true is no number
Whole = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Device = Literal["cpu", "cuda"]
