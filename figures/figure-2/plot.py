"""Figure 2: where the start-up time of one model goes, phase by phase.

    python3 figures/figure-2/plot.py [--data DIR]… [--out DIR]

Draws every slot found beside this file (node0/, node1/ …), or in the given folders: per case one stacked bar for the
warm-up start ("uncached") and one for the mean of the measured starts ("cached") with its 95 % interval. Blocks add up
to the time from exec to ready; black is time that no hook explains.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from matplotlib.figure import Figure  # noqa: E402
from rich.console import RenderableType  # noqa: E402

from harness.analyse.startup import startups  # noqa: E402
from harness.record.slot import Slot  # noqa: E402
from harness.show.command import plot_command  # noqa: E402
from harness.show.startup import draw  # noqa: E402
from harness.show.startup_print import tables  # noqa: E402


def figure2(slots: list[Slot]) -> tuple[Figure, list[RenderableType]]:
    """The drawing and the tables to print."""
    cases = [(slot, startups(slot)) for slot in slots]
    return draw(cases), [tables(slot, startup) for slot, per_case in cases for startup in per_case]


if __name__ == "__main__":
    sys.exit(plot_command(__file__, "2", figure2))
