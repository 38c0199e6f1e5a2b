"""What stands in for a function that is hooked for serving: its calls, or a coroutine's steps, become rows.

Hot code: a request's token passes several of these wrappers. Outside a window a wrapper costs one comparison; inside,
two clocks are read at both ends. Rows are lists in memory; ``_serving_window.py`` writes them when the window is over.
"""

import time
from _thread import get_ident, get_native_id

from coldstart_tracer._calls import code_flags, named_like

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Tell = Callable[[Any, Any], object]  # of a call's arguments and result: what its row says besides

now = time.monotonic_ns
cpu = time.thread_time_ns

OFF, ALL, DETAIL = 0, 1, 2
COROUTINE, ASYNC_GENERATOR = 0x80, 0x200  # code flags, as in module inspect

LEVEL = OFF  # hooks that need more make no rows
GENERATION = 0  # number of windows so far: a call that began in another one makes no row
ROWS: "list[Any]" = []
TOLD = [0]  # thread CPU, ns, that it took to say what hooks tell
BEGIN = [0]  # of the window
CLOCKS: "dict[int, int]" = {}  # native thread id → its CPU when the window began, where the kernel counts it
MAIN = [0]  # the main thread: only its waits are of interest

threads: "dict[int, _Thread]" = {}  # thread → _Thread


class _Thread:
    """A thread's open calls, outermost first: [hook, wall of its calls, CPU of them, begin, CPU at begin, window]."""

    __slots__ = ("frames", "tid")

    def __init__(self) -> None:
        self.frames: list[list[int]] = []
        self.tid = get_native_id()


def _enter(index: int) -> "tuple[_Thread, list[int]]":
    ident = get_ident()
    thread = threads.get(ident)
    if thread is None:
        thread = threads[ident] = _Thread()
    frame = [index, 0, 0, 0, 0, GENERATION]
    thread.frames.append(frame)
    frame[3] = now()
    frame[4] = cpu()
    return thread, frame


def _leave(thread: "_Thread", frame: "list[int]", kind: type = tuple) -> "Any":
    """The finished call's row; None: its window is over.

    Rows are tuples where they can be: of numbers alone, they are nothing to the garbage collector.
    """
    spent = cpu()
    ended = now()
    frames = thread.frames
    while frames and frames.pop() is not frame:  # what was left open above it, by a generator that was dropped
        pass
    if frame[5] != GENERATION:
        return None
    wall = ended - frame[3]
    spent -= frame[4]
    parent = -1
    if frames:
        outer = frames[-1]
        outer[1] += wall
        outer[2] += spent
        parent = outer[0]
    row: Any = (frame[0], thread.tid, frame[3], ended, wall - frame[1], spent, spent - frame[2], parent, None)
    if kind is list:
        row = list(row)
    ROWS.append(row)
    return row


def _tell(thread: "_Thread", row: "list[Any]", tell: "Tell", args: object, result: object) -> None:
    """What it costs is counted, and is not the caller's."""
    spent = cpu()
    try:
        row[8] = tell(args, result)
    except Exception as error:
        row[8] = {"error": repr(error)[:100]}
    spent = cpu() - spent
    TOLD[0] += spent
    if thread.frames:
        outer = thread.frames[-1]
        outer[1] += spent  # it waits for nothing
        outer[2] += spent


def _cut_begin(index: int) -> None:
    """A wait that began before the window and ended in it."""
    tid = get_native_id()
    ended = now()
    begin = BEGIN[0]
    spent = max(0, cpu() - CLOCKS[tid]) if tid in CLOCKS else None
    ROWS.append([index, tid, begin, ended, ended - begin, spent, spent, -1, None])


