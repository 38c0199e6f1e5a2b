"""Figure 14: how long loading the model takes by load format.

    python3 figures/figure-14/plot.py [--data DIR]… [--out DIR] [--allow-mismatch]

Draws, for every slot found beside this file and for the paper's recorded starts, a bar per format for each model.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from harness.show.command import plot_command  # noqa: E402
from harness.show.formats import draw  # noqa: E402

if __name__ == "__main__":
    sys.exit(plot_command(__file__, "14", draw))
