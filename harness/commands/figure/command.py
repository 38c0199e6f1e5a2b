"""``run_figure.sh NUM``: set up → measure what is missing → collect → plot. Each step can be repeated alone."""

import runpy
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from packaging.version import Version

from harness.analyse.judge import judge_all
from harness.commands.claims.evidence_files import own_evidence, this_machine
from harness.commands.figure.budget_claims import machine_here
from harness.commands.figure.budget_plan import Budgeted, check_budget, print_budgeted, print_outcome, within_budget
from harness.commands.figure.cases import Asked, Point, asked_figures, notes_on
from harness.commands.figure.places import check_places
from harness.commands.figure.plan import plan
from harness.commands.figure.problems import for_each, raise_last
from harness.engine import patching
from harness.engine.environment import Engine, InstallationFailed, ensure_engine
from harness.engine.environments import make_engines
from harness.engine.model_store import ensure_model
from harness.engine.tensorize import tensorize
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.case import Options, make_case
from harness.measure.conditions import measuring
from harness.measure.one_run import Case
from harness.measure.session import CaseSession, open_session
from harness.progress import console, measure_missing, say, why_incomplete
from harness.record.collect import CaseRuns, Gap, collect, failed_starts
from harness.record.slotcheck import SlotError
from harness.show.claims_print import print_claims
from harness.spec.claims import load_claims
from harness.spec.figure import Figure
from harness.spec.pin import Pin
from harness.state.machine import this_node
from harness.state.probe import probe_files
from harness.state.staging import memory_copies, placed
from harness.workspace import Workspace


@dataclass(frozen=True)
class Call:
    """What was typed."""

    name: str  # of a figure or a group
    slot_index: int | None = None
    pin: str | None = None
    allow_mismatch: bool = False
    versions: tuple[str, ...] = ()
    budget_s: float | None = None  # of starts


def run_figure(call: Call, options: Options, workspace: Workspace) -> None:
    """Do everything for one figure, or for several that share their starts.

    Raises:
        HarnessError: wrong use or impossible here, or a figure that cannot be drawn (the others are drawn first);
        MeasurementFailed: a run failed (what succeeded is drawn first).
    """
    asked = asked_figures(call.name, call.slot_index, options, call.pin, workspace, call.versions)
    for note in notes_on(asked, call.pin):
        console.print(note, soft_wrap=True)
    budgeted = None
    if call.budget_s is not None:
        budgeted = cut_to_budget(asked, options, call.budget_s, workspace)
        print_budgeted(budgeted, call.budget_s, console)
        asked, options = budgeted.asked, budgeted.options
    measured = Measured()
    if any(each.shown for each in asked):
        with measuring(workspace.root, f"figure {call.name}"), memory_copies(workspace.root):
            measured = measure_asked(asked, options, workspace, budgeted)
    problems = measured.not_drawn
    arguments = ["--allow-mismatch"] if call.allow_mismatch else []
    problems += for_each(asked, lambda each: plot(workspace.figure(each.number), arguments))
    print_verdicts([each.number for each in asked if each.shown], workspace)
    raise_last([*problems, *measured.lost])


@dataclass(frozen=True)
class Measured:
    """What was wrong: with engines and slots, and with runs."""

    not_drawn: list[HarnessError] = field(default_factory=list)
    lost: list[HarnessError] = field(default_factory=list)

    @property
    def problems(self) -> list[HarnessError]:
        """All of it."""
        return [*self.not_drawn, *self.lost]


def measure_asked(
    asked: list[Asked],
    options: Options,
    workspace: Workspace,
    budgeted: Budgeted | None = None,
    together: Callable[[], str] | None = None,
) -> Measured:
    """Engines, models, the missing runs, and the slots of the figures; the caller holds the measurement lock.

    ``together``: called right before each start (``Surroundings.together``).

    Raises:
        HarnessError: nothing can be measured, or a run cannot be stored.
    """
    node = this_node(workspace.runs)
    check_places(asked, str(node["id"]), node, workspace)
    engines, gaps = set_up_all(asked, workspace)
    problems: list[HarnessError] = [MeasurementFailed(f"no engine {gap.engine}: {gap.reason}") for gap in gaps]
    per_figure = open_sessions(asked, engines, options, node, workspace)
    sessions = {name: session for found in per_figure.values() for name, session in found.items()}
    for session in sessions.values():
        session.case = replace(session.case, around=replace(session.case.around, together=together))
    begun = time.monotonic()
    with probe_files():
        runs = measure_missing(list(sessions.values()), node)
    if budgeted:
        print_outcome(budgeted, runs, time.monotonic() - begun, console)
    measured = [each for each in asked if each.number in per_figure]
    problems += for_each(
        measured, lambda each: collect_slot(each, list(per_figure[each.number].values()), workspace, gaps)
    )
    lost = [why for session in sessions.values() if (why := why_incomplete(session, runs, workspace.root))]
    return Measured(problems, [MeasurementFailed(why) for why in lost])


