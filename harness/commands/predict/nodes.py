"""Whose starts a forecast is trained on: a node's own (store and figure slots), or the paper's recorded ones.

node-0123456789ab   runs/<node>/cold_start, and every figure's slots of that node
paper:n1            the recorded starts that ship with the figures; 'paper' for short
"""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.analyse.dataset import (
    PAPER_VERSION,
    CaseData,
    Repeat,
    Side,
    captured,
    loading_of,
    paper_sides,
    side_of_slot,
    sizes_of,
)
from harness.analyse.forecast_starts import Start, starts_of
from harness.errors import HarnessError
from harness.record.paper import PAPER_CSV, read_paper
from harness.record.run import Run
from harness.record.slot import find_slots, read_slot
from harness.record.slotcheck import SlotError
from harness.record.slotfacts import environment
from harness.record.store import CaseStore
from harness.spec.figure import figure_numbers
from harness.state.machine import this_node
from harness.workspace import Workspace

STUDY = "cold_start"
PAPER = "paper"
# The paper's machines, and where the recorded starts of each lie: figures and slot. Of n1: the sweep over all models,
# and those that compiled in every start (15) and in none (7).
_PAPERS = {
    "paper:n1": (("17", "15", "7"), "node0"),
    "paper:n2": (("10",), "gpu1"),
    "paper:n3": (("11",), "cpu1"),
}


@dataclass(frozen=True)
class Node:
    """A node with its starts; ``words``: whose they are, for people."""

    name: str
    words: str
    starts: tuple[Start, ...]
    notes: tuple[str, ...] = ()  # slots that could not be read


def find_node(wanted: str | None, workspace: Workspace) -> Node:
    """The node called ``wanted`` (or the only one whose name begins so); None: this machine's.

    Raises:
        HarnessError: none fits, or several do; lists what there is.
    """
    if wanted is None:
        wanted = str(this_node(workspace.root)["id"])
    if wanted == PAPER:
        wanted = next(iter(_PAPERS))
    slots, notes = _slots(workspace)
    names = sorted({*_stored(workspace), *slots, *_PAPERS})
    fitting = [name for name in names if name == wanted] or [name for name in names if name.startswith(wanted)]
    if len(fitting) != 1:
        fault = "no starts of it are stored" if not fitting else f"{len(fitting)} nodes begin so"
        raise HarnessError(f"node '{wanted}': {fault}; there are {', '.join(names)} (--node NAME, --node paper)")
    (name,) = fitting
    if name in _PAPERS:
        return _paper(name, workspace)
    sides = [*_store_sides(workspace, name), *slots.get(name, [])]
    return Node(name, f"starts of {name}", tuple(_each_once(sides)), tuple(notes))


def _paper(name: str, workspace: Workspace) -> Node:
    figures, slot = _PAPERS[name]
    found = [side for figure in figures for side in paper_sides(read_paper(workspace.figure(figure) / PAPER_CSV), {})]
    sides = [side for side in found if side.slot == slot]
    plural = "figures" if len(figures) > 1 else "figure"
    vllm = f"vLLM {PAPER_VERSION}"
    words = f"the paper's recorded starts on {sides[0].node} ({plural} {', '.join(figures)}; {vllm}), not yours"
    return Node(name, words, tuple(start for side in sides for start in starts_of(side)))


def _stored(workspace: Workspace) -> list[str]:
    """Nodes that have a folder in the store."""
    folders = workspace.runs.iterdir() if workspace.runs.is_dir() else ()
    return sorted(path.name for path in folders if (path / STUDY).is_dir() and not path.name.startswith("."))


def _slots(workspace: Workspace) -> tuple[dict[str, list[Side]], list[str]]:
    """Node → the sides of its slots in all figures; and a note for each slot that cannot be read."""
    found: dict[str, list[Side]] = {}
    notes = []
    for number in figure_numbers(workspace):
        for folder in find_slots(workspace.figure(number)):
            try:
                slot = read_slot(folder)
            except SlotError as error:
                notes.append(f"left out: {error}")
                continue
            node = str(slot.manifest["node"]["id"])
            found.setdefault(node, []).append(side_of_slot(slot, "mine", node))
    return found, notes


def _store_sides(workspace: Workspace, node: str) -> Iterator[Side]:
    """One side per stored case: its newest session with a measured run that counts, else its warm-ups."""
    folder = workspace.runs / node / STUDY
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        store = CaseStore(path)
        session = store.newest_usable_session() or store.last_session()
        runs = [run for run in store.session_runs(session or "") if run.counts]
        if runs:
            yield Side(path.name, "mine", node, (_case(runs),))


def _case(runs: list[Run]) -> CaseData:
    first = runs[0]
    parameters = first.case.get("parameters") or {}
    asked = {**parameters, "mode": first.case.get("mode", "offline"), "parallel": first.case.get("parallel")}
    return CaseData(
        model=str(first.model.get("name") or first.case.get("model")),
        twin=bool(first.model.get("twin")),
        parameters=asked,
        facts=sizes_of(first.model) | captured(asked),
        repeats=tuple(_repeat(run) for run in runs),
        engine=str(first.engine.get("version", "")),
        state=first.case.get("state") or {},
        environment=environment(first.case),
    )


def _repeat(run: Run) -> Repeat:
    log = {name: seconds for name, seconds in run.log_quantities.items() if seconds is not None}
    return Repeat(run.kind, run.run, run.phases, log, run.round, loading_of(run.certificate))


def _each_once(sides: list[Side]) -> Iterator[Start]:
    """The starts of all sides; one that is in the store and in slots of several figures is one start."""
    seen = set()
    for side in sides:
        for start in starts_of(side):
            key = (start.model, start.kind, start.run, tuple(sorted(start.seconds.items())))
            if key not in seen:
                seen.add(key)
                yield start
