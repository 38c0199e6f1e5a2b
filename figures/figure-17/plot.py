"""Figure 17: start-up times predicted for models that the predictor has not seen.

    python3 figures/figure-17/plot.py [--data DIR]… [--out DIR] [--allow-mismatch]

Trains the paper's predictor on every slot found beside this file and on the paper's recorded starts, and draws what it
predicts for other models beside what was measured.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from harness.show.command import plot_command  # noqa: E402
from harness.show.predicted import draw  # noqa: E402

if __name__ == "__main__":
    sys.exit(plot_command(__file__, "17", draw))
