"""A serving process's windows: rows are made between a window's begin and its end, and written then.

Commands come over a socket, one a line (``_serving.py`` lists them), and are done by a thread that sleeps otherwise.
"""

import _thread
import os
import sys
import time

from coldstart_tracer import _serving_calls as calls

SCHEMA = 1
_ROWS_A_LINE = 2000


def listen(folder, windows):
    """Take commands from now on, at ``<role>-<pid>.sock``."""
    import socket

    path = os.path.join(folder, f"{windows.role}-{os.getpid()}.sock")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path + ".new")
    server.listen(1)
    os.rename(path + ".new", path)  # it is there when it listens
    _thread.start_new_thread(_serve, (server, windows))


def _serve(server, windows):
    import json

    while True:
        connection, _ = server.accept()
        with connection, connection.makefile("rw", encoding="utf-8") as stream:
            for line in stream:
                try:
                    answer = windows.do(line.split())
                except Exception as error:  # the engine goes on serving
                    answer = {"error": repr(error)[:300]}
                try:
                    stream.write(json.dumps(answer) + "\n")
                    stream.flush()
                except OSError:
                    break
            calls.LEVEL = calls.OFF  # whoever asked is gone


class Windows:
    """This process's windows."""

    def __init__(self, folder, role, hooks, failed):
        import threading

        self.folder = folder
        self.role = role
        self.hooks = hooks  # rows name them by their place
        self.failed = failed  # what could not be set
        self.main = threading.main_thread()
        self.main_clock = time.pthread_getcpuclockid(self.main.ident)
        self.cost = {"event_ns": 0, "inside_ns": 0}
        self.window = None  # id, clocks at its begin, detail intervals
        self.detail = None
        self.file = None

    def do(self, words):
        """One command. Raises what is wrong with it."""
        match words:
            case ["calibrate"]:
                self.cost = _cost(self.role == "api")
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
        return {"ok": True, **self.cost, "failed": self.failed}

    def _begin(self, window):
        calls.CLOCKS.clear()
        calls.ROWS.clear()
        calls.TOLD[0] = 0
        threads = _threads()
        for ident in list(sys._current_frames()):
            try:
                calls.CLOCKS[ident] = time.clock_gettime_ns(time.pthread_getcpuclockid(ident))
            except OSError:
                pass
        self.window = (window, threads, self._clocks(), [])
        calls.BEGIN[0] = self.window[2][0]
        calls.LEVEL = calls.ALL
        return {"ok": True, "begin_ns": calls.BEGIN[0]}

    def _close_detail(self):
        begun, ended = self.detail, self._clocks()
        self.detail = None
        names = ("begin_ns", "main_cpu_ns", "process_cpu_ns", "events", "told_ns")
        found = {name: after - before for name, before, after in zip(names, begun, ended, strict=True)}
        self.window[3].append({**found, "begin_ns": begun[0], "end_ns": ended[0]})

    def _end(self):
        calls.LEVEL = calls.OFF
        generation = calls.GENERATION
        calls.GENERATION += 1
        ended = self._clocks()
        calls.cut_open(generation, ended[0])
        if self.detail is not None:
            self._close_detail()
        window, before, begun, detail = self.window
        after = _threads()
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

    def _clocks(self):
        cpu = (time.clock_gettime_ns(self.main_clock), time.process_time_ns())
        return (time.monotonic_ns(), *cpu, len(calls.ROWS), calls.TOLD[0])

    def _write(self, window, facts):
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

    def _header(self):
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


def _threads():
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


def _cost(coroutines):
    """Thread CPU that one call of a hooked function, or a step of a coroutine, adds, ns; and what lies in its own row.

    Least of several batches: what else happens only adds.
    """
    batch, batches = 300, 9

    def nothing():
        return None

    class Nothing:
        def send(self, _):
            return None

    plain = Nothing().send if coroutines else nothing
    traced = calls.Steps(Nothing(), 0, calls.ALL).send if coroutines else calls.wrap(nothing, 0, "work", calls.ALL)
    value = (None,) if coroutines else ()
    level, before = calls.LEVEL, len(calls.ROWS)
    least = {plain: None, traced: None}
    inside = []
    calls.LEVEL = calls.ALL
    for _ in range(batches):
        for function in least:
            began = calls.cpu()
            for _ in range(batch):
                function(*value)
            spent = (calls.cpu() - began) // batch
            least[function] = spent if least[function] is None else min(least[function], spent)
        inside.append(min(row[5] for row in calls.ROWS[-batch:]))
    calls.LEVEL = level
    del calls.ROWS[before:]
    return {"event_ns": max(0, least[traced] - least[plain]), "inside_ns": min(inside)}
