"""Tracing of a serving engine: a second hook table, and windows in which it makes rows.

Only with ``COLDSTART_TRACE_SERVING``, an existing folder. The hooks are set as modules are loaded, below those of the
start; they make no rows until the harness opens a window. A process that is ready listens at
``$COLDSTART_TRACE_SERVING/<role>-<pid>.sock``: one command a line, one JSON object a line in answer.

    calibrate           what one call costs here; while nothing is served
    begin ID            the window begins
    detail on | off     hooks marked ``detail`` make rows, too
    end                 the window is over: its rows are written to ``serving-<role>-<pid>.jsonl``

Rows and their file: docs/tracing.md.
"""

import _thread
import os
import sys
import time

from coldstart_tracer import _disarm, _serving_told
from coldstart_tracer import _serving_calls as calls
from coldstart_tracer._hooks import set_hook
from coldstart_tracer._spans import tracer

SCHEMA = 1
FOLDER = os.environ.get("COLDSTART_TRACE_SERVING", "")
_ROWS_A_LINE = 2000
_pending = {}  # module → [(index, hook)]
_hooks = []  # rows name them by their place
_failed = []
_tasks = {}  # qualified name of a task's coroutine → index
_FIRST = {"main": "api"}  # the process that serves is the one that was started


def prepare():
    """Read the table; the hooks are set when their modules are there."""
    from coldstart_tracer.serving_table import HOOKS, TASKS

    for hook in HOOKS:
        _pending.setdefault(hook["module"], []).append((len(_hooks), hook))
        _hooks.append(hook)
    for task in TASKS:
        _tasks[task["name"]] = len(_hooks)
        _hooks.append({"module": "asyncio", "kind": "work", "detail": True, **task})
    _disarm.on_disarm(_listen)
    os.register_at_fork(after_in_child=_after_fork)


def hook_module(module):
    """Set the hooks of ``module`` that are of this process."""
    for index, hook in _pending.pop(module, ()):
        if _FIRST.get(tracer.role, tracer.role) != hook["role"]:
            continue
        try:
            set_hook(hook, lambda function, at=index, of=hook: _wrapped(function, at, of))
        except Exception as error:
            if not hook.get("optional"):
                _failed.append(f"{module}:{hook['name']}: {error!r}"[:300])


def _wrapped(function, index, hook):
    need = calls.DETAIL if hook.get("detail") else calls.ALL
    if hook.get("names_tasks"):

        def naming(*args, **kwargs):
            _name_tasks()
            return function(*args, **kwargs)

        return calls._named_like(naming, function)
    tell = getattr(_serving_told, hook["tells"]) if hook.get("tells") else None
    return calls.wrap(function, index, hook["kind"], need, tell)


def _name_tasks():
    """Every task of the running loop from now on: its steps are rows under its coroutine's name."""
    import asyncio
    from collections.abc import Coroutine

    Coroutine.register(calls.Steps)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # not served from here
        return
    if loop.get_task_factory() is not None:
        return
    other = _tasks["*"]

    def factory(loop, coroutine, **kwargs):
        index = _tasks.get(getattr(coroutine, "__qualname__", ""), other)
        return asyncio.Task(calls.Steps(coroutine, index, calls.DETAIL), loop=loop, **kwargs)

    loop.set_task_factory(factory)


def _after_fork():
    calls.LEVEL = calls.OFF
    calls.GENERATION += 1
    calls.ROWS.clear()
    calls.threads.clear()


def _listen():
    import socket

    role = _FIRST.get(tracer.role, tracer.role)
    for module in [name for name in _pending if name in sys.modules]:  # loaded after the import hooks were taken out
        hook_module(module)
    path = os.path.join(FOLDER, f"{role}-{os.getpid()}.sock")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path + ".new")
    server.listen(1)
    os.rename(path + ".new", path)  # it is there when it listens
    _thread.start_new_thread(_serve, (server, _Process(role)))


def _serve(server, process):
    import json

    while True:
        connection, _ = server.accept()
        with connection, connection.makefile("rw", encoding="utf-8") as stream:
            for line in stream:
                try:
                    answer = process.do(line.split())
                except Exception as error:  # the engine goes on serving
                    answer = {"error": repr(error)[:300]}
                try:
                    stream.write(json.dumps(answer) + "\n")
                    stream.flush()
                except OSError:
                    break
            calls.LEVEL = calls.OFF  # whoever asked is gone


class _Process:
    """This process's windows."""

    def __init__(self, role):
        import threading

        self.role = role
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
        return {"ok": True, **self.cost, "failed": _failed}

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
        names = ("begin_ns", "main_cpu_ns", "process_cpu_ns", "events")
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
                "told_ns": calls.TOLD[0],
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
        return (time.monotonic_ns(), time.clock_gettime_ns(self.main_clock), time.process_time_ns(), len(calls.ROWS))

    def _write(self, window, facts):
        import json

        if self.file is None:
            path = os.path.join(FOLDER, f"serving-{self.role}-{os.getpid()}.jsonl")
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
            for hook in _hooks
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
