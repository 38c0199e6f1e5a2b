"""What our runs say about one claim: its verdict, and everything that a table or a page shows of it."""

from dataclasses import dataclass
from typing import Literal

from harness.spec.claims import Claim

Verdict = Literal["reproduced", "same shape", "contradicted", "inconclusive", "not run"]
VERDICTS: tuple[Verdict, ...] = ("reproduced", "same shape", "contradicted", "inconclusive", "not run")


@dataclass(frozen=True)
class Judged:
    """One claim against one set of data.

    ``mine`` is in the claim's unit; ``interval`` is the 95 % interval over the repeats, None where there is none (one
    repeat; or nothing was measured). ``reason`` is one line.
    """

    claim: Claim
    verdict: Verdict
    mine: float | None
    interval: tuple[float, float] | None
    n: int  # repeats that each gave one estimate; 0: not run
    reason: str
    flags: tuple[str, ...] = ()  # what to know of the data: outliers, drift, twins
    more_runs: int | None = None  # of an inconclusive claim: how many more repeats would decide it, about
