"""Stored points → the rows of points.csv (``harness/record/headroom_tables.py``)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.analyse.headroom_metrics import Slo, point_metrics
from harness.record.headroom_tables import RECOMPUTE, SECONDS
from harness.record.replay_rows import OccupancyRow, RequestRow
from harness.record.tables import Cell

Row = tuple[Cell, ...]


@dataclass(frozen=True)
class HeadroomPoint:
    """One point as it was stored: what it is, its requests and what was counted.

    ``counters``: as ``headroom_metrics.point_metrics`` takes them. ``requests`` of a point by steps have steps for
    times. ``occupancy``: empty if it was not recorded.
    """

    case: str
    workload: str
    repeat: int
    model: str
    tier: str
    search: str
    parameter: float
    requests: Sequence[RequestRow]
    counters: Mapping[str, float]
    gpu_blocks: int
    block_size: int  # tokens
    slo: Slo  # what its workload's users would accept
    mode: str = RECOMPUTE
    arrivals: str = SECONDS
    cpu_blocks: int = 0
    occupancy: Sequence[OccupancyRow] = ()

    @property
    def cells(self) -> Row:
        """What every row says of the point first."""
        what = (self.case, self.workload, self.repeat, self.model, self.tier, self.search, float(self.parameter))
        return (*what, self.mode, self.arrivals, self.gpu_blocks, self.cpu_blocks, self.block_size)


def point_rows(point: HeadroomPoint) -> Iterator[Row]:
    """The point's metrics; what does not exist has no row."""
    found = point_metrics(point.requests, point.counters, point.occupancy, point.slo, point.mode, point.arrivals)
    for metric, (value, unit) in found.items():
        yield (*point.cells, metric, value, unit)
