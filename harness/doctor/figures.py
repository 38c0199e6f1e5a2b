"""What each figure needs, from the declarations that ``run_figure.sh`` acts on, and what of it is missing here."""

import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.commands.figure.cases import Asked, Point, asked_figures, engines_and_models, notes_of
from harness.commands.figure.plan import Planned, plan, plan_beside
from harness.commands.figure.start_seconds import StartSeconds
from harness.doctor.check import Check, FigureCheck
from harness.doctor.needs import Look
from harness.measure.case import Options
from harness.record.identity import core_list
from harness.record.run import RunFileError
from harness.record.slot import find_slots, refuse_other_owner
from harness.record.slotcheck import SlotError
from harness.spec.figure import Figure, figure_numbers, load_figure
from harness.spec.state import is_cold
from harness.state.machine import this_node


@dataclass(frozen=True)
class Wanted:
    """A figure with what can be measured of it here: a slot, or all slots where one machine can have them all."""

    figure: Figure
    asked: tuple[Asked, ...]

    @property
    def command(self) -> str:
        """How it is measured."""
        several = len(self.asked) > 1
        calls = (f"bash run_figure.sh {self.figure.figure}{f' {n}' if several else ''}" for n in range(len(self.asked)))
        return " && ".join(calls)

    @property
    def points(self) -> list[Point]:
        """Its cases."""
        return [point for each in self.asked for point in each.points]


def wanted_figures(pin_name: str | None, look: Look) -> list[Wanted]:
    """Every figure, as this machine would measure it. ``pin_name``: with this engine; None: with this machine's."""
    wanted = []
    for number in figure_numbers(look.workspace):
        figure = load_figure(number, look.workspace)
        # Slots of one machine in two states are one machine's; those of other nodes are not.
        slots: Sequence[int | None] = range(len(figure.slots)) if figure.differ == "storage" else [None]
        calls = (asked_figures(number, slot, Options(), pin_name, look.workspace) for slot in slots)
        asked = [each for call in calls for each in call]
        wanted.append(Wanted(figure, tuple(asked)))
    return wanted


def stopped_figures(check: Check, look: Look) -> list[FigureCheck]:
    """Every figure, where ``check`` keeps even the declarations from being applied to this machine."""
    numbers = figure_numbers(look.workspace)
    return [FigureCheck(number, check.status, check.why, check.fix, None, False) for number in numbers]


def missing_starts(wanted: Sequence[Wanted], look: Look) -> tuple[list[Planned], Check]:
    """The starts that are not stored yet; and whether the store can be read. If not, nothing of it is counted."""
    asked, needed = [asked for each in wanted for asked in each.asked], "runs as the harness wrote them"
    try:
        return plan(asked, Options(), look.workspace), Check("store", "ok", "can be read", needed)
    except RunFileError as error:
        said = str(error)
    planned, found = plan_beside(asked, Options(), StartSeconds()), said.replace(f"{look.workspace.root}/", "")
    # The message begins with the file; a run is moved as a whole, to where it is no run, and is not lost.
    file = Path(said.partition(": ")[0])
    folder = file.parent if file.name == "run.json" else file
    if not folder.is_relative_to(look.workspace.runs):
        return planned, Check("store", "cannot", found, needed)
    aside = shlex.join(
        ["mv", str(folder.relative_to(look.workspace.root)), f"damaged-{folder.parent.name}-{folder.name}"]
    )
    return planned, Check("store", "warn", found, needed, aside)


def figure_checks(
    wanted: Sequence[Wanted], planned: Sequence[Planned], basis: Sequence[Check], look: Look
) -> list[FigureCheck]:
    """Each figure's verdict. ``planned``: the starts that are missing; ``basis``: what every start needs."""
    seconds: dict[str, float] = {}
    for case in planned:
        for number in set(case.figures):
            seconds[number] = seconds.get(number, 0.0) + case.seconds
    node_id = str(this_node(look.workspace.root)["id"])
    return [_check(each, basis, seconds.get(each.figure.figure, 0.0), node_id, look) for each in wanted]


