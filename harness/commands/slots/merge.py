"""``python3 harness merge FILE…``: slots from bundles into the figures' folders, all of them or none."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.commands.slots.incoming import Incoming, open_bundle, renamed, staged_slots
from harness.door import json_errors
from harness.errors import HarnessError
from harness.record.agreement import confounders, disagreements, unfinished
from harness.record.slot import find_slots, read_slot
from harness.record.slotcheck import SlotError
from harness.record.slotfiles import place, slot_files
from harness.show.node_name import node_name
from harness.workspace import Workspace


@dataclass(frozen=True)
class Merged:
    """What a call did."""

    placed: list[Incoming]
    there: list[Incoming]  # the same slots were there before
    problems: dict[str, list[str]]  # figure → what does not fit together
    warnings: list[str]


def run_merge(
    files: Sequence[Path], as_slot: str | None, allow_mismatch: bool, as_json: bool, workspace: Workspace
) -> int:
    """Put the slots of the bundles in place and say how to redraw; returns the exit code.

    ``as_slot``: the name of the only slot from now on. ``allow_mismatch``: also slots that do not fit together.

    Raises:
        HarnessError: a bundle cannot be read, a place is taken, or slots do not fit together; nothing was placed.
    """
    with json_errors(as_json):
        merged = merge(files, as_slot, allow_mismatch, workspace)
    for warning in [*merged.warnings, *(line for lines in merged.problems.values() for line in lines)]:
        print(f"warning: {warning}", file=sys.stderr)
    redraw = _redraw(merged)
    placed = [f"{_place(each, workspace)}: {node_name(each.slot.manifest['node'])}" for each in merged.placed]
    there = [f"{_place(each, workspace)}: already there" for each in merged.there]
    print(
        "\n".join([*placed, *there, *(f"Redraw: {line}" for line in redraw)]),
        file=sys.stderr if as_json else sys.stdout,
    )
    if as_json:
        print(json.dumps(_document(merged, redraw, workspace)))
    return 0


def merge(files: Sequence[Path], as_slot: str | None, allow_mismatch: bool, workspace: Workspace) -> Merged:
    """Do it; errors as for ``run_merge``."""
    bundles = {str(path): open_bundle(path) for path in files}
    if as_slot is not None:
        bundles = renamed(bundles, as_slot)
    with ExitStack() as staging:
        incoming: dict[Path, Incoming] = {}
        for where, bundle in bundles.items():
            for each in staged_slots(where, bundle, as_slot, workspace, staging):
                other = incoming.setdefault(each.target, each)
                if other.files != each.files:
                    raise HarnessError(f"{other.where} and {each.where} are different slots of one name; merge one")
        there = [each for each in incoming.values() if _is_there(each, workspace)]
        placed = [each for each in incoming.values() if each not in there]
        problems, warnings = _judged(incoming.values(), placed, workspace)
        new = dict.fromkeys(each.figure.figure for each in placed)
        blocking = [line for number in new for line in problems.get(number, [])]
        if blocking and not allow_mismatch:
            more = f" (and {len(blocking) - 1} more)" if len(blocking) > 1 else ""
            raise HarnessError(f"{blocking[0]}{more}; nothing was merged; --allow-mismatch merges it all the same")
        place({each.target: each.staged for each in placed})
    return Merged(placed, there, problems, warnings)


def _is_there(each: Incoming, workspace: Workspace) -> bool:
    """Whether the very same slot is in its place. Raises HarnessError if anything else is."""
    target = each.target
    if not os.path.lexists(target) or (target.is_dir() and not target.is_symlink() and not any(target.iterdir())):
        return False
    place = target.relative_to(workspace.root)
    try:
        files, manifest = slot_files(target), read_slot(target).manifest
    except SlotError as error:
        raise HarnessError(f"{each.where}: its place is taken by something that is no slot ({error})") from None
    if files == each.files:
        return True
    this, new = (f"{m['node']['id']} ({_digest(m)})" for m in (manifest, each.slot.manifest))
    raise HarnessError(f"{each.where}: {place} holds another slot, of {this}, this one is of {new}; move that one away")


def _digest(manifest: Mapping[str, Any]) -> str:
    return next(f"data {entry['sha256'][:12]}" for entry in manifest["files"] if entry["name"] == "data.csv")


def _judged(
    incoming: Iterable[Incoming], placed: Sequence[Incoming], workspace: Workspace
) -> tuple[dict[str, list[str]], list[str]]:
    """What does not fit together in each figure, and what must be known besides."""
    problems: dict[str, list[str]] = {}
    warnings: list[str] = []
    for number, figure in {each.figure.figure: each.figure for each in incoming}.items():
        new = [each for each in placed if each.figure.figure == number]
        try:
            old = [read_slot(folder).manifest for folder in find_slots(workspace.figure(number))]
        except SlotError as error:
            raise HarnessError(f"{error}; copy that slot again, or move it away") from None
        manifests = sorted([*old, *(each.slot.manifest for each in new)], key=lambda manifest: str(manifest["slot"]))
        halves = [f"{each.where} is not finished: {why}" for each in new if (why := unfinished(each.slot.manifest))]
        if lines := [*halves, *disagreements(manifests, figure.differ)]:
            problems[number] = lines
        warnings += confounders(manifests, figure.differ)
    return problems, warnings


def _redraw(merged: Merged) -> list[str]:
    numbers = dict.fromkeys(each.figure.figure for each in [*merged.placed, *merged.there])
    flag = {number: " --allow-mismatch" for number in merged.problems}
    return [f"python3 figures/figure-{number}/plot.py{flag.get(number, '')}" for number in numbers]


def _place(each: Incoming, workspace: Workspace) -> str:
    return str(each.target.relative_to(workspace.root))


def _document(merged: Merged, redraw: list[str], workspace: Workspace) -> dict[str, Any]:
    return {
        "merged": [_place(each, workspace) for each in merged.placed],
        "already_there": [_place(each, workspace) for each in merged.there],
        "problems": [line for lines in merged.problems.values() for line in lines],
        "warnings": merged.warnings,
        "redraw": redraw,
    }
