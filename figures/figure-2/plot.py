"""Figure 2: where the start-up time of one model goes, phase by phase.

    python3 figures/figure-2/plot.py [--data DIR]… [--out DIR]

Draws every slot found beside this file (node0/, node1/ …), or in the given folders: per case one stacked bar for the
warm-up start ("uncached") and one for the mean of the measured starts ("cached") with its 95 % interval. Blocks add up
to the time from exec to ready; black is time that no hook explains. Beside them the paper's steps of its own starts.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from harness.show.command import plot_command  # noqa: E402
from harness.show.paper_steps import draw  # noqa: E402

if __name__ == "__main__":
    sys.exit(plot_command(__file__, "2", draw))
