"""``run_figure.sh NUM``: set up → measure what is missing → collect → plot. Each step can be repeated alone."""

import runpy
import sys
from pathlib import Path

from harness.engine import patching
from harness.engine.detect import default_pin, gpus
from harness.engine.environment import Engine, ensure_engine
from harness.engine.model_store import ensure_model
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.case import Options, make_case
from harness.measure.conditions import check_writable, measuring
from harness.measure.session import CaseSession, open_session
from harness.progress import console, lost_run, measure_missing, why_missing
from harness.record.collect import CaseRuns, collect
from harness.record.slot import refuse_other_owner
from harness.record.slotcheck import SlotError
from harness.spec.figure import Figure, load_figure
from harness.spec.models import find_model
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from harness.state.machine import this_node
from harness.workspace import Workspace


def run_figure(number: str, options: Options, pin_name: str | None, workspace: Workspace) -> None:
    """Do everything for one figure.

    Raises:
        HarnessError: wrong use or impossible here; MeasurementFailed: a run failed (what succeeded is drawn first).
    """
    figure = load_figure(number, workspace)
    for name in options.models or figure.models:
        find_model(name)
    pin = load_pin(pin_name or default_pin())
    if pin.device == "cuda" and not gpus():
        raise HarnessError(
            f"engine {pin.name} needs an NVIDIA GPU and its driver, found none; try --engine {DEFAULT_CPU_PIN}"
        )
    with measuring(workspace.root, f"figure {number}"):
        engine = set_up(pin.name, workspace)
        sessions, node = open_sessions(figure, options, engine, workspace)
        runs = measure_missing(sessions, node)
        collect_slot(figure, sessions, workspace)
    plot(workspace.figure(number))
    for session in sessions:
        if lost := lost_run(session, runs):
            raise MeasurementFailed(why_missing(lost, session, workspace.root))


def set_up(pin_name: str, workspace: Workspace) -> Engine:
    """The engine's environment, patched."""
    engine = ensure_engine(load_pin(pin_name), workspace, announce=console.print)
    changed = patching.apply(engine.pin, engine.vllm_dir, python=engine.python)
    if changed:
        console.print(f"Patched engine {pin_name} ({len(changed)} files)")
    return engine


def open_sessions(
    figure: Figure, options: Options, engine: Engine, workspace: Workspace
) -> tuple[list[CaseSession], dict[str, object]]:
    """Sessions of the figure's cases, and the node's record."""
    check_writable((workspace.runs, workspace.caches, workspace.figure(figure.figure)))
    node = this_node(workspace.runs)
    try:
        refuse_other_owner(workspace.figure(figure.figure) / figure.slots[0], str(node["id"]))
    except SlotError as error:
        raise HarnessError(str(error)) from None
    sessions = []
    for name in options.models or figure.models:
        model = ensure_model(name, lambda: engine.python, workspace.models, announce=console.print)
        case = make_case(figure, model, engine, options.eager, options.mode or "offline")
        iterations = options.iterations_of(figure)
        sessions.append(open_session(case, workspace, str(node["id"]), iterations, options.again))
    return sessions, node


def collect_slot(figure: Figure, sessions: list[CaseSession], workspace: Workspace) -> None:
    """Export the sessions to the figure's slot."""
    slot = figure.slots[0]
    cases = []
    for session in sessions:
        shown = session.store.newest_usable_session() or session.session
        if shown != session.session:
            console.print(f"{session.case.name}: session {session.session} has no usable run; the figure shows {shown}")
        cases.append(CaseRuns(session.case.name, session.store, shown))
    try:
        collect(figure.figure, slot, workspace.figure(figure.figure) / slot, cases)
    except SlotError as error:
        raise HarnessError(str(error)) from None


def plot(folder: Path) -> None:
    """Run the figure's plot.py in this process (it reads slots only)."""
    arguments, sys.argv = sys.argv, [str(folder / "plot.py")]
    try:
        runpy.run_path(str(folder / "plot.py"), run_name="__main__")
    except SystemExit as ended:
        if ended.code:
            raise HarnessError(f"{folder / 'plot.py'} ended with exit code {ended.code}") from None
    finally:
        sys.argv = arguments
