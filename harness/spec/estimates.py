"""How a claim's number is taken from recorded starts: the vocabulary of ``claims.yaml``.

Each class is one way to get one number; its fields are what a claim says of it. The functions that do it are in
``harness.analyse.estimators``, one for each class. There is no expression language: what is not here cannot be claimed.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.spec.figure import Axis

Reduce = Literal["mean", "min", "max"]  # of the models' values


class _Estimate(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Starts(BaseModel):
    """Which starts: of a figure (else the claim's own), of one of its slots (else its first), of one setting."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    figure: str | None = None
    slot: str | None = None
    load_format: str | None = None  # figure 14
    version: str | None = None  # figure 1: the vLLM release


class Total(_Estimate):
    """Seconds of several quantities added up, of the figure's one model."""

    by: Literal["total"]
    quantities: tuple[str, ...] = Field(min_length=1)


class Share(_Estimate):
    """The part that ``parts`` are of ``of`` (0…1), per model, and over the models the ``reduce``."""

    by: Literal["share"]
    parts: tuple[str, ...] = Field(min_length=1)
    of: tuple[str, ...] = Field(min_length=1)
    reduce: Reduce = "mean"
    starts: Starts = Starts()


class Order(_Estimate):
    """The share of pairs (0…1) in which a quantity of an earlier group is larger than one of a later group.

    Of the figure's one model's seconds, or, with ``over`` and ``under``, of each quantity's mean ratio.
    """

    by: Literal["order"]
    groups: tuple[tuple[str, ...], ...] = Field(min_length=2)
    over: Starts | None = None
    under: Starts | None = None


class Rising(_Estimate):
    """The share of steps (0…1), from one point to the next in order of x, in which the quantity does not fall.

    Of a figure's settings in order of its x axis, or of the vLLM releases in ``versions``, in that order.
    """

    by: Literal["rising"]
    quantity: str
    versions: tuple[str, ...] = ()


class Spread(_Estimate):
    """Coefficient of variation of a quantity over the models: standard deviation by mean."""

    by: Literal["spread"]
    quantity: str
    starts: Starts = Starts()


class Line(_Estimate):
    """Of the least-squares line through the models' means: Pearson's r, or the slope (seconds per unit of x).

    Of the figure's models, without those that it leaves out of its line.
    """

    by: Literal["line"]
    quantity: str
    x: Axis  # of the paper's points and of recordings
    own_x: Axis | None = None  # of own starts, where it is another
    what: Literal["r", "slope"] = "r"
    starts: Starts = Starts()


class AboveLine(_Estimate):
    """How many times the line's value a quantity is, for the models that the figure leaves out of its line."""

    by: Literal["above line"]
    quantity: str
    x: Axis
    reduce: Reduce


class Ratio(_Estimate):
    """``over`` divided by ``under``, per model that both have, and over the models the ``reduce``."""

    by: Literal["ratio"]
    quantity: str
    over: Starts
    under: Starts
    under_quantity: str | None = None  # where it is another
    reduce: Reduce = "mean"


class FarthestRatio(_Estimate):
    """Of several quantities' mean ratios, the one farthest from 1."""

    by: Literal["farthest ratio"]
    quantities: tuple[str, ...] = Field(min_length=1)
    over: Starts
    under: Starts


class RatioLine(_Estimate):
    """Pearson's r of the models' ratios against a size."""

    by: Literal["ratio line"]
    quantity: str
    over: Starts
    under: Starts
    x: Axis


class ShiftGap(_Estimate):
    """How much farther the mean ratio ``over`` / ``under`` is above 1 than ``other_over`` / ``other_under`` from 1."""

    by: Literal["shift gap"]
    quantity: str
    over: Starts
    under: Starts
    other_over: Starts
    other_under: Starts


class CoreUse(_Estimate):
    """Of a sampled start: median thread-equivalents busy, or the share of samples in which the cores burst."""

    by: Literal["core use"]
    what: Literal["median threads", "burst share"]
    least_cores: int = 1  # a machine with fewer cannot show it


class PredictionError(_Estimate):
    """Of the paper's predictor, in percent.

    ``mape``: mean absolute error over the ``of`` models. ``mean``: mean signed error over them.
    """

    by: Literal["prediction error"]
    what: Literal["mape", "mean"]
    of: tuple[str, ...] | Literal["validation"] = "validation"  # empty: all models of `starts`
    starts: Starts = Starts()  # whose totals are predicted
    batch: float = 1.0  # factor of the capture term of the paper's lines; own ones are fed what they were trained on
    without: tuple[str, ...] = ()  # left out of training


class RepeatSpread(_Estimate):
    """Coefficient of variation of a quantity over the repeats of a case; of all cases of the figures the ``reduce``."""

    by: Literal["repeat spread"]
    quantity: str
    figures: tuple[Starts, ...] = Field(min_length=1)
    reduce: Literal["median", "max"]


Estimate = Annotated[
    Total
    | Share
    | Order
    | Rising
    | Spread
    | Line
    | AboveLine
    | Ratio
    | FarthestRatio
    | RatioLine
    | ShiftGap
    | CoreUse
    | PredictionError
    | RepeatSpread,
    Field(discriminator="by"),
]
