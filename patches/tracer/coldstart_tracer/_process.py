"""The tracer's life in one process: start, fork, garbage collections, interpreter exit."""

import atexit
import gc
import os
import sys
import time

from coldstart_tracer import _disarm, _hooks, _imports
from coldstart_tracer._spans import Span, now, tracer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

GC_MIN_NS = 1_000_000

_gc_begin_ns = [0]
_EXIT = "interpreter exit"
_exiting: "list[Span]" = []
_hookers: "list[Callable[[str], None]]" = [_hooks.hook_module]


def start(loaded_ns: int) -> None:
    """Arm the tracer in a process that has just begun."""
    try:
        _hooks.load_table()
        if os.environ.get("COLDSTART_TRACE_SERVING"):
            _prepare_serving()
        _begin_process("exec", _exec_ns())  # first: without a file nothing else is set up, and hooks may have notes
        _imports.install(_on_module)
        _disarm.on_disarm(_imports.uninstall)
        gc.callbacks.append(_on_gc)
        _disarm.on_disarm(_forget_gc)
        os.register_at_fork(after_in_child=_after_fork)
        atexit.register(_on_exit)
        _hooks.hook_loaded_modules()
        if "threading" in sys.modules:
            _on_module("threading")
        tracer.self_ns += now() - loaded_ns
        tracer.armed = True
    except Exception as error:  # the engine must start with a broken tracer too
        tracer.armed = False
        print(f"coldstart_tracer: not tracing this process: {error!r}", file=sys.stderr)


def _begin_process(start_kind: str, exec_ns: int) -> None:
    """Take the role that the parent named, and open this process's file. Raises OSError.

    A launcher that replaces itself by another program (``exec``) hands its role on: it is the same process.
    """
    tracer.pid = os.getpid()
    pid, _, role = os.environ.get("COLDSTART_TRACE_SELF", "").partition(":")
    tracer.role = role if pid == str(tracer.pid) else os.environ.get("COLDSTART_TRACE_ROLE", "main")
    os.environ["COLDSTART_TRACE_SELF"] = f"{tracer.pid}:{tracer.role}"
    os.environ["COLDSTART_TRACE_ROLE"] = "child"  # of this process's children, until a hook says otherwise
    tracer.open_file(
        {
            "pid": tracer.pid,
            "parent_pid": os.getppid(),
            "role": tracer.role,
            "start": start_kind,
            "exec_ns": exec_ns,
            "traced_ns": now(),
            "python": ".".join(map(str, sys.version_info[:3])),
        }
    )


def _exec_ns() -> int:
    """Start of this process on the monotonic clock, from the kernel (ticks of 10 ms)."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    since_boot_ns = int(fields[19]) * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))
    return since_boot_ns - (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - now())


def _after_fork() -> None:
    """A forked child: same hooks, its own file, no open spans."""
    if not tracer.armed:
        return
    try:
        os.close(tracer.fd)
        tracer.stacks.clear()
        tracer.children.clear()
        _exiting.clear()
        tracer.self_ns = tracer.events = 0
        _begin_process("fork", now())
    except Exception:
        tracer.armed = False


def _on_module(name: str) -> None:
    """The body of module ``name`` has just run."""
    if name == "threading":
        _watch_exit(sys.modules[name])
    for hook_module in _hookers:
        hook_module(name)


def _prepare_serving() -> None:
    """Its hooks come first, below those of the start, which are taken out when the process is ready."""
    from coldstart_tracer import _serving

    _serving.prepare()
    _hookers.insert(0, _serving.hook_module)


def _watch_exit(threading: "Any") -> None:
    """The interpreter's exit begins after threading's: exit handlers come next, and some of them work for long."""
    original = threading._shutdown

    def shutdown() -> None:
        original()  # waits for threads that are not daemons: their work is not the exit's
        if tracer.armed and not _exiting:
            _exiting.append(tracer.begin(_EXIT, "work", {"phase": "interpreter"}))

    def restore() -> None:
        if threading._shutdown is shutdown:
            threading._shutdown = original

    threading._shutdown = shutdown
    _disarm.on_disarm(restore)


def _on_gc(when: str, info: "dict[str, int]") -> None:
    if when == "start":
        _gc_begin_ns[0] = now()
        return
    ended = now()
    began = _gc_begin_ns[0]
    if began and ended - began >= GC_MIN_NS:
        stack = tracer.stack()
        if stack:
            span = stack[-1]
            span.gc = [*(span.gc or ()), [began, ended, info["generation"]]]


def _forget_gc() -> None:
    if _on_gc in gc.callbacks:
        gc.callbacks.remove(_on_gc)


def _on_exit() -> None:
    """Registered first, so called last: what follows is the interpreter taking itself down."""
    if tracer.armed:
        tracer.note("tracer exit", self_ns=tracer.self_ns, events=tracer.events)
        if not _exiting:  # threading was never loaded
            tracer.write_span(Span(_EXIT, "work", {"phase": "interpreter"}), None)
