"""Function hooks: each call of a hooked function becomes a span.

The table (``hook_table.py`` beside this file) is written by ``apply_patches.py`` from the pin's ``hooks.toml``; its
columns are described in harness/spec/hooks.py.
"""

import os
import sys

from coldstart_tracer._spans import now, tracer

_ROLE = "COLDSTART_TRACE_ROLE"
_DELAYED = 0x20 | 0x80 | 0x200  # code flags (module inspect): generator, coroutine, asynchronous generator

_pending = {}  # module → hooks not set yet
_installed = []  # (owner, attribute, original, replacement)
_on_disarm = []


def load_table():
    """Read the hook table."""
    from coldstart_tracer.hook_table import HOOKS

    for hook in HOOKS:
        _pending.setdefault(hook["module"], []).append(hook)


def hook_loaded_modules():
    """Set the hooks of modules that were imported before the tracer."""
    for module in [name for name in _pending if name in sys.modules]:
        hook_module(module)


def hook_module(module):
    """Set the hooks of ``module``. A hook that cannot be set is noted in the span file and skipped."""
    for hook in _pending.pop(module, ()):
        try:
            owner = sys.modules[module]
            *path, attribute = hook["name"].split(".")
            for part in path:
                owner = getattr(owner, part)
            original = owner.__dict__[attribute]
            if isinstance(original, (staticmethod, classmethod)):
                replacement = type(original)(_wrap(_hookable(original.__func__), hook))
            else:
                replacement = _wrap(_hookable(original), hook)
            setattr(owner, attribute, replacement)
            _installed.append((owner, attribute, original, replacement))
        except Exception as error:
            if not hook.get("optional"):
                tracer.note("hook failed", module=module, hook=hook["name"], error=repr(error)[:200])


def _hookable(function):
    """``function``, if a plain wrapper can stand in for it.

    A class or property is more than a call; a generator's or coroutine's work begins after its call has returned.
    """
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    if not callable(function) or isinstance(function, type) or flags & _DELAYED:
        raise TypeError("not a plain function")
    return function


def disarm():
    """This process is ready: take every hook out and stop tracing. What other code replaced meanwhile is left."""
    if not tracer.armed:
        return
    tracer.armed = False
    kept = []
    for owner, attribute, original, replacement in _installed:
        if owner.__dict__.get(attribute) is replacement:
            setattr(owner, attribute, original)
        else:
            kept.append(attribute)
    for action in _on_disarm:
        action()
    tracer.note(
        "tracer disarmed", self_ns=tracer.self_ns, events=tracer.events, restored=len(_installed) - len(kept), kept=kept
    )
    _installed.clear()


def on_disarm(action):
    """Call ``action()`` when this process disarms."""
    _on_disarm.append(action)


def _attrs(hook, args):
    """Attributes of one call's span."""
    attrs = {"module": hook["module"]}
    phase = hook.get("phase")
    if hook.get("detail") is not None and len(args) > hook["detail"]:
        detail = args[hook["detail"]]
        detail = detail if isinstance(detail, str) else getattr(detail, "__name__", type(detail).__name__)
        attrs["detail"] = detail[:100]
        for prefix, leaf in hook.get("phases", {}).items():
            if detail.startswith(prefix):
                phase = leaf
                break
    if phase:
        attrs["phase"] = phase
    return attrs


def _is_for_this_process(hook):
    """A worker inside the engine core's process (one device) must not disarm the engine core."""
    return hook.get("role", tracer.role) == tracer.role


def _waits_for(hook, args):
    """Pids of the children that a wait hands over to."""
    if hook["waits_for"] == "child":
        pid = getattr(args[0], "pid", None) if args else None
        return [pid] if pid else []
    return [pid for pid, role in tracer.children if role == hook["waits_for"]]


class _Call:
    """One traced call: opens the span, gives children their role, closes the span."""

    __slots__ = ("args", "hook", "role_before", "span")

    def __init__(self, hook, args):
        self.hook = hook
        self.args = args
        self.span = None
        self.role_before = None

    def __enter__(self):
        hook = self.hook
        try:
            if hook.get("disarm") == "before" and _is_for_this_process(hook):
                disarm()
                return
            if hook.get("child_role"):
                self.role_before = os.environ.get(_ROLE, "child")
                os.environ[_ROLE] = hook["child_role"]
            announce = "min_ms" not in hook
            self.span = tracer.begin(hook["name"], hook["kind"], _attrs(hook, self.args), announce)
        except Exception as error:
            _note_error(hook, error)

    def __exit__(self, raised, *_):
        hook, span = self.hook, self.span
        ended = None
        try:
            if hook.get("sync"):
                _synchronise()
            ended = now()
            if hook.get("starts_child") and (pid := getattr(self.args[0], "pid", None)):
                tracer.children.append((pid, os.environ.get(_ROLE, "child")))
                if span is not None:
                    span.attrs["child"] = pid
            if hook.get("waits_for") and span is not None:
                span.attrs["waits_for"] = _waits_for(hook, self.args)
        except Exception as error:
            _note_error(hook, error)
        try:  # whatever failed above, the span ends here
            if self.role_before is not None:
                os.environ[_ROLE] = self.role_before
            if span is not None:
                if raised is not None:
                    span.attrs["raised"] = raised.__name__
                if tracer.armed:
                    tracer.end(span, ended or now(), hook.get("min_ms", 0) * 1_000_000)
            if hook.get("disarm") == "after" and raised is None and _is_for_this_process(hook):
                disarm()
        except Exception as error:
            _note_error(hook, error)


class _TracedContext:
    """A context manager whose ``with`` block is a span; still usable as a decorator, as contextlib's are."""

    def __init__(self, context, call, again):
        self.context = context
        self.call = call
        self.again = again  # makes another one: contextlib's can be entered only once

    def __enter__(self):
        self.call.__enter__()
        try:
            return self.context.__enter__()
        except BaseException as error:
            self.call.__exit__(type(error))
            raise

    def __exit__(self, *exception):
        try:
            return self.context.__exit__(*exception)
        finally:
            self.call.__exit__(*exception)

    def __call__(self, function):
        def decorated(*args, **kwargs):
            with self.again():
                return function(*args, **kwargs)

        return _named_like(decorated, function)


def _note_error(hook, error):
    """Record that a hook failed; the engine must not notice."""
    try:
        text = repr(error)[:200]
    except Exception:  # a repr of the engine's own
        text = type(error).__name__
    tracer.note("hook error", hook=hook["name"], error=text)


def _named_like(wrapper, function):
    """functools.wraps without importing functools (1 ms per process); keeps the methods of functools.cache too."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "cache_clear", "cache_info"):
        if hasattr(function, name):
            setattr(wrapper, name, getattr(function, name))
    wrapper.__dict__.update(getattr(function, "__dict__", {}))
    wrapper.__wrapped__ = function
    return wrapper


def _wrap(function, hook):
    if hook.get("context"):

        def traced_context(*args, **kwargs):
            context = function(*args, **kwargs)
            if not tracer.armed:
                return context
            return _TracedContext(context, _Call(hook, args), lambda: traced_context(*args, **kwargs))

        return _named_like(traced_context, function)

    def traced(*args, **kwargs):
        if not tracer.armed:
            return function(*args, **kwargs)
        with _Call(hook, args):
            return function(*args, **kwargs)

    return _named_like(traced, function)


def _synchronise():
    """Wait for the accelerator, so that its work ends inside the span that started it."""
    torch = sys.modules.get("torch")
    if os.environ.get("COLDSTART_TRACE_SYNC") == "1" and torch and torch.cuda.is_initialized():
        torch.cuda.synchronize()
