"""Figure 12: use of every core while the engine starts, with the phases above it.

    python3 figures/figure-12/plot.py [--data DIR]… [--out DIR] [--allow-mismatch]

Draws, for every slot found beside this file and for the paper's recording, one start: its phases, time by core as a
heat map, and how many threads were busy. Of several cached starts it is the one nearest to their median time to ready.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from harness.show.command import plot_command  # noqa: E402
from harness.show.cores import draw  # noqa: E402

if __name__ == "__main__":
    sys.exit(plot_command(__file__, "12", draw))