class Steps:
    """Runs a coroutine, each of its steps as a row; for awaiting, and for a task to run."""

    __slots__ = ("__name__", "__qualname__", "__weakref__", "args", "coroutine", "index", "need", "tell")

    # What asyncio, anyio and module inspect look at of a task's coroutine: that one's own.
    cr_await = property(lambda self: getattr(self.coroutine, "cr_await", None))
    cr_code = property(lambda self: getattr(self.coroutine, "cr_code", None))
    cr_frame = property(lambda self: getattr(self.coroutine, "cr_frame", None))
    cr_origin = property(lambda self: getattr(self.coroutine, "cr_origin", None))
    cr_running = property(lambda self: getattr(self.coroutine, "cr_running", False))
    cr_suspended = property(lambda self: getattr(self.coroutine, "cr_suspended", False))

    def __init__(self, coroutine: "Any", index: int, need: int, tell: "Tell | None" = None, args: object = ()) -> None:
        self.coroutine = coroutine
        self.index = index
        self.need = need
        self.tell = tell
        self.args = args
        self.__name__ = getattr(coroutine, "__name__", type(coroutine).__name__)
        self.__qualname__ = getattr(coroutine, "__qualname__", self.__name__)

    def __await__(self) -> "Any":
        return self

    __iter__ = __await__

    def __next__(self) -> "Any":
        return self.send(None)

    def send(self, value: "Any") -> "Any":
        if self.need > LEVEL:
            return self.coroutine.send(value)
        thread, frame = _enter(self.index)
        try:
            return self.coroutine.send(value)
        finally:
            row = _leave(thread, frame, list if self.tell is not None else tuple)
            if self.tell is not None and row is not None:
                _tell(thread, row, self.tell, self.args, None)
                self.tell = None  # of its first step

    def throw(self, *exception: "Any") -> "Any":
        if self.need > LEVEL:
            return self.coroutine.throw(*exception)
        thread, frame = _enter(self.index)
        try:
            return self.coroutine.throw(*exception)
        finally:
            _leave(thread, frame)

    def close(self) -> None:
        self.coroutine.close()


class _Generator:
    """An asynchronous generator, each step of each item as a row."""

    __slots__ = ("generator", "index", "need")

    def __init__(self, generator: "Any", index: int, need: int) -> None:
        self.generator = generator
        self.index = index
        self.need = need

    def __aiter__(self) -> "_Generator":
        return self

    def __anext__(self) -> "Steps":
        return Steps(self.generator.__anext__(), self.index, self.need)

    def asend(self, value: "Any") -> "Steps":
        return Steps(self.generator.asend(value), self.index, self.need)

    def athrow(self, *exception: "Any") -> "Any":
        return self.generator.athrow(*exception)

    def aclose(self) -> "Any":
        return self.generator.aclose()


def wrap(function: "Any", index: int, kind: str, need: int, tell: "Tell | None" = None) -> "Callable[..., Any]":
    """A function that stands in for ``function``; hooks of lower levels than ``need`` make rows without it."""
    flags = code_flags(function)
    if flags & COROUTINE:

        async def traced_coroutine(*args: object, **kwargs: object) -> object:
            return await Steps(function(*args, **kwargs), index, need, tell, args)

        return named_like(traced_coroutine, function)
    if flags & ASYNC_GENERATOR:

        def traced_generator(*args: object, **kwargs: object) -> "_Generator":
            return _Generator(function(*args, **kwargs), index, need)

        return named_like(traced_generator, function)
    if kind == "wait":

        def traced_wait(*args: object, **kwargs: object) -> object:
            if get_ident() != MAIN[0]:
                return function(*args, **kwargs)
            if need > LEVEL:
                try:
                    return function(*args, **kwargs)
                finally:
                    if need <= LEVEL:
                        _cut_begin(index)
            thread, frame = _enter(index)
            try:
                return function(*args, **kwargs)
            finally:
                _leave(thread, frame)

        return named_like(traced_wait, function)
    if tell is not None:

        def traced_and_told(*args: object, **kwargs: object) -> object:
            if need > LEVEL:
                return function(*args, **kwargs)
            thread, frame = _enter(index)
            try:
                result = function(*args, **kwargs)
            except BaseException:
                _leave(thread, frame)
                raise
            row = _leave(thread, frame, list)
            if row is not None:
                _tell(thread, row, tell, args, result)
            return result

        return named_like(traced_and_told, function)

    def traced(*args: object, **kwargs: object) -> object:
        if need > LEVEL:
            return function(*args, **kwargs)
        thread, frame = _enter(index)
        try:
            return function(*args, **kwargs)
        finally:
            _leave(thread, frame)

    return named_like(traced, function)
