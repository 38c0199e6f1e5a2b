"""The paper's claims as data: ``claims.yaml``.

A claim is one sentence and one number: how it is taken from recorded starts (``estimate``), what the paper's data says
(``paper``), and within which bounds another measurement of it *reproduces* it (``low``, ``high``). ``shape`` are the
wider bounds within which it is still the same finding, though another machine gives another number.
"""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.spec.estimates import Estimate
from harness.spec.yamlfile import load_yaml

CLAIMS_YAML = Path(__file__).resolve().parents[2] / "claims.yaml"

Kind = Literal["value", "ratio", "order", "linear", "share", "monotone"]
# What carries over to other hardware: the number itself; only its shape; neither.
Portable = Literal["exact", "shape", "no"]
# What a machine must have for the claim to be about anything there.
Basis = Literal["weights", "gpu", "graphs"]


class Bounds(BaseModel):
    """An interval that a number lies in; an end that is absent is open."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _is_an_interval(self) -> "Bounds":
        if self.low is None and self.high is None:
            raise ValueError("needs low, high, or both")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError("low must be below high")
        return self

    def holds(self, value: float) -> bool:
        """Whether the value lies within."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.low is None:
            return f"≤ {self.high:g}"
        return f"≥ {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


class Claim(BaseModel):
    """One claim."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str = Field(pattern=r"^[a-z0-9-]+$")
    figure: str
    statement: str
    quantity: str  # what the number is, in words
    kind: Kind
    unit: Literal["", "s", "%", "s/MB", "s/B", "s/KB", "threads"] = ""
    estimate: Estimate
    paper: float = Field(allow_inf_nan=False)  # from the recorded data
    tolerance: Bounds
    shape: Bounds | None = None
    portable: Portable
    why: str  # it carries over, or does not
    rests_on: tuple[Basis, ...] = ()
    # mixed: about the recorded data as it is, in which models were loaded in several storage states
    states: Literal["one", "mixed"] = "one"
    known_failure: bool = False  # of the paper's method: reproduced when it fails again
    caveat: str | None = None
    origin: Literal["paper figure", "our check on the recorded data"]

    @model_validator(mode="after")
    def _bounds_hold_the_papers_value(self) -> "Claim":
        for name, bounds in (("tolerance", self.tolerance), ("shape", self.shape)):
            if bounds and not bounds.holds(self.paper):
                raise ValueError(f"{name} ({bounds}) does not hold the paper's value {self.paper:g}")
        if (self.portable == "shape") != (self.shape is not None):
            raise ValueError("'shape' bounds belong to claims whose shape is portable, and only to them")
        return self


class Claims(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    claims: tuple[Claim, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "Claims":
        ids = [claim.id for claim in self.claims]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"the id '{twice[0]}' is given twice")
        return self


@lru_cache(maxsize=4)
def load_claims(path: Path = CLAIMS_YAML) -> tuple[Claim, ...]:
    """The claims, in the file's order.

    Raises:
        HarnessError: absent, not YAML, or a field that does not fit; names file, line and field.
    """
    return load_yaml(path, Claims).claims
