"""``python3 harness status``: what has been measured, figure by figure, and what is missing. It only looks."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.commands.figure.cases import asked_figures
from harness.commands.figure.plan import plan
from harness.engine.default_pin import default_pin
from harness.measure.case import Options
from harness.record.paper import PAPER_CSV
from harness.record.plain import printable
from harness.record.slot import Slot, find_slots, read_slot
from harness.record.slotcheck import SlotError
from harness.spec.figure import Figure, figure_numbers, load_figure
from harness.spec.pin import load_pin
from harness.spec.releases import pins_like
from harness.workspace import Workspace


def run_status(as_json: bool, pin_name: str | None, workspace: Workspace) -> int:
    """Print the state of every figure; with ``as_json`` also one JSON document as the last line of stdout.

    ``pin_name``: the engine whose missing starts are counted; None: this machine's.
    """
    declared = [load_figure(number, workspace) for number in figure_numbers(workspace)]
    missing = _missing_here(declared, pin_name, workspace)
    slots = {figure.figure: _read_slots(workspace.figure(figure.figure)) for figure in declared}
    engines = 1 if pin_name else len(pins_like(load_pin(default_pin())))  # of a figure over all versions
    figures = [
        _figure_status(figure, slots[figure.figure], engines, workspace) | {"missing_here": missing.get(figure.figure)}
        for figure in declared
    ]
    console = Console(highlight=False, markup=False, stderr=as_json)
    table = Table("figure", "slot", "cases", "measured starts", "not counted", "marked", "missing here", "drawn")
    for figure in figures:
        rows = figure["slots"] or [{"slot": "–", "cases": 0, "least": 0, "most": 0, "not_counted": 0, "marked": 0}]
        for number, slot in enumerate(rows):
            if "problem" in slot:
                table.add_row(figure["figure"], slot["slot"], "?", slot["problem"], "", "", "", "")
                continue
            starts = str(slot["least"]) if slot["least"] == slot["most"] else f"{slot['least']} to {slot['most']}"
            of = f"{starts} of {figure['iterations']} each" if slot["cases"] else "none"
            cases = f"{slot['cases']} of {figure['cases']}" if slot["cases"] else "–"
            here = "–" if figure["missing_here"] is None else str(figure["missing_here"])
            last = (here, figure["drawn"]) if number == 0 else ("", "")
            doubts = (str(slot[name] or "–") for name in ("not_counted", "marked"))
            table.add_row(figure["figure"], slot["slot"], cases, of, *doubts, *last)
    console.print(table)
    for line in _marked_lines([slot for found in slots.values() for slot in found.values()]):
        console.print(line)
    console.print(
        "missing here: starts not stored yet of all declared models, with this machine's engine; –: it can make none"
    )
    console.print(
        "measure or continue one: bash run_figure.sh NUM; see what it would do: bash run_figure.sh NUM --dry-run"
    )
    if as_json:
        print(json.dumps({"figures": figures}))
    return 0


def _missing_here(figures: list[Figure], pin_name: str | None, workspace: Workspace) -> dict[str, int]:
    """Figure → starts that this machine has not stored yet; figures that it cannot measure are absent.

    What an interrupted call has stored is in no slot yet: only the store knows of it.
    """
    calls = (asked_figures(figure.figure, None, Options(), pin_name, workspace) for figure in figures)
    asked = [each for call in calls for each in call]
    missing = Counter({each.number: 0 for each in asked if each.points})
    for case in plan(asked, Options(), workspace):
        missing.update({number: case.warmups + case.measured for number in case.figures})
    return dict(missing)


def _read_slots(folder: Path) -> dict[str, Slot | SlotError]:
    """The slots of a figure's folder by name, or why one cannot be read."""
    found: dict[str, Slot | SlotError] = {}
    for path in find_slots(folder):
        try:
            found[path.name] = read_slot(path)
        except SlotError as error:
            found[path.name] = error
    return found


def _figure_status(
    figure: Figure, slots: dict[str, Slot | SlotError], engines: int, workspace: Workspace
) -> dict[str, Any]:
    folder = workspace.figure(figure.figure)
    number = figure.figure
    pdf = folder / (f"figure{number}.pdf" if number.isdecimal() else f"figure-{number}.pdf")
    drawn = pdf.name if pdf.exists() else "not yet"
    combinations = len(figure.case_parameters(figure.models[0], "cpu")) * len(figure.states_in(figure.slots[0]))
    return {
        "figure": figure.figure,
        "question": figure.question,
        "cases": len(figure.models) * combinations * (engines if figure.engines == "all" else 1),
        "iterations": figure.iterations,
        "drawn": drawn,
        "paper_data": (folder / PAPER_CSV).exists(),
        "slots": [_slot_status(name, slot) for name, slot in slots.items()],
    }


def _slot_status(name: str, slot: Slot | SlotError) -> dict[str, Any]:
    if isinstance(slot, SlotError):
        return {"slot": name, "problem": str(slot)}
    per_case = _measured(slot)
    marked = _marked(slot)
    return {
        "slot": name,
        "node": slot.manifest["node"]["id"],
        "cases": len(per_case),
        "least": min(per_case.values(), default=0),
        "most": max(per_case.values(), default=0),
        "not_counted": sum(not _counts(run) for run in slot.manifest["runs"]),
        "marked": len(marked),
        "marks": dict(sorted(Counter(kind for kinds in marked.values() for kind in kinds).items())),
    }


def _measured(slot: Slot) -> dict[str, int]:
    """Case → measured starts that count."""
    counted = {case["case"]: 0 for case in slot.manifest["cases"]}
    for run in slot.manifest["runs"]:
        if run["kind"] == "measured" and _counts(run):
            counted[run["case"]] += 1
    return counted


def _marked(slot: Slot) -> dict[str, set[str]]:
    """Runs that count and were disturbed → kinds of what disturbed them (a mark is ``kind: detail``)."""
    marks = {run["run_id"]: run.get("marks") or [] for run in slot.manifest["runs"] if _counts(run)}
    return {run: {printable(mark.partition(":")[0], 40) for mark in of_run} for run, of_run in marks.items() if of_run}


def _marked_lines(slots: list[Slot | SlotError]) -> list[str]:
    """For people: how many runs carry each kind of mark. Figures share runs: each counts once."""
    runs: dict[tuple[str, str], set[str]] = {}
    for slot in slots:
        if isinstance(slot, Slot):
            runs.update({(slot.manifest["node"]["id"], run): kinds for run, kinds in _marked(slot).items()})
    if not runs:
        return []
    kinds = Counter(kind for of_run in runs.values() for kind in of_run)
    return [
        "marked: runs that count although something disturbed the machine; by what:",
        *(f"  {kind}: {number} run{'s' if number > 1 else ''}" for kind, number in sorted(kinds.items())),
    ]


def _counts(run: dict[str, Any]) -> bool:
    return bool(run["status"] == "ok" if run.get("counts") is None else run["counts"])
