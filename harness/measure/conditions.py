"""What must hold while something is measured: nothing else is, results can be written, a told end leaves no process."""

import errno
import os
import shutil
import signal
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from harness.errors import HarnessError
from harness.measure.lock import only_measurement

# One session writes its caches (160 MB with the precompiled header) and a few MB per run.
NEEDED_BYTES = 512 << 20
# A socket's path has 107 bytes at most: a start's own folder takes 19 of them, vLLM's name of a socket 37.
_LONGEST_FOLDER = 107 - 19 - 37


@contextmanager
def measuring(root: Path, what: str) -> Iterator[None]:
    """Hold the checkout's measurement lock; SIGTERM and a closed terminal end the engine's processes like Ctrl-C does.

    Raises:
        HarnessError: as ``only_measurement``.
    """
    with only_measurement(root, what), ended_by_signals():
        yield


def check_temporary_folder() -> None:
    """Make sure that sockets can lie below TMPDIR: vLLM's are made there, in a start's own folder.

    Raises:
        HarnessError: its path is too long.
    """
    folder = Path(tempfile.gettempdir())
    if len(os.fsencode(folder)) > _LONGEST_FOLDER:
        raise HarnessError(f"{folder}: too long a path for sockets; set TMPDIR to a shorter one, such as /tmp")


def check_writable(folders: Iterable[Path]) -> None:
    """Make sure that results can be written into ``folders``. Raises HarnessError."""
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".writable-{os.getpid()}"  # two slots that are measured at once try the same folders
            probe.touch()
            probe.unlink()
            if shutil.disk_usage(folder).free < NEEDED_BYTES:
                raise OSError(errno.ENOSPC, f"less than {NEEDED_BYTES >> 20} MiB are free")
        except OSError as error:
            raise HarnessError(
                f"{folder}: results cannot be written there ({error.strerror}); make it writable or free some space"
            ) from None


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and a closed terminal are a KeyboardInterrupt while the block runs."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    # What is ignored stays so: somebody typed nohup.
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
