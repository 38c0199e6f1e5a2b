"""Findings of the anatomy study, from a slot's rows: each part's share over the repeats of a case.

Mean, half width of its 95 % t interval (from two repeats on), and spread: the largest repeat's share − the smallest's.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from harness.analyse.stats import summarise
from harness.record.anatomy_tables import ALL, HALF_WIDTH, MEAN, SHARES, SPREAD, N
from harness.record.tables import Cell, cells_of

Row = tuple[Cell, ...]
Tables = Mapping[str, Sequence[Row]]


def finding_rows(tables: Tables) -> list[Row]:
    """Rows of findings.csv, in the order of shares.csv. ``tables``: shares.csv by its name."""
    shares: dict[tuple[str, int, str, str], list[float]] = defaultdict(list)
    for row in cells_of(SHARES, tables[SHARES.name], stage=ALL):
        shares[row["case"], row["concurrency"], row["definition"], row["part"]].append(row["share"])
    found: list[Row] = []
    for what, values in shares.items():
        over = summarise(values)
        if over is None:
            continue
        found += [(*what, N, float(over.n)), (*what, MEAN, over.mean)]
        if over.half_width is not None:
            found += [(*what, HALF_WIDTH, over.half_width), (*what, SPREAD, max(values) - min(values))]
    return found
