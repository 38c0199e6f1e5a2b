"""From a claim's estimate to its number: the function of each class of ``harness.spec.estimates``.

A number is of the means over the repeats, as the paper computes it; asked of a view of one repeat, it is that repeat's.
"""

from collections.abc import Callable
from typing import Any

from harness.analyse import estimates_of_models as of_models
from harness.analyse import estimates_of_order as of_order
from harness.analyse import estimates_of_ratios as of_ratios
from harness.analyse import estimates_of_starts as of_starts
from harness.analyse.claimed_starts import Number
from harness.analyse.evidence import Evidence
from harness.spec import estimates as how

ESTIMATORS: dict[type, Callable[[Any, Evidence, str], Number]] = {
    how.Total: of_models.total,
    how.Share: of_models.share,
    how.Spread: of_models.spread,
    how.Line: of_models.line,
    how.AboveLine: of_models.above_line,
    how.Order: of_order.order,
    how.Rising: of_order.rising,
    how.Ratio: of_ratios.ratio,
    how.FarthestRatio: of_ratios.farthest_ratio,
    how.RatioLine: of_ratios.ratio_line,
    how.ShiftGap: of_ratios.shift_gap,
    how.CoreUse: of_starts.core_use,
    how.PredictionError: of_starts.prediction_error,
    how.RepeatSpread: of_starts.repeat_spread,
}


def estimate(wanted: how.Estimate, evidence: Evidence, number: str) -> Number:
    """The number of a claim about figure ``number``.

    Raises:
        NotMeasuredError: the evidence does not have what it needs.
    """
    return ESTIMATORS[type(wanted)](wanted, evidence, number)
