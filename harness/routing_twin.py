"""The simulated twin of the runs: to be joined with its measure."""

from collections.abc import Mapping

from harness.record.tables import Cell
from harness.routing_load import MadeLoad
from harness.routing_runs import Deployed


def simulated_rows(on: Deployed, loads: Mapping[int, MadeLoad]) -> list[tuple[Cell, ...]]:
    """Rows of simulated.csv."""
    del on, loads
    return []
