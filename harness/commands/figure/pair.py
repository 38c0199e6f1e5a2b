"""``run_figure.sh 10 --parallel``: both slots of a figure that compares GPUs at once, on two GPUs of this machine.

This process holds the measurement lock, makes engine and models, starts a process for each slot (``pair_member.py``)
that sees one GPU only, and draws the figure when both have ended.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from harness.commands.figure.cases import Asked, asked_figures, notes_on
from harness.commands.figure.command import Call, case_of, plot, print_verdicts, set_up_all
from harness.commands.figure.pair_member import MODULE, Slot
from harness.commands.figure.plan import Planned, plan, print_plan
from harness.commands.figure.problems import raise_last
from harness.engine.default_pin import default_pin
from harness.engine.detect import VARIABLE, visible_gpus
from harness.engine.gpu_parts import whole_of
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.case import Options
from harness.measure.conditions import measuring
from harness.measure.lock import note_members
from harness.measure.pair import Task, run_members
from harness.progress import console, say
from harness.spec.figure_groups import figures_of
from harness.workspace import Workspace

# What one may take until its next start beside a start and its wait for a quiet machine: to bring its state about.
LATE_S = 60.0


@dataclass(frozen=True)
class Half:
    """One slot, and the GPU that it is measured on."""

    asked: Asked
    index: int
    gpu: dict[str, str]  # uuid and name


@dataclass(frozen=True)
class Pair:
    """Both slots, of one engine."""

    halves: tuple[Half, Half]
    pin: str
    options: Options
    notes: tuple[str, ...]


def asked_pair(call: Call, options: Options, workspace: Workspace) -> Pair:
    """What the call asks for.

    Raises:
        HarnessError: no figure of two GPUs, an option that does not go together with it, fewer than two GPUs; or as
            ``asked_figures``.
    """
    figures = figures_of(call.name, workspace)
    if [figure.differ for figure in figures] != ["gpu"]:
        raise HarnessError(f"--parallel is for figure 10, which compares two GPUs, not for {call.name}; leave it out")
    if call.slot_index is not None:
        raise HarnessError(f"--parallel measures both slots; leave out {call.slot_index}, or --parallel")
    if call.budget_s is not None:
        raise HarnessError("--parallel measures every start of both slots; leave out --budget")
    if options.drop_caches or options.storage not in (None, "ram"):
        raise HarnessError(
            "--parallel keeps weights in memory, because what one start evicts the other may need; "
            "leave out --storage and --drop-caches"
        )
    gpus = visible_gpus()
    if len(gpus) < 2:
        raise HarnessError(
            f"--parallel needs two GPUs that a start may use, here {'is one' if gpus else 'are none'}; "
            f"see python3 harness doctor, or {VARIABLE}"
        )
    _check_apart(gpus[0], gpus[1])
    pin, options = call.pin or default_pin(), replace(options, parallel=True)
    halves = []
    for index, gpu in enumerate(gpus[:2]):
        with only_gpu(gpu["uuid"]):
            (asked,) = asked_figures(call.name, index, options, pin, workspace)
        if not asked.points:
            raise HarnessError("; ".join(asked.notes) or f"figure {call.name}: nothing to measure")
        halves.append(Half(asked, index, gpu))
    where = [
        f"figure {call.name}: slot {half.asked.slot} on {half.gpu['name']} ({half.gpu['uuid']})" for half in halves
    ]
    notes = [*notes_on([half.asked for half in halves], call.pin), *where, "both at once (--parallel)"]
    return Pair((halves[0], halves[1]), pin, options, tuple(notes))


def _check_apart(one: dict[str, str], other: dict[str, str]) -> None:
    """Parts of one GPU share its link, power and copy engines. Raises HarnessError."""
    both, whole = f"{one['uuid']} and {other['uuid']}", whole_of(one)
    if whole is None or whole_of(other) is None:
        raise HarnessError(f"--parallel needs two GPUs; the driver does not tell which GPUs {both} are parts of")
    if whole == whole_of(other):
        raise HarnessError(
            f"--parallel needs two GPUs; {both} are of one, {whole}: choose one of another GPU with {VARIABLE}"
        )


def pair_figure(call: Call, options: Options, dry_run: bool, as_json: bool, workspace: Workspace) -> None:
    """What is typed with ``--parallel``: measure, or with ``dry_run`` only tell. Raises as ``run_pair``."""
    if dry_run:
        pair = asked_pair(call, options, workspace)
        print_plan(plan_pair(pair, workspace), list(pair.notes), as_json)
    else:
        run_pair(call, options, workspace)


def run_pair(call: Call, options: Options, workspace: Workspace) -> None:
    """Measure what is missing of both slots, at once, and draw the figure.

    Raises:
        HarnessError: as ``asked_pair`` and ``run_figure``;
        MeasurementFailed: a slot could not be completed (the other one is, and what there is is drawn).
    """
    pair = asked_pair(call, options, workspace)
    for note in pair.notes:
        console.print(note, soft_wrap=True)
    problems: list[HarnessError] = []
    with measuring(workspace.root, f"figure {call.name}, both slots at once"):
        _make_all(pair, workspace)
        tasks = [_task(pair, half, workspace) for half in pair.halves]
        limit_s = pair.halves[0].asked.figure.timeout_s + pair.options.quiet_wait_s + LATE_S
        for ended in run_members(tasks, workspace.root, say, lambda pids: note_members(workspace.root, pids), limit_s):
            if ended.code:
                kind = HarnessError if ended.code == HarnessError.exit_code else MeasurementFailed
                problems.append(kind(f"{ended.name}: {ended.error}"))
        try:
            plot(workspace.figure(call.name), ["--allow-mismatch"] if call.allow_mismatch else [])
        except HarnessError as error:
            problems.insert(0, error)
    print_verdicts([call.name], workspace)
    raise_last(problems)


def plan_pair(pair: Pair, workspace: Workspace) -> list[Planned]:
    """The starts that both slots still need; each slot's are other ones, on another GPU."""
    planned = []
    for half in pair.halves:
        with only_gpu(half.gpu["uuid"]):
            for each in plan([half.asked], pair.options, workspace):
                planned.append(replace(each, figures=[f"{number} {half.asked.slot}" for number in each.figures]))
    return planned


@contextmanager
def only_gpu(uuid: str) -> Iterator[None]:
    """This process sees only the GPU while the block runs."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = uuid
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def _make_all(pair: Pair, workspace: Workspace) -> None:
    """Engine and models, once: two processes at once would do it twice."""
    asked = pair.halves[0].asked
    engines, _ = set_up_all([asked], workspace)
    for point in asked.points:
        case_of(point, asked.figure, engines, pair.options, workspace)


def _task(pair: Pair, half: Half, workspace: Workspace) -> Task:
    other = next(each.asked.slot for each in pair.halves if each is not half)
    slot = Slot(str(workspace.root), half.asked.number, half.index, other, pair.pin, pair.options)
    return Task(half.asked.slot, ("-m", MODULE, slot.argument()), {VARIABLE: half.gpu["uuid"]})
