"""What keeps a file's pages in memory although they were evicted, or brings them back."""

from collections.abc import Sequence
from pathlib import Path

from harness.state.filesystem import FileSystem, filesystem_of
from harness.state.mappings import Holder, holders
from harness.state.pagecache import residency


def why_resident(paths: Sequence[Path]) -> dict[Path, str]:
    """For each file, in a few words, what defeats its eviction: one pass over all processes.

    Raises:
        HarnessError: a path does not exist or cannot be read.
    """
    found = holders(paths)
    unseen = f"; {found.unseen} processes may not be looked at" if found.unseen else ""
    mounted: dict[int, FileSystem] = {}
    return {path: _why(path, found.of[path], mounted, unseen) for path in paths}


def _why(path: Path, held_by: list[Holder], mounted: dict[int, FileSystem], unseen: str) -> str:
    now = residency(path)
    device = now.identity[0]
    if device not in mounted:
        mounted[device] = filesystem_of(path)
    if mounted[device].in_memory:
        return f"{mounted[device].elsewhere}: its pages cannot be evicted"
    if mapping := [each for each in held_by if each.maps]:
        return f"mapped by {_listed(mapping)}"
    user = f"{_listed(held_by)} has it open" if held_by else f"no process that can be seen has it open{unseen}"
    if now.dirty_bytes:
        return f"{now.dirty_bytes:,} bytes of it are not on the disk yet; {user}"
    return f"read again after its eviction; {user}"


def _listed(held_by: list[Holder]) -> str:
    more = f" and {len(held_by) - 1} more" if len(held_by) > 1 else ""
    return f"{held_by[0]}{more}"
