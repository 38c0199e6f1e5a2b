"""A serving process's windows: rows are made between a window's begin and its end, and written then.

Commands come over a socket, one a line (``_serving.py`` lists them), and are done by a thread that sleeps otherwise.
"""

import _thread
import os
import time

from coldstart_tracer import _serving_calls as calls
from coldstart_tracer._serving_cost import cost_of_a_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from io import TextIOWrapper
    from socket import socket as Socket
    from typing import Any

    from coldstart_tracer.serving_table import ServingHook

    # Now, CPU of the main thread and of the process, rows, CPU of what hooks tell; ns.
    Clocks = tuple[int, int, int, int, int]
    Threads = dict[int, tuple[str, int, int]]  # native id → name, CPU and run-queue wait in ns

SCHEMA = 1
_ROWS_A_LINE = 2000


def listen(folder: str, windows: "Windows") -> None:
    """Take commands from now on, at ``<role>-<pid>.sock``."""
    import socket

    path = os.path.join(folder, f"{windows.role}-{os.getpid()}.sock")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path + ".new")
    server.listen(1)
    os.rename(path + ".new", path)  # it is there when it listens
    _thread.start_new_thread(_serve, (server, windows))


def _serve(server: "Socket", windows: "Windows") -> None:
    import json

    while True:
        connection, _ = server.accept()
        try:
            with connection, connection.makefile("rw", encoding="utf-8") as stream:
                for line in stream:
                    try:
                        answer = windows.do(line.split())
                    except Exception as error:  # the engine goes on serving
                        answer = {"error": repr(error)[:300]}
                    stream.write(json.dumps(answer) + "\n")
                    stream.flush()
        except OSError:  # whoever asked has gone
            pass
        finally:
            calls.LEVEL = calls.OFF
            calls.ROWS.clear()


