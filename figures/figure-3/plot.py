"""Figure 3: tokenizer initialisation against the size of the tokenizer file.

    python3 figures/figure-3/plot.py [--data DIR]… [--out DIR]

One panel for every slot beside this file (or in the given folders) and one for the paper's data: bars in order of the
size with their mean, 95 % interval and value, and the least-squares line with Pearson's r inset.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from harness.show.command import plot_command  # noqa: E402
from harness.show.linear import draw  # noqa: E402

if __name__ == "__main__":
    sys.exit(plot_command(__file__, "3", draw))