def cut_to_budget(asked: list[Asked], options: Options, budget_s: float, workspace: Workspace) -> Budgeted:
    """What of the call decides most claims in this time.

    Raises:
        HarnessError: nothing does; says what would.
    """
    check_budget(budget_s)
    planned, here = plan(asked, options, workspace), machine_here(workspace)
    return within_budget(asked, planned, options, budget_s, load_claims(), own_evidence(workspace), here)


def print_verdicts(figures: list[str], workspace: Workspace) -> None:
    """What the claims about these figures have come to. Slots that cannot be read have been told of before."""
    claims = [claim for claim in load_claims() if claim.figure in figures]
    if claims:
        judged = judge_all(claims, own_evidence(workspace), this_machine(workspace))
        print_claims(judged, console)


def set_up(pin: Pin, workspace: Workspace) -> Engine:
    """The engine's environment, patched; that of a release as it was published."""
    engine = ensure_engine(pin, workspace, announce=say)
    if not pin.traced:
        patching.refuse_tracer(engine.vllm_dir)
        return engine
    changed = patching.apply(engine.pin, engine.vllm_dir, python=engine.python)
    if changed:
        console.print(f"Patched engine {pin.name} ({len(changed)} files)")
    return engine


def set_up_all(asked: list[Asked], workspace: Workspace) -> tuple[dict[str, Engine], list[Gap]]:
    """Every engine that is asked for, by name; and those of a figure over all versions that cannot be had.

    Raises:
        HarnessError: there is none, or a figure of one engine lacks its own.
    """
    pins = {point.pin.name: point.pin for each in asked for point in each.shown}
    engines, failed = make_engines(list(pins.values()), workspace, lambda pin: set_up(pin, workspace))
    if failed and (not engines or any(each.shown and each.figure.engines == "one" for each in asked)):
        raise next(iter(failed.values()))
    reasons = {
        name: error.reason if isinstance(error, InstallationFailed) else str(error) for name, error in failed.items()
    }
    return engines, [Gap(name, pin.vllm_version, reasons[name]) for name, pin in pins.items() if name in reasons]


def open_sessions(
    asked: list[Asked], engines: dict[str, Engine], options: Options, node: dict[str, Any], workspace: Workspace
) -> dict[str, dict[str, CaseSession]]:
    """Sessions of each figure's cases: figure → case's name → session. Figures that ask for the same case share it."""
    sessions: dict[str, CaseSession] = {}
    found: dict[str, dict[str, CaseSession]] = {}
    for each in asked:
        for point in (point for point in each.shown if point.pin.name in engines):
            case = case_of(point, each.figure, engines, options, workspace)
            if case.name not in sessions:
                kept = point in each.kept
                iterations = 0 if kept else options.iterations_of(each.figure)
                sessions[case.name] = open_session(case, workspace, node, iterations, options.again and not kept)
            found.setdefault(each.number, {})[case.name] = sessions[case.name]
    return found


def case_of(point: Point, figure: Figure, engines: dict[str, Engine], options: Options, workspace: Workspace) -> Case:
    """The case of one point: its model's files made or verified, in the format and place that it is loaded from."""
    engine = engines[point.pin.name]
    # Twins are made with what the newest engine has: old releases cannot, and all are to load the same files.
    maker = max(engines.values(), key=lambda each: Version(each.pin.vllm_version))
    files = ensure_model(point.model, lambda: maker.python, workspace.models, announce=console.print)
    if point.setting.parameters.get("load_format") == "tensorizer":
        files = replace(files, path=tensorize(files, engine, console.print))
    place = placed(files.path, point.setting.state.storage, workspace.root, console.print)
    return make_case(figure, files, engine, point.setting, place, options.quiet_wait_s)


def collect_slot(asked: Asked, sessions: list[CaseSession], workspace: Workspace, gaps: Sequence[Gap] = ()) -> None:
    """Export the sessions to the figure's slot."""
    cases = []
    for session in sessions:
        # 0 is wanted of a case that is only kept: any start will do.
        shown = session.store.newest_usable_session(max(session.iterations, 1)) or session.session
        if shown != session.session:
            lacks = f"{session.counted()} of {session.iterations} runs count"
            console.print(f"{session.case.name}: of session {session.session} {lacks}; the figure shows {shown}")
        cases.append(CaseRuns(session.case.name, session.store, shown))
    if asked.figure.engines == "all":
        gaps = [*gaps, *failed_starts(cases)]
    try:
        collect(asked.number, asked.slot, workspace.figure(asked.number) / asked.slot, cases, gaps)
    except SlotError as error:
        raise HarnessError(str(error)) from None


def plot(folder: Path, arguments: list[str]) -> None:
    """Run the figure's plot.py in this process (it reads slots only)."""
    before, sys.argv = sys.argv, [str(folder / "plot.py"), *arguments]
    try:
        runpy.run_path(str(folder / "plot.py"), run_name="__main__")
    except SystemExit as ended:
        if ended.code:
            raise HarnessError(f"{folder / 'plot.py'} ended with exit code {ended.code}") from None
    finally:
        sys.argv = before
