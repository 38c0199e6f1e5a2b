"""What stands in for a hooked function: its calls, coroutine steps or ``with`` blocks become spans."""

import os
import sys

from coldstart_tracer import _disarm
from coldstart_tracer._facts import detail_of, graph_size, read_bytes, with_detail
from coldstart_tracer._spans import now, phase_around, tracer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any, TypeVar

    from coldstart_tracer._spans import Span
    from coldstart_tracer.hook_table import Hook, Target

    Wrapper = TypeVar("Wrapper")

_ROLE = "COLDSTART_TRACE_ROLE"
GENERATOR, _COROUTINE, ASYNC_GENERATOR = 0x20, 0x80, 0x200  # code flags, as in module inspect
DELAYED = GENERATOR | _COROUTINE | ASYNC_GENERATOR


def _attrs(hook: "Hook", args: "Sequence[Any]") -> "dict[str, Any]":
    """Attributes of one call's span."""
    attrs: dict[str, Any] = {"module": hook["module"]}
    phase = hook.get("phase")
    detail = detail_of(hook, args)
    if detail is not None:
        attrs["detail"] = detail[:100]
        for prefix, leaf in hook.get("phases", {}).items():
            if detail.startswith(prefix):
                phase = leaf
                break
    if phase and not ("yields_to" in hook and phase_around(tracer.stack()) in hook["yields_to"]):
        attrs["phase"] = phase
    if hook.get("part") and (part := with_detail(hook["part"], detail)):
        attrs["part"] = part
    if hook.get("graph") is not None and len(args) > hook["graph"]:
        attrs.update(graph_size(args[hook["graph"]].graph))
    return attrs


def _is_for_this_process(hook: "Hook") -> bool:
    """A worker inside the engine core's process (one device) must not disarm the engine core."""
    return hook.get("role", tracer.role) == tracer.role


def _waits_for(hook: "Hook", args: "Sequence[Any]") -> "list[int]":
    """Pids of the children that a wait hands over to."""
    if hook["waits_for"] == "child":
        pid = getattr(args[0], "pid", None) if args else None
        return [pid] if pid else []
    return [pid for pid, role in tracer.children if role == hook["waits_for"]]


class _Call:
    """One traced call: opens the span, gives children their role, closes the span."""

    __slots__ = ("args", "hook", "opened", "read_before", "returns_by", "role_before", "span")

    def __init__(self, hook: "Hook", args: "Sequence[Any]", returns_by: "type[BaseException] | None" = None) -> None:
        self.hook = hook
        self.args = args
        self.returns_by = returns_by  # a coroutine's last step returns by an exception
        self.span: Span | None = None
        self.opened: list[tuple[str, str]] | None = None  # functions that are added up meanwhile
        self.read_before: int | None = None
        self.role_before: str | None = None

    def __enter__(self) -> None:
        hook = self.hook
        try:
            if hook.get("disarm") == "before" and _is_for_this_process(hook):
                _disarm.disarm()
                return
            if hook.get("child_role"):
                self.role_before = os.environ.get(_ROLE, "child")
                os.environ[_ROLE] = hook["child_role"]
            if hook.get("io"):
                self.read_before = read_bytes()
            announce = "min_ms" not in hook
            self.span = tracer.begin(hook["name"], hook["kind"], _attrs(hook, self.args), announce)
            if "window" in hook:
                self.opened = hook["window"].open()
        except Exception as error:
            note_error(hook, error)

    def __exit__(self, raised: "type[BaseException] | None", *_: object) -> None:
        hook, span = self.hook, self.span
        ended = None
        try:
            if hook.get("sync"):
                synchronise()
            ended = now()
            if self.read_before is not None and span is not None and (read := read_bytes()) is not None:
                span.attrs["read_bytes"] = read - self.read_before
            if hook.get("starts_child") and (pid := getattr(self.args[0], "pid", None)):
                tracer.children.append((pid, os.environ.get(_ROLE, "child")))
                if span is not None:
                    span.attrs["child"] = pid
            if hook.get("waits_for") and span is not None:
                span.attrs["waits_for"] = _waits_for(hook, self.args)
        except Exception as error:
            note_error(hook, error)
        try:  # whatever failed above, the span ends here
            if self.role_before is not None:
                os.environ[_ROLE] = self.role_before
            if self.opened is not None:
                hook["window"].close(self.opened)
            if span is not None:
                if raised is not None and raised is not self.returns_by:
                    span.attrs["raised"] = raised.__name__
                if tracer.armed:
                    tracer.end(span, ended or now(), hook.get("min_ms", 0) * 1_000_000)
            if hook.get("disarm") == "after" and raised is self.returns_by and _is_for_this_process(hook):
                _disarm.disarm()
        except Exception as error:
            note_error(hook, error)


