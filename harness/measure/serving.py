"""A server of a traced engine, up for the time of a block: nothing that it started outlives it."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.engine.process_tree import Tree, process_tree
from harness.errors import MeasurementFailed
from harness.measure.address import Address
from harness.measure.cause import said_last
from harness.measure.conditions import check_temporary_folder
from harness.measure.serving_trace import VARIABLE
from harness.measure.start import ServerStart
from harness.measure.waiting import wait_for
from harness.state.sandbox import PLACES
from harness.state.shared_memory import inventory, remove_unused

_PROMPT = "The first token shows that the server works."
_SHOWN = 300


@dataclass(frozen=True)
class WantedServer:
    """A server's command. ``caches``: where the engine keeps what it compiled, from one start to the next."""

    command: tuple[str, ...]
    port: int
    environment: Mapping[str, str]
    caches: Path
    log: Path


@dataclass(frozen=True)
class Served:
    """A server that answers. ``traces``: where its processes' tracers listen and write."""

    url: str
    tree: Tree
    traces: Path
    ready_s: float  # exec → first HTTP 200 of /health

    def wait(self, is_over: Callable[[], bool], limit_s: float, what: str) -> None:
        """Return when it is so. Raises MeasurementFailed: the server ended, or it took longer than ``limit_s``."""
        if not wait_for(self.tree, is_over, limit_s):
            if not self.tree.running:
                raise MeasurementFailed("the server ended by itself")
            raise MeasurementFailed(f"{what} took more than {limit_s:.0f} s")


@contextmanager
def serving(wanted: WantedServer, ready_s: float, limit_s: float) -> Iterator[Served]:
    """Start the server; end it when the block is left. ``limit_s``: of the whole, from now on.

    Raises:
        HarnessError: something listens at the port already, or TMPDIR is too long for sockets.
        MeasurementFailed: it ended before it answered, or took longer than ``ready_s`` (its log is quoted).
    """
    start = ServerStart(wanted.command, Address(port=wanted.port), prompt=_PROMPT)
    start.check()
    check_temporary_folder()
    scratch = Path(tempfile.mkdtemp(prefix="anatomy-"))
    shared = inventory()
    try:
        for name in ("spans", "run"):
            (scratch / name).mkdir()
        with process_tree(
            list(wanted.command), _environment(wanted, scratch), wanted.log, scratch / "run", limit_s, scratch, False
        ) as tree:
            found = start.follow(tree.until(ready_s), scratch, scratch / "spans")
            if found is None or found.problem:
                raise MeasurementFailed(_why(tree, wanted.log, ready_s, found.problem if found else None))
            yield Served(start.address.url, tree, scratch, (found.ready_ns - tree.exec_ns) / 1e9)
    finally:
        remove_unused(shared)
        shutil.rmtree(scratch, ignore_errors=True)


def _environment(wanted: WantedServer, scratch: Path) -> dict[str, str]:
    kept = {variable: str(wanted.caches / place) for variable, place in PLACES.items()}
    for place in kept.values():
        os.makedirs(place, exist_ok=True)
    traced = {"COLDSTART_TRACE_DIR": str(scratch / "spans"), VARIABLE: str(scratch)}
    return {**wanted.environment, **kept, **traced}


def _why(tree: Tree, log: Path, ready_s: float, problem: str | None) -> str:
    what = problem or (f"it did not answer within {ready_s:.0f} s" if tree.running else "the server ended")
    return f"{what}: {said_last(log, _SHOWN)}"
