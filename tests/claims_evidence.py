"""The paper's data as evidence, and ways to falsify it: what a verdict must notice."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from harness.analyse.dataset import MEASURED, CaseData, Repeat, Side
from harness.analyse.evidence import Evidence, Here
from harness.analyse.judge import judge
from harness.analyse.judged import Judged
from harness.commands.claims.evidence_files import paper_evidence
from harness.spec.claims import Claim, load_claims
from harness.workspace import Workspace

CLAIMS: dict[str, Claim] = {claim.id: claim for claim in load_claims()}
SHARED = ("3", "4", "5", "6", "8", "17")  # figures that are drawn from one recording
FIGURE_12 = ("12", "node0", "qwen-4b")  # the one case whose cores were sampled

ChangeRepeat = Callable[[CaseData, Repeat, int], Repeat]


@lru_cache(maxsize=1)
def papers() -> Evidence:
    """The paper's own."""
    return paper_evidence(Workspace())


def verdict(claim: str, evidence: Evidence) -> Judged:
    """What is said of one claim."""
    return judge(CLAIMS[claim], evidence, Here("cuda"))


def changed(evidence: Evidence, change: ChangeRepeat, figures: tuple[str, ...], slot: str | None = None) -> Evidence:
    """The evidence with every measured repeat of these figures (of one slot of them) changed."""
    sides = {
        number: {
            name: _changed(side, change) if number in figures and slot in (None, name) else side
            for name, side in slots.items()
        }
        for number, slots in evidence.sides.items()
    }
    return replace(evidence, sides=sides)


def _changed(side: Side, change: ChangeRepeat) -> Side:
    cases = []
    for case in side.cases:
        counted = [repeat for repeat in case.repeats if repeat.kind == MEASURED]
        repeats = tuple(
            change(case, repeat, counted.index(repeat)) if repeat.kind == MEASURED else repeat
            for repeat in case.repeats
        )
        cases.append(replace(case, repeats=repeats))
    return replace(side, cases=tuple(cases))


def swapped(one: str, other: str) -> ChangeRepeat:
    """Two quantities under each other's name."""

    def change(_: CaseData, repeat: Repeat, __: int) -> Repeat:
        names = {one: other, other: one}
        return replace(repeat, log={names.get(name, name): value for name, value in repeat.log.items()})

    return change


def scaled(factor: float, *quantities: str, model: str | None = None, at: int | None = None) -> ChangeRepeat:
    """Some quantities (all, if none is named) times a factor; of one model, or of one repeat."""

    def change(case: CaseData, repeat: Repeat, number: int) -> Repeat:
        if model not in (None, case.model) or at not in (None, number):
            return repeat
        log = {
            name: value * (factor if name in quantities or not quantities else 1) for name, value in repeat.log.items()
        }
        return replace(repeat, log=log)

    return change


def noisier(factor: float, *quantities: str) -> ChangeRepeat:
    """Every repeat ``factor`` times as far from its case's mean: some quantities, or the whole start alike."""

    def change(case: CaseData, repeat: Repeat, _: int) -> Repeat:
        def stretch(name: str) -> float:
            values = [each.log[name] for each in case.repeats if each.kind == MEASURED]
            return 1 + (factor - 1) * (repeat.log[name] / (sum(values) / len(values)) - 1)

        whole = 1.0 if quantities else stretch("actual_total_time")
        log = {name: value * (stretch(name) if name in quantities else whole) for name, value in repeat.log.items()}
        return replace(repeat, log=log)

    return change


def timed(repeat: Repeat, **seconds: float) -> Repeat:
    """The start with other seconds of some quantities."""
    return replace(repeat, log={**repeat.log, **seconds})


def three_times(case: CaseData) -> CaseData:
    """The case's one start and two that took nearly as long."""
    (start,) = (repeat for repeat in case.repeats if repeat.kind == "measured")
    like = [(str(at + 1), 1 + at / 500) for at in range(3)]
    starts = [
        replace(start, run=run, log={name: value * factor for name, value in start.log.items()}) for run, factor in like
    ]
    return replace(case, repeats=tuple(starts))