def _check(wanted: Wanted, basis: Sequence[Check], seconds: float, node_id: str, look: Look) -> FigureCheck:
    number = wanted.figure.figure
    if not wanted.points:
        return FigureCheck(number, "cannot", "; ".join(notes_of(wanted.asked)), None, None, False)
    # What every start needs is explained once, among the checks.
    lacks = [replace(check, needed="") for check in basis if check.stops]
    lacks += [check for check in _own_checks(wanted, node_id, look) if check.status not in ("ok", "warn")]
    beside = _other_slot(wanted.figure, look)
    notes = [*notes_of(wanted.asked), *([beside.why] if beside else [])]
    why = "; ".join([*dict.fromkeys(_summed(lacks)), *notes])
    minutes = round(seconds / 60, 1)
    if any(check.status == "cannot" for check in lacks):
        return FigureCheck(number, "cannot", why, None, None, False)
    if stopping := [check for check in lacks if check.stops]:
        return FigureCheck(number, "missing", why, stopping[0].fix, minutes, False)
    if lacks:
        return FigureCheck(number, "missing", why, wanted.command, minutes, True)
    fix = beside.fix if beside else None
    return FigureCheck(number, "warn" if notes else "ok", why, fix, minutes, True)


def _summed(lacks: Sequence[Check]) -> Iterable[str]:
    """Why each is lacking; of what ``run_figure.sh`` makes by itself, only how many."""
    yield from (check.why for check in lacks if not check.automatic)
    for kind in ("engine", "model"):
        if made := [check for check in lacks if check.automatic and check.name.startswith(f"{kind} ")]:
            yield made[0].why if len(made) == 1 else f"{len(made)} {kind}s to be made"


def _own_checks(wanted: Wanted, node_id: str, look: Look) -> Iterable[Check]:
    """What this figure needs besides the basis."""
    points = wanted.points
    pins, models = engines_and_models(points)
    yield from (look.engine(pin) for pin in pins)
    yield from (look.model(name).check for name in models)
    yield look.disk(pins, models)
    yield look.memory(points)
    if any(is_cold(point.setting.state.storage) or point.setting.state.libraries == "cold" for point in points):
        yield look.eviction()
    for asked in wanted.asked:
        folder = look.workspace.figure(asked.number) / asked.slot
        try:
            refuse_other_owner(folder, node_id)
        except SlotError:
            aside = f"mv figures/{folder.parent.name}/{folder.name} {folder.parent.name}-{folder.name}"
            yield Check(f"slot {asked.slot}", "missing", "another machine's, or damaged", "this machine's", aside)


def _other_slot(figure: Figure, look: Look) -> Check | None:
    """The slot of another node, where it is not there yet; with the command, if this machine can be that node too."""
    if figure.differ not in ("gpu", "cpu"):
        return None
    slot = figure.slots[1]
    if any(path.name == slot for path in find_slots(look.workspace.figure(figure.figure))):
        return None
    command, found = f"bash run_figure.sh {figure.figure} 1", f"needs another {figure.differ.upper()}"
    cores = sorted(os.sched_getaffinity(0))
    if figure.differ == "gpu" and len(set(look.gpus.names)) > 1:
        by_name = dict(zip(look.gpus.names, look.gpus.uuids, strict=True))
        other = next(uuid for name, uuid in by_name.items() if name != look.gpus.names[0])
        return Check(f"slot {slot}", "missing", found, "", f"CUDA_VISIBLE_DEVICES={other} {command}")
    if figure.differ == "cpu" and len(cores) > 1:
        half = core_list(cores[: len(cores) // 2])
        return Check(f"slot {slot}", "missing", f"{found} or core set", "", f"taskset -c {half} {command}")
    return Check(f"slot {slot}", "cannot", f"{found}: there {command}, then python3 harness merge", "")
