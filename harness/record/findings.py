"""Statistics of one setting against a baseline over paired repeats, as the studies' findings.csv name them.

Half width and bounds are of 95 % intervals.
"""

BASELINE_MEAN, MEAN, DIFFERENCE_HALF_WIDTH = "baseline mean", "mean", "half width of the difference"
RATIO, RATIO_LOW, RATIO_HIGH, N = "ratio", "ratio low", "ratio high", "n"
