"""The rows of the report's table of claims: texts for people, numbers to sort by."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.analyse.judged import VERDICTS, Judged

_SYMBOLS = {"reproduced": "✓", "same shape": "≈", "contradicted": "✗", "inconclusive": "?", "not run": "–"}


@dataclass(frozen=True)
class ClaimRow:
    """One claim. ``…_value`` are what the column is sorted by; None comes last."""

    id: str
    figure: str
    statement: str
    quantity: str
    paper: str
    paper_value: float
    tolerance: tuple[str, ...]
    mine: str
    mine_value: float | None
    interval: str
    n: int
    verdict: str
    symbol: str
    rank: int  # of the verdict
    reason: str
    notes: tuple[str, ...]  # flags, the claim's caveat, how many more runs would decide it


def claim_rows(judged: Sequence[Judged]) -> list[ClaimRow]:
    """The claims in the order given."""
    return [_row(each) for each in judged]


def verdict_counts(judged: Sequence[Judged]) -> list[tuple[str, int]]:
    """How many claims have each verdict; those that none has are left out."""
    counts = [(verdict, sum(each.verdict == verdict for each in judged)) for verdict in VERDICTS]
    return [(verdict, count) for verdict, count in counts if count]


def _row(each: Judged) -> ClaimRow:
    claim = each.claim
    low_high = each.interval and f"{_number(each.interval[0])} to {_number(each.interval[1], claim.unit)}"
    shape = [f"shape {claim.shape}"] if claim.shape else []
    more = [f"about {each.more_runs} more repeats would decide it"] if each.more_runs else []
    failure = ["the paper's method fails here: reproduced when it fails again"] if claim.known_failure else []
    return ClaimRow(
        claim.id,
        claim.figure,
        claim.statement,
        claim.quantity,
        _number(claim.paper, claim.unit),
        claim.paper,
        (str(claim.tolerance), *shape),
        _number(each.mine, claim.unit) if each.mine is not None else "–",
        each.mine,
        low_high or "",
        each.n,
        each.verdict,
        _SYMBOLS[each.verdict],
        VERDICTS.index(each.verdict),
        each.reason,
        (*each.flags, *more, *failure, *([claim.caveat] if claim.caveat else [])),
    )


def _number(value: float, unit: str = "") -> str:
    text = f"{value:.4g}".replace("-", "−")
    return f"{text} {unit}" if unit else text