class _Steps:
    """Awaitable that runs a coroutine, each of its steps as a span: what it awaits between them is not its work."""

    def __init__(self, coroutine: "Coroutine[Any, Any, Any]", hook: "Hook", args: "Sequence[Any]") -> None:
        self.coroutine = coroutine
        self.hook = hook
        self.args = args

    def __await__(self) -> "Any":
        return self

    __iter__ = __await__

    def __next__(self) -> "Any":
        return self.send(None)

    def send(self, value: "Any") -> "Any":
        if not tracer.armed:
            return self.coroutine.send(value)
        with _Call(self.hook, self.args, StopIteration):
            return self.coroutine.send(value)

    def throw(self, *exception: "Any") -> "Any":
        if not tracer.armed:
            return self.coroutine.throw(*exception)
        with _Call(self.hook, self.args, StopIteration):
            return self.coroutine.throw(*exception)

    def close(self) -> None:
        self.coroutine.close()


class _TracedContext:
    """A context manager whose ``with`` block is a span; still usable as a decorator, as contextlib's are."""

    def __init__(self, context: "Any", call: "_Call", again: "Callable[[], Any]") -> None:
        self.context = context
        self.call = call
        self.again = again  # makes another one: contextlib's can be entered only once

    def __enter__(self) -> "Any":
        self.call.__enter__()
        try:
            return self.context.__enter__()
        except BaseException as error:
            self.call.__exit__(type(error))
            raise

    def __exit__(self, *exception: "Any") -> "Any":
        try:
            return self.context.__exit__(*exception)
        finally:
            self.call.__exit__(*exception)

    def __call__(self, function: "Callable[..., Any]") -> "Callable[..., Any]":
        def decorated(*args: object, **kwargs: object) -> object:
            with self.again():
                return function(*args, **kwargs)

        return named_like(decorated, function)


def note_error(hook: "Target", error: "Exception") -> None:
    """Record that a hook failed; the engine must not notice."""
    try:
        text = repr(error)[:200]
    except Exception:  # a repr of the engine's own
        text = type(error).__name__
    tracer.note("hook error", hook=hook["name"], error=text)


def named_like(wrapper: "Wrapper", function: object) -> "Wrapper":
    """functools.wraps without importing functools (1 ms per process); keeps the methods of functools.cache too."""
    wrapper.__annotations__ = {}  # what stands in for a function of C code has none either
    for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "cache_clear", "cache_info"):
        if hasattr(function, name):
            setattr(wrapper, name, getattr(function, name))
    wrapper.__dict__.update(getattr(function, "__dict__", {}))
    wrapper.__wrapped__ = function  # type: ignore[attr-defined]
    return wrapper


def code_flags(function: object) -> int:
    """What kind of function it is, as module inspect has it."""
    return getattr(getattr(function, "__code__", None), "co_flags", 0)


def wrap(function: "Callable[..., Any]", hook: "Hook") -> "Callable[..., Any]":
    """A function that stands in for ``function`` and makes spans as ``hook`` says."""
    if hook.get("context"):

        def traced_context(*args: object, **kwargs: object) -> object:
            context = function(*args, **kwargs)
            if not tracer.armed:
                return context
            return _TracedContext(context, _Call(hook, args), lambda: traced_context(*args, **kwargs))

        return named_like(traced_context, function)

    if code_flags(function) & _COROUTINE:

        async def traced_coroutine(*args: object, **kwargs: object) -> object:
            coroutine = function(*args, **kwargs)
            if not tracer.armed:
                return await coroutine
            return await _Steps(coroutine, hook, args)

        return named_like(traced_coroutine, function)

    def traced(*args: object, **kwargs: object) -> object:
        if not tracer.armed:
            return function(*args, **kwargs)
        with _Call(hook, args):
            return function(*args, **kwargs)

    return named_like(traced, function)


def synchronise() -> None:
    """Wait for the accelerator, so that its work ends inside the span that started it."""
    torch = sys.modules.get("torch")
    if os.environ.get("COLDSTART_TRACE_SYNC") == "1" and torch and torch.cuda.is_initialized():
        torch.cuda.synchronize()
