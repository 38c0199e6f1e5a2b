"""The ladder: seconds saved by each kind of retained state, by phase.

    python3 figures/figure-ladder/plot.py [--data DIR]… [--out DIR]

Draws, for every slot found beside this file (or in the given folders), one stacked bar per state, from a start that
finds nothing to one that finds everything, and below it what each kind saves alone, what they save together beyond
that, and all of it.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from harness.show.command import plot_command  # noqa: E402
from harness.show.ladder import draw  # noqa: E402

if __name__ == "__main__":
    sys.exit(plot_command(__file__, "ladder", draw))
