"""Starts whose span files are written and partitioned: what the partition's tests look at."""

import tempfile
from pathlib import Path
from typing import Any

from harness.analyse.partition import ENGINE_ROLES, Partition, partition
from harness.analyse.spans import Process, Span, read_processes
from tests.analyse.span_files import write_process

MAIN, ENGINE, WORKER, OTHER_WORKER, HELPER = 100, 101, 102, 103, 104


class Start:
    """A written start: its processes, and its partition."""

    def __init__(self, tree: list[dict[str, Any]], exec_ns: int, ready_ns: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for process in tree:
                write_process(Path(folder), **process)
            self.processes = read_processes(Path(folder))
        self.exec_ns, self.ready_ns = exec_ns, ready_ns
        self.parts: Partition = partition(self.processes, MAIN, exec_ns, ready_ns)
        self.by_pid = {process.pid: process for process in self.processes}

    def open_at(self, process: Process, ns: int) -> list[Span]:
        """The main thread's open spans at ``ns``, outermost first."""
        [piece] = process.main_thread(ns, ns + 1)
        return list(piece.stack)

    def traced_children(self, wait: Span) -> list[Process]:
        pids = wait.attrs.get("waits_for", ())
        return [self.by_pid[pid] for pid in pids if pid in self.by_pid and self.by_pid[pid].role in ENGINE_ROLES]
