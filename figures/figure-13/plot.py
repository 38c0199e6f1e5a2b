"""Figure 13: how many times longer each step of a start takes with weights on the disk instead of in memory.

    python3 figures/figure-13/plot.py [--data DIR]… [--out DIR] [--allow-mismatch]

Draws the ratio of two slots (case1 / case0) per step, averaged over models, and the same from the paper's recorded
starts.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from harness.show.command import plot_command  # noqa: E402
from harness.show.ratios import draw  # noqa: E402

if __name__ == "__main__":
    sys.exit(plot_command(__file__, "13", draw))
