"""Only one measurement at a time in a checkout: two would slow each other down and share the store."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.engine.guardian import wait_for_guardians
from harness.errors import HarnessError
from harness.record.atomic import write_json

AFTERMATH_S = 15.0  # what a killed harness left running is ended sooner: a guardian's own grace is 5 s


@contextmanager
def only_measurement(root: Path, what: str) -> Iterator[None]:
    """Hold the checkout's measurement lock.

    Raises:
        HarnessError: another process holds it (names its pid and what it does), or the checkout cannot be written.
    """
    holder = root / ".harness.lock.json"
    lock = FileLock(root / ".harness.lock")
    try:
        lock.acquire(timeout=0)
    except OSError as error:  # Timeout is one too
        if not isinstance(error, Timeout):
            raise HarnessError(f"{root}: cannot be written ({error.strerror}); measure in a copy that can") from None
        other = _holder(holder)
        raise HarnessError(
            f"another measurement is running (pid {other.get('pid', 'unknown')}: {other.get('what', 'unknown')}); "
            "wait until it ends or stop it, then repeat this command"
        ) from None
    last = _holder(holder)  # whoever ended in another way than by being killed took the file away
    for killed in _pids(last):
        if not wait_for_guardians(killed, AFTERMATH_S):
            lock.release()
            raise HarnessError(
                f"the engine of a killed measurement (pid {killed}) is still running; end it, then repeat"
            )
    try:
        write_json(holder, {"pid": os.getpid(), "what": what})  # whole or not: a killed one's guardian is waited for
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def note_members(root: Path, pids: list[int]) -> None:
    """The lock's holder lets these processes measure for it: should all be killed, their engines are waited for."""
    holder = root / ".harness.lock.json"
    write_json(holder, {**_holder(holder), "members": pids})


def _pids(holder: dict[str, object]) -> list[int]:
    members = holder.get("members")
    return [pid for pid in [holder.get("pid"), *(members if isinstance(members, list) else [])] if type(pid) is int]


def _holder(path: Path) -> dict[str, object]:
    """Who holds the lock, or held it until it was killed; nothing if the file is absent or damaged."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