class Windows:
    """This process's windows."""

    def __init__(
        self, folder: str, role: str, hooks: "Sequence[ServingHook]", missing: "Callable[[], list[str]]"
    ) -> None:
        import threading

        self.folder = folder
        self.role = role
        self.hooks = hooks  # rows name them by their place
        self.missing = missing  # what of them is not set
        self.main = threading.main_thread()
        ident = self.main.ident or 0  # None of a thread that was not started
        self.main_clock = time.pthread_getcpuclockid(ident)
        calls.MAIN[0] = ident
        self.cost = {"event_ns": 0, "inside_ns": 0, "pass_ns": 0}
        self.window: Any = None  # id, clocks at its begin, detail intervals
        self.detail: Any = None  # clocks at its begin
        self.file: TextIOWrapper | None = None

    def do(self, words: "list[str]") -> "dict[str, Any]":
        """One command. Raises what is wrong with it."""
        match words:
            case ["calibrate"]:
                self.cost = cost_of_a_call(self.role == "api")
            case ["begin", window]:
                return self._begin(window)
            case ["detail", "on"]:
                self.detail = self._clocks()
                calls.LEVEL = calls.DETAIL
            case ["detail", "off"]:
                calls.LEVEL = calls.ALL
                self._close_detail()
            case ["end"]:
                return self._end()
            case _:
                raise ValueError(f"unknown command {' '.join(words)}")
        return {"ok": True, **self.cost, "failed": self.missing() if words == ["calibrate"] else []}

    def _begin(self, window: str) -> "dict[str, Any]":
        calls.CLOCKS.clear()
        calls.ROWS.clear()
        calls.TOLD[0] = 0
        threads = _threads()
        calls.CLOCKS.update((tid, spent) for tid, (_, spent, _) in threads.items())
        self.window = (window, threads, self._clocks(), [])
        calls.BEGIN[0] = self.window[2][0]
        calls.LEVEL = calls.ALL
        return {"ok": True, "begin_ns": calls.BEGIN[0]}

    def _close_detail(self) -> None:
        begun, ended = self.detail, self._clocks()
        self.detail = None
        names = ("begin_ns", "main_cpu_ns", "process_cpu_ns", "events", "told_ns")
        found = {name: after - before for name, before, after in zip(names, begun, ended, strict=True)}
        self.window[3].append({**found, "begin_ns": begun[0], "end_ns": ended[0]})

    def _end(self) -> "dict[str, Any]":
        calls.LEVEL = calls.OFF
        generation = calls.GENERATION
        calls.GENERATION += 1
        ended = self._clocks()
        after = _threads()
        _cut_open(generation, ended[0], {tid: spent for tid, (_, spent, _) in after.items()})
        if self.detail is not None:
            self._close_detail()
        window, before, begun, detail = self.window
        none = (None, 0, 0)
        self._write(
            window,
            {
                "begin_ns": begun[0],
                "end_ns": ended[0],
                "process_cpu_ns": ended[2] - begun[2],
                "main_cpu_ns": ended[1] - begun[1],
                "events": ended[3],
                "told_ns": ended[4],
                "threads": [
                    {
                        "tid": tid,
                        "name": name,
                        "cpu_ns": spent - before.get(tid, none)[1],
                        "wait_ns": waited - before.get(tid, none)[2],
                    }
                    for tid, (name, spent, waited) in after.items()
                ],
                "detail": detail,
            },
        )
        events = len(calls.ROWS)
        calls.ROWS.clear()
        self.window = None
        return {"ok": True, "events": events}

    def _clocks(self) -> "Clocks":
        cpu = (time.clock_gettime_ns(self.main_clock), time.process_time_ns())
        return (time.monotonic_ns(), *cpu, len(calls.ROWS), calls.TOLD[0])

    def _write(self, window: str, facts: "dict[str, Any]") -> None:
        import json

        if self.file is None:
            path = os.path.join(self.folder, f"serving-{self.role}-{os.getpid()}.jsonl")
            self.file = open(path, "x", encoding="utf-8")  # noqa: SIM115  it stays open for further windows
            self.file.write(json.dumps(self._header()) + "\n")
        for at in range(0, len(calls.ROWS), _ROWS_A_LINE):
            rows = calls.ROWS[at : at + _ROWS_A_LINE]
            self.file.write(json.dumps({"window": window, "spans": rows}, separators=(",", ":")) + "\n")
        self.file.write(json.dumps({"window": window, **facts}) + "\n")
        self.file.flush()

    def _header(self) -> "dict[str, Any]":
        hooks = [
            {"name": hook["name"], "module": hook["module"], "stage": hook["stage"], "kind": hook["kind"],
             "detail": bool(hook.get("detail"))}
            for hook in self.hooks
        ]  # fmt: skip
        return {
            "schema": SCHEMA,
            "clock": "CLOCK_MONOTONIC",
            "pid": os.getpid(),
            "role": self.role,
            "main_tid": self.main.native_id,
            **self.cost,
            "hooks": hooks,
        }


def _threads() -> "Threads":
    """Native id → name, CPU and run-queue wait in ns, of every thread, native ones too."""
    found = {}
    for tid in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{tid}/comm") as file:
                name = file.read().strip()
            with open(f"/proc/self/task/{tid}/schedstat") as file:
                spent, waited, _ = map(int, file.read().split())
        except OSError:  # it ended, or the kernel does not count
            continue
        found[int(tid)] = (name, spent, waited)
    return found


def _cut_open(generation: int, ended: int, clocks: "dict[int, int]") -> None:
    """Rows of calls that were open when the window ended, at ``ended``; called from another thread.

    ``clocks``: native thread id → its CPU then. A call that began in between is none of the window's.
    """
    for ident, thread in list(calls.threads.items()):
        if thread.tid not in clocks:  # it has ended, or the kernel does not count
            del calls.threads[ident]
            continue
        inner_wall = inner_cpu = 0
        frames = [frame for frame in thread.frames if frame[5] == generation and 0 < frame[3] <= ended and frame[4]]
        for place in range(len(frames) - 1, -1, -1):
            index, walls, cpus, began, cpu_began, _ = frames[place]
            wall, spent = ended - began, max(0, clocks[thread.tid] - cpu_began)
            parent = frames[place - 1][0] if place else -1
            own = (max(0, wall - walls - inner_wall), spent, max(0, spent - cpus - inner_cpu))
            calls.ROWS.append([index, thread.tid, began, ended, *own, parent, None])
            inner_wall, inner_cpu = wall, spent
