"""Engine anatomy: what a request's time is made of, and what the features that change it do.

    python3 figures/figure-anatomy/plot.py [--data DIR]… [--out DIR]

Draws a set of pages for every slot found beside this file, or in the given folders.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from harness.show.anatomy import PLOT  # noqa: E402
from harness.show.study_command import study_plot_command  # noqa: E402

if __name__ == "__main__":
    sys.exit(study_plot_command(__file__, PLOT))
