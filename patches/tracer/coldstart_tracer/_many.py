"""Functions that are called thousands of times: no spans; what they took is added up by part in the open span.

A window is open while the hook that ``within`` names is being called; its functions are replaced then, at no other
time. A call lies on its thread's stack of spans, so that a part's time is without that of calls and spans inside.
"""

import os
from _thread import allocate_lock, get_ident

from coldstart_tracer import _disarm
from coldstart_tracer._calls import DELAYED, GENERATOR, code_flags, named_like, note_error, synchronise
from coldstart_tracer._facts import close_io, open_io, read_bytes_open, size_and_part
from coldstart_tracer._hooks import owner_of
from coldstart_tracer._spans import MANY, leave, now, tracer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from coldstart_tracer._disarm import Replaced
    from coldstart_tracer._spans import Span, Stack
    from coldstart_tracer.hook_table import Hook

    Function = tuple[str, str]  # module, name

_INHERITED = object()  # instead of an original: the class has none of its own
_MOST_PARTS = 200  # of one span; what else there is becomes one more

_functions: "dict[Function, list[Any]]" = {}  # [number of windows that need it, what was replaced]
_lock = allocate_lock()
_noted: "set[Function]" = set()  # hooks that failed: one note each


class Window:
    """The functions that are added up during the calls of one hook."""

    def __init__(self) -> None:
        self.hooks: list[Hook] = []

    def open(self) -> "list[Function]":
        """Replace them where no other open window has; what must be given to ``close``."""
        began = now()
        opened: list[Function] = []
        with _lock:
            if any(hook.get("io") for hook in self.hooks):
                open_io()
            for hook in self.hooks:
                function = hook["module"], hook["name"]
                if function in _functions:
                    _functions[function][0] += 1
                    opened.append(function)
                    continue
                try:
                    _functions[function] = [1, _replace(hook)]
                    opened.append(function)
                except Exception as error:
                    if not hook.get("optional") and _is_first(function):
                        tracer.note("hook failed", module=function[0], hook=function[1], error=repr(error)[:200])
            tracer.adding = len(_functions)
        tracer.self_ns += now() - began
        return opened

    def close(self, opened: "list[Function]") -> None:
        """Put back what no other window needs."""
        began = now()
        with _lock:
            for function in opened:
                entry = _functions.get(function)
                if entry is None:  # put back already: the process is ready, or forked
                    continue
                entry[0] -= 1
                if not entry[0]:
                    del _functions[function]
                    _put_back(*entry[1])
            if not _functions:
                close_io()
            tracer.adding = len(_functions)
        tracer.self_ns += now() - began


def put_all_back() -> None:
    """This process is ready, or a forked child in which no such call is open."""
    global _lock
    _lock = allocate_lock()  # a forked child's may be held by a thread that it does not have
    for _, replaced in list(_functions.values()):
        _put_back(*replaced)
    _functions.clear()
    close_io()
    tracer.adding = 0


_disarm.on_disarm(put_all_back)
os.register_at_fork(after_in_child=put_all_back)


def _is_first(function: "Function") -> bool:
    """Whether nothing was noted of this function yet."""
    first = function not in _noted
    _noted.add(function)
    return first


def _replace(hook: "Hook") -> "Replaced":
    owner, attribute = owner_of(hook)
    own = attribute in owner.__dict__
    places = (owner,) if own else getattr(owner, "__mro__", ())
    original = next(place.__dict__[attribute] for place in places if attribute in place.__dict__)
    if isinstance(original, (staticmethod, classmethod)):
        replacement = type(original)(_adding(original.__func__, hook))
    else:
        replacement = _adding(original, hook)
    setattr(owner, attribute, replacement)
    return owner, attribute, original if own else _INHERITED, replacement


def _put_back(owner: "Any", attribute: str, original: object, replacement: object) -> None:
    """What other code replaced meanwhile is left."""
    if owner.__dict__.get(attribute) is not replacement:
        return
    if original is _INHERITED:
        delattr(owner, attribute)
    else:
        setattr(owner, attribute, original)


