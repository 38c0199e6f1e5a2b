"""Only one measurement at a time in a checkout: two would slow each other down and share the store."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import HarnessError


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
        try:
            other = json.loads(holder.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            other = {}
        raise HarnessError(
            f"another measurement is running (pid {other.get('pid', 'unknown')}: {other.get('what', 'unknown')}); "
            "wait until it ends or stop it, then repeat this command"
        ) from None
    try:
        holder.write_text(json.dumps({"pid": os.getpid(), "what": what}), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
