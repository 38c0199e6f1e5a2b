"""Process trees of plain shell and Python processes, for tests of how they run and how they end."""

import contextlib
import os
from multiprocessing import resource_tracker
from pathlib import Path

import psutil
import pytest

from harness.engine.process_tree import Exit, process_tree

# Notes its pid in the current folder, then does what its arguments say.
SLEEP = "echo $$ >> pids; while :; do sleep 60 & wait $!; done"
STUBBORN = f"trap '' TERM; {SLEEP}"


def run(folder: Path, script: str, timeout_s: float = 20.0, **variables: str) -> Exit:
    return run_to_the_end(["bash", "-c", script], {"PATH": os.environ["PATH"], **variables}, folder, timeout_s)


def run_to_the_end(command: list[str], environment: dict[str, str], folder: Path, timeout_s: float = 20.0) -> Exit:
    with process_tree(command, environment, folder / "log", folder, timeout_s) as tree:
        assert tree.wait() is False
    assert tree.exit is not None
    return tree.exit


def noted(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "pids").read_text().split()]


def descendants() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


@pytest.fixture(scope="module", autouse=True)
def _no_helper_of_python_itself() -> None:
    """Earlier tests may have used multiprocessing, whose resource tracker lives as long as this process."""
    with contextlib.suppress(ChildProcessError):  # it was reaped with other children
        resource_tracker._resource_tracker._stop()


@pytest.fixture(autouse=True)
def _nothing_is_left() -> object:
    assert descendants() == []
    yield
    left = descendants()
    for process in left:
        process.kill()
    psutil.wait_procs(left)
    assert left == []