class _Added:
    """One open call. It lies on the stack among the spans."""

    __slots__ = ("args", "began_ns", "gc", "hook", "inside_ns", "inside_read", "read", "span", "stack", "work_ns")
    kind = MANY
    package = None

    def __init__(self, hook: "Hook", args: "Sequence[Any]", stack: "Stack") -> None:
        self.began_ns = now()
        top = stack[-1]
        self.span: Span = top.span if top.kind == MANY else top
        self.hook = hook
        self.args = args
        self.stack = stack
        self.gc: list[list[int]] | None = None
        self.inside_ns = 0  # of calls and spans inside
        self.inside_read = 0

    def __enter__(self) -> None:
        self.stack.append(self)
        self.read = read_bytes_open() if self.hook.get("io") else None
        self.work_ns = now()
        tracer.self_ns += self.work_ns - self.began_ns

    def __exit__(self, *_: object) -> None:
        try:
            if self.hook.get("sync"):
                synchronise()
            ended = now()
            leave(self.stack, self)
            self._add(ended)
            finished = now()
            tracer.self_ns += finished - ended
            outer = self.stack[-1] if self.stack else None
            if outer is not None and outer.kind == MANY:
                outer.inside_ns += finished - self.began_ns
        except Exception as error:
            leave(self.stack, self)
            if _is_first((self.hook["module"], self.hook["name"])):
                note_error(self.hook, error)

    def _add(self, ended: int) -> None:
        span, hook = self.span, self.hook
        if self.gc:
            span.gc = [*(span.gc or ()), *self.gc]
        size, part = size_and_part(hook, self.args)
        if span.parts is None:
            span.parts = {}
        if part not in span.parts and len(span.parts) >= _MOST_PARTS:
            part = part and "more"
        sums = {"calls": 0, "ns": 0}  # of no part: told nowhere
        if part:
            sums = span.parts.setdefault(part, sums)
        sums["calls"] += 1
        sums["ns"] += max(ended - self.work_ns - self.inside_ns, 0)
        if size is not None:
            sums["bytes"] = sums.get("bytes", 0) + size
        if self.read is not None and (read := read_bytes_open()) is not None:
            read -= self.read
            sums["read_bytes"] = sums.get("read_bytes", 0) + max(read - self.inside_read, 0)
            outer = self.stack[-1]
            if outer.kind == MANY:
                outer.inside_read += read


def _counts(stack: "Stack | None") -> object:
    """Whether a call on this thread is added up: into an open span, which is not an import's."""
    return stack and tracer.armed and tracer.adding and stack[-1].package is None


def _adding(function: "Any", hook: "Hook") -> "Any":
    """What stands in for ``function`` while a window is open."""
    if hook.get("items"):
        if not code_flags(function) & GENERATOR:
            raise TypeError("not a generator function")

        def added_items(*args: object, **kwargs: object) -> "Any":
            items = function(*args, **kwargs)
            step, given = items.send, None
            while True:
                stack: Any = tracer.stacks.get(get_ident())
                try:
                    if _counts(stack):
                        with _Added(hook, args, stack):
                            item = step(given)
                    else:
                        item = step(given)
                except StopIteration as end:
                    return end.value
                try:
                    step, given = items.send, (yield item)
                except GeneratorExit:
                    items.close()
                    raise
                except BaseException as error:
                    step, given = items.throw, error

        return named_like(added_items, function)
    if not callable(function) or code_flags(function) & DELAYED:
        raise TypeError("not a plain function")

    def added(*args: object, **kwargs: object) -> object:
        stack: Any = tracer.stacks.get(get_ident())
        if not _counts(stack):
            return function(*args, **kwargs)
        with _Added(hook, args, stack):
            return function(*args, **kwargs)

    if isinstance(function, type):
        added.__annotations__ = {}
        return added
    return named_like(added, function)
