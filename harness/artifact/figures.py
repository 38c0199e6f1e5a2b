"""What the appendix says of each figure: command, starts, minutes, and what to expect of the paper's claims."""

from collections.abc import Sequence

from harness.analyse.evidence import Device
from harness.analyse.judge import best_verdict
from harness.commands.figure.cases import Asked, asked_with, notes_of
from harness.commands.figure.plan import plan_beside
from harness.commands.figure.start_seconds import StartSeconds
from harness.measure.case import Options
from harness.show.artifact import ClaimRow, FigureEntry
from harness.show.claims_print import number_text
from harness.spec.claims import Claim, load_claims
from harness.spec.figure import Figure, figure_numbers, load_figure
from harness.spec.figure_groups import Groups
from harness.spec.pin import Pin
from harness.spec.releases import pins_like
from harness.spec.yamlfile import load_yaml
from harness.workspace import Workspace

_BEST = "reproduced"
_OR_SHAPE = "reproduced or same shape"  # the number is not the machine's, the finding is


def wanted_of(pin: Pin, workspace: Workspace, smoke: bool = False, numbers: Sequence[str] = ()) -> list[Asked]:
    """Every slot that one machine with this engine can measure; ``numbers``: of these figures only."""
    options = Options(smoke=smoke)
    found = []
    for number in numbers or figure_numbers(workspace):
        figure = load_figure(number, workspace)
        pins = pins_like(pin, smoke=smoke) if figure.engines == "all" else [pin]
        found += [asked_with(figure, slot, options, pin, pins) for slot in _slots_here(figure)]
    return found


def minutes_of(asked: Sequence[Asked], smoke: bool = False) -> float:
    """Minutes of all these starts, each made once, on a machine that has measured none."""
    return sum(case.seconds for case in plan_beside(list(asked), Options(smoke=smoke), StartSeconds())) / 60


def figure_entries(pin: Pin, workspace: Workspace) -> tuple[FigureEntry, ...]:
    """Every figure, in reading order."""
    return tuple(_entry(number, pin, workspace) for number in figure_numbers(workspace))


def groups_of(pin: Pin, workspace: Workspace) -> tuple[tuple[str, str, float], ...]:
    """Name, figures and minutes of each group of figures that share starts."""
    groups = load_yaml(workspace.root / "figures" / "groups.yaml", Groups).root
    return tuple(
        (name, ", ".join(numbers), minutes_of(wanted_of(pin, workspace, numbers=numbers)))
        for name, numbers in groups.items()
    )


def general_claims(figures: Sequence[FigureEntry]) -> tuple[ClaimRow, ...]:
    """Claims that are about no single figure."""
    numbers = {figure.number for figure in figures}
    return tuple(_row(claim, measurable=True) for claim in load_claims() if claim.figure not in numbers)


def _entry(number: str, pin: Pin, workspace: Workspace) -> FigureEntry:
    figure = load_figure(number, workspace)
    asked = wanted_of(pin, workspace, numbers=[number])
    small = wanted_of(pin, workspace, smoke=True, numbers=[number])
    planned = plan_beside(asked, Options(), StartSeconds())
    several = len(figure.slots) > 1 and figure.differ is not None
    slots = range(len(figure.slots)) if several else [None]
    measurable = any(each.points for each in asked)
    return FigureEntry(
        number=number,
        question=figure.question,
        commands=tuple(f"bash run_figure.sh {number}{'' if slot is None else f' {slot}'}" for slot in slots),
        other_node=figure.differ if figure.differ in ("cpu", "gpu") else None,
        models=len(figure.models),
        cases=len(planned),
        starts=sum(case.warmups + case.measured for case in planned),
        minutes=minutes_of(asked) if measurable else None,
        smoke_minutes=minutes_of(small, smoke=True) if measurable else None,
        notes=tuple(note.removesuffix("; only the paper's data is drawn") for note in notes_of(asked)),
        paper_notes=figure.paper_notes,
        claims=tuple(_row(claim, measurable) for claim in load_claims() if claim.figure == number),
    )


def _slots_here(figure: Figure) -> Sequence[int | None]:
    """Slots of states are all this machine's, those of nodes are not."""
    return range(len(figure.slots)) if figure.differ == "storage" else [None]


def _row(claim: Claim, measurable: bool) -> ClaimRow:
    return ClaimRow(
        id=claim.id,
        statement=claim.statement,
        quantity=claim.quantity,
        paper=number_text(claim.paper, claim.unit),
        reproduced=str(claim.tolerance),
        same_shape=str(claim.shape) if claim.shape else None,
        caveat=claim.caveat,
        known_failure=claim.known_failure,
        on_cpu_twin=_expected(claim, "cpu", twins=True) if measurable else "not run",
        on_gpu_twin=_expected(claim, "cuda", twins=True),
        on_gpu_weights=_expected(claim, "cuda", twins=False),
    )


def _expected(claim: Claim, device: Device, twins: bool) -> str:
    best = best_verdict(claim, device, twins)
    return _OR_SHAPE if best == _BEST and claim.shape else best
