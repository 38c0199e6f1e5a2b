"""Figure 11: how many times longer each step of a start takes on a second CPU.

    python3 figures/figure-11/plot.py [--data DIR]… [--out DIR] [--allow-mismatch]

Draws the ratio of two slots (cpu1 / cpu0) per step, averaged over models, and the same from the paper's recorded
starts. A slot of another machine is copied here beside the other one.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from harness.show.command import plot_command  # noqa: E402
from harness.show.ratios import draw  # noqa: E402

if __name__ == "__main__":
    sys.exit(plot_command(__file__, "11", draw))
