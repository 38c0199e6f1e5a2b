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

import os
import sys

from coldstart_tracer import _disarm, _serving_told
from coldstart_tracer import _serving_calls as calls
from coldstart_tracer._calls import named_like
from coldstart_tracer._hooks import set_hook
from coldstart_tracer._serving_window import Windows, listen
from coldstart_tracer._spans import tracer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from collections.abc import Callable
    from typing import Any

    from coldstart_tracer.serving_table import ServingHook

_pending: "dict[str, list[tuple[int, ServingHook]]]" = {}  # module → [(index, hook)]
_hooks: "list[ServingHook]" = []  # rows name them by their place
_failed: "list[str]" = []
_tasks: "dict[str, int]" = {}  # qualified name of a task's coroutine → index
_FIRST = {"main": "api"}  # the process that serves is the one that was started


def prepare() -> None:
    """Read the table; the hooks are set when their modules are there."""
    from coldstart_tracer.serving_table import HOOKS, TASKS

    for each in HOOKS:
        hook: ServingHook = {"kind": "work", **each}
        _pending.setdefault(hook["module"], []).append((len(_hooks), hook))
        _hooks.append(hook)
    for task in TASKS:
        _tasks[task["name"]] = len(_hooks)
        name, stage = task["name"], task["stage"]
        _hooks.append({"module": "asyncio", "kind": "work", "detail": True, "name": name, "stage": stage})
    _disarm.on_disarm(_listen)
    os.register_at_fork(after_in_child=_after_fork)


def hook_module(module: str) -> None:
    """Set the hooks of ``module`` that are of this process."""
    for index, hook in _pending.pop(module, ()):
        if _FIRST.get(tracer.role, tracer.role) != hook["role"]:
            continue
        try:
            set_hook(hook, _wrapping(index, hook))
        except Exception as error:
            if not hook.get("optional"):
                _failed.append(f"{module}:{hook['name']}: {error!r}"[:300])


def _wrapping(index: int, hook: "ServingHook") -> "Callable[[Any], Any]":
    def wrapped(function: "Any") -> "Any":
        return _wrapped(function, index, hook)

    return wrapped


def _wrapped(function: "Any", index: int, hook: "ServingHook") -> "Callable[..., Any]":
    need = calls.DETAIL if hook.get("detail") else calls.ALL
    if hook.get("names_tasks"):

        def naming(*args: object, **kwargs: object) -> object:
            _name_tasks()
            return function(*args, **kwargs)

        return named_like(naming, function)
    tell = getattr(_serving_told, hook["tells"]) if hook.get("tells") else None
    wrapped = calls.wrap(function, index, hook["kind"], need, tell)
    if isinstance(function, type(len)):  # of C code, which says another module: it is pickled by where it is found
        wrapped.__module__ = hook["module"]
    return wrapped


def _name_tasks() -> None:
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

    def factory(loop: "AbstractEventLoop", coroutine: "Any", **kwargs: "Any") -> "Task[Any]":
        index = _tasks.get(getattr(coroutine, "__qualname__", ""), other)
        return asyncio.Task(calls.Steps(coroutine, index, calls.DETAIL), loop=loop, **kwargs)

    loop.set_task_factory(factory)


def _after_fork() -> None:
    calls.LEVEL = calls.OFF
    calls.GENERATION += 1
    calls.ROWS.clear()
    calls.threads.clear()


def _listen() -> None:
    role = _FIRST.get(tracer.role, tracer.role)
    folder = os.environ["COLDSTART_TRACE_SERVING"]
    listen(folder, Windows(folder, role, _hooks, _missing))


def _missing() -> "list[str]":
    """What of this process's hooks is not set; modules that were loaded since the start have theirs set now."""
    role = _FIRST.get(tracer.role, tracer.role)
    for module in [name for name in _pending if name in sys.modules]:
        hook_module(module)
    absent = [
        f"{module}:{hook['name']}: its module was not loaded"
        for module, hooks in _pending.items()
        for _, hook in hooks
        if hook["role"] == role and not hook.get("optional")
    ]
    return _failed + absent
