"""Whether results can be written, and whether a slot is this node's to write: looked at before anything starts."""

from pathlib import Path

from harness.commands.figure.cases import Asked
from harness.errors import HarnessError
from harness.measure.conditions import check_temporary_folder, check_writable
from harness.record.agreement import same_identity
from harness.record.slot import find_slots, read_slot, refuse_other_owner
from harness.record.slotcheck import SlotError
from harness.workspace import Workspace


def check_places(asked: list[Asked], node_id: str, node: dict[str, object], workspace: Workspace) -> None:
    """Make sure that results can be written, engines started, and that each slot is this node's to write.

    Raises:
        HarnessError: a slot of another node is in the way, is there under another name too, or cannot be read; the
        other slot is of the very same GPU or CPU set; or TMPDIR is too long for sockets.
    """
    folders = [workspace.figure(each.number) for each in asked if each.shown]
    check_writable((workspace.runs, workspace.caches, *folders))
    check_temporary_folder()
    for each in (each for each in asked if each.shown):
        folder = workspace.figure(each.number)
        try:
            refuse_other_owner(folder / each.slot, node_id)
        except SlotError as error:
            raise HarnessError(str(error)) from None
        for path in find_slots(folder):
            if path.name != each.slot:
                check_beside(each, path, node)


def check_beside(asked: Asked, path: Path, node: dict[str, object]) -> None:
    """Make sure that the slot in ``path`` can stand beside the one to be measured on ``node``."""
    try:
        other = read_slot(path).manifest
    except SlotError as error:
        raise HarnessError(f"{error}; copy the slot again, or move it away") from None
    if other["slot"] == asked.slot:
        raise HarnessError(f"figure {asked.number}: {path} is slot {asked.slot} too; move it away, or measure another")
    if asked.figure.differ and (same := same_identity(node, other["node"], asked.figure.differ)):
        raise HarnessError(f"figure {asked.number}: {asked.slot} would be {other['slot']} again: {same}")
