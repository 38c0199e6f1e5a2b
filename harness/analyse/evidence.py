"""What claims are judged by: the sides of every figure, and views of them that hold one repeat each.

An interval of a claim is over repeats, never over models. So every estimate is a function of evidence, and the same
function is asked again of the view of each repeat.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from harness.analyse.cores import CoreUse
from harness.analyse.dataset import MEASURED, CaseData, Side
from harness.spec.figure import Figure

Device = Literal["cpu", "cuda"]


class NotMeasuredError(Exception):
    """The evidence does not have what an estimate needs: ``what`` it is, and ``command``, which would measure it."""

    def __init__(self, what: str, command: str = "") -> None:
        super().__init__(f"{what}: {command}" if command else what)
        self.what = what


@dataclass(frozen=True)
class Origin:
    """Where one side's starts were made, as far as a verdict depends on it."""

    device: Device
    papers_machine: bool  # the hardware and the engine that the paper's numbers of this slot are from
    node: str  # its name


@dataclass(frozen=True)
class Here:
    """The machine on which claims are judged, for what no start says: its engines' device, models with real weights."""

    device: Device
    real_models: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Evidence:
    """Sides by figure and slot. Of sampled figures also the core use of each start, by its case and run.

    ``aside``: cases of own slots that are in no side, because their starts are not what the figure declares: model, and
    what was asked of them instead. ``recorded``: these are recordings of the paper's form, not starts of this harness.
    ``problems``: figures of which the slots cannot be used, and why.
    """

    figures: Mapping[str, Figure]
    sides: Mapping[str, Mapping[str, Side]]
    origins: Mapping[tuple[str, str], Origin]  # by figure and slot
    # By figure, slot and model; then by run.
    cores: Mapping[tuple[str, str, str], Mapping[str, CoreUse]] = field(default_factory=dict)
    aside: Mapping[tuple[str, str], tuple[tuple[str, str], ...]] = field(default_factory=dict)  # by figure and slot
    recorded: bool = False
    problems: Mapping[str, str] = field(default_factory=dict)

    def side(self, number: str, slot: str | None) -> tuple[str, Side]:
        """A slot's name and side: the one that is named, else the figure's first that there is.

        Raises:
            NotMeasuredError: there is none; says how to measure it.
        """
        if number in self.problems:
            raise NotMeasuredError(self.problems[number])
        slots = self.sides.get(number, {})
        declared = self.figures[number].slots
        if not slots:
            raise NotMeasuredError(f"figure {number} is not measured", f"bash run_figure.sh {number}")
        wanted = slot or next((name for name in declared if name in slots), next(iter(slots)))
        if wanted not in slots:
            index = declared.index(wanted) if wanted in declared else 0
            there = "in that state" if self.figures[number].differ == "storage" else "on the second node"
            raise NotMeasuredError(f"slot {wanted} is not measured", f"bash run_figure.sh {number} {index} {there}")
        return wanted, slots[wanted]

    def of_repeat(self, at: int) -> "Evidence":
        """The same with only the measured repeat at that place of each case; cases with fewer have none."""
        return replace(
            self,
            sides={
                number: {slot: _of_repeat(side, at) for slot, side in slots.items()}
                for number, slots in self.sides.items()
            },
        )


def measured(case: CaseData) -> int:
    """How many measured repeats a case has."""
    return sum(repeat.kind == MEASURED for repeat in case.repeats)


def _of_repeat(side: Side, at: int) -> Side:
    return replace(side, cases=tuple(_repeat_of(case, at) for case in side.cases))


def _repeat_of(case: CaseData, at: int) -> CaseData:
    return replace(case, repeats=tuple([repeat for repeat in case.repeats if repeat.kind == MEASURED][at : at + 1]))
