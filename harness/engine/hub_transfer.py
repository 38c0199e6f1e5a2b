"""The transfer of a repository's files in a process of its own, so that Ctrl-C ends it at once.

huggingface_hub transfers in threads, and waits for them when it is interrupted: for a file of 10 GB, minutes.
"""

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from harness.engine.hub import Listing, fetch
from harness.errors import HarnessError


def transfer(listed: Listing, folder: Path) -> None:
    """``hub.fetch`` in a process of its own; raises what that raises. Nothing of it is left when this returns."""
    context = multiprocessing.get_context("spawn")  # a forked copy of a process with threads can hang
    answers, answer = context.Pipe(duplex=False)
    child = context.Process(target=_fetch, args=(listed, folder, answer), daemon=True)
    child.start()
    answer.close()  # ours: so that the child's end is the end of the pipe
    try:
        error: HarnessError | None = answers.recv()
    except EOFError:
        error = HarnessError(f"{listed.hub_id}: the transfer was killed; repeat: complete files are kept")
    finally:
        child.kill()
        child.join()
        answers.close()
    if error is not None:
        raise error


def _fetch(listed: Listing, folder: Path, answer: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for whoever started us, who ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        fetch(listed, folder)
    except HarnessError as error:
        answer.send(error)
    else:
        answer.send(None)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
