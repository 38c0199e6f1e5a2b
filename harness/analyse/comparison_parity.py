"""Whether engines answer the same prompts alike: greedy token ids as they tell them, else the texts of the load.

Texts of a load are made in batches, whose sums are added in another order, and near ties may fall otherwise there; what
each engine answers alone, one request after the other, is the sharper comparison. Half of a character at a text's end
is written by some servers and left out by others: it is cut off before texts are compared.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from harness.analyse.first_difference import first_difference
from harness.record.comparison_run import ComparisonRun, phase_of
from harness.record.load_output import OK

IDS, TEXTS = "token ids", "texts"
_HALF = "\ufffd"


@dataclass(frozen=True)
class Agreement:
    """Two targets over all repeats. ``first``: tokens (of texts without a tokenizer: characters) before they part."""

    target: str
    reference: str
    what: str  # IDS, TEXTS
    compared: int
    identical: int
    first_median: float | None  # of answers that differ
    first_least: int | None


def agreements(runs: Sequence[ComparisonRun], names: Sequence[str]) -> list[Agreement]:
    """Every target against the first one, in every way that both allow."""
    found = []
    for target in names[1:]:
        for what, pairs in ((IDS, list(_ids(runs, target, names[0]))), (TEXTS, list(_texts(runs, target, names[0])))):
            if pairs:
                found.append(_agreement(target, names[0], what, pairs))
    return found


def _agreement(target: str, reference: str, what: str, pairs: Sequence[tuple[Sequence[object], ...]]) -> Agreement:
    parts = [first_difference(one, other) for one, other in pairs]
    differ = [part for part in parts if part is not None]
    return Agreement(
        target=target,
        reference=reference,
        what=what,
        compared=len(pairs),
        identical=len(pairs) - len(differ),
        first_median=median(differ) if differ else None,
        first_least=min(differ, default=None),
    )


def _ids(runs: Sequence[ComparisonRun], target: str, reference: str) -> Iterator[tuple[Sequence[object], ...]]:
    for run in runs:
        told: Mapping[str, Sequence[Sequence[int]]] = run.facts.greedy
        if target in told and reference in told:
            yield from zip(told[target], told[reference], strict=False)


def _texts(runs: Sequence[ComparisonRun], target: str, reference: str) -> Iterator[tuple[Sequence[object], ...]]:
    for run in runs:
        if run.uncounted:  # its answers could only be held against each other by characters
            continue
        answers = {(each.phase, each.request): each for each in run.records if each.status == OK}
        for concurrency in {level.concurrency for level in run.facts.levels}:
            of = phase_of(reference, concurrency)
            for (phase, request), mine in answers.items():
                other = answers.get((of, request))
                if phase != phase_of(target, concurrency) or other is None:
                    continue
                one_text, other_text = ((each.text or "").rstrip(_HALF) for each in (mine, other))
                if one_text == other_text:
                    yield (), ()
                elif run.tokens is not None:
                    one, two = run.tokens.get(mine.request_id, ()), run.tokens.get(other.request_id, ())
                    yield (one, two) if tuple(one) != tuple(two) else ((0,), (1,))
                else:
                    yield one_text, other_text
