"""Import spans, and the moment at which a freshly loaded module gets its hooks.

``_frozen_importlib._find_and_load`` runs once per module that is not in ``sys.modules`` yet: at top level, lazily
inside functions, and for parents of dotted names. Wrapping it sees every import of every process.
"""

import _frozen_importlib
from _thread import get_ident

from coldstart_tracer._spans import Span, leave, note_inside, now, tracer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    from coldstart_tracer._spans import Stack

# Shorter imports are left to the import that encloses them; crossing into another package matters sooner.
SAME_PACKAGE_NS = 1_000_000
OTHER_PACKAGE_NS = 200_000

_importlib: "Any" = _frozen_importlib  # typeshed has no private functions
_find_and_load: "Callable[[str, object], ModuleType]" = _importlib._find_and_load
_load_unlocked: "Callable[[ModuleSpec], ModuleType]" = _importlib._load_unlocked
stacks = tracer.stacks


def _enclosing_package(stack: "Stack") -> "str | None":
    span: Span
    for span in reversed(stack):
        if span.package is not None:
            return span.package
    return None


def _traced_find_and_load(name: str, import_: object) -> "ModuleType":
    # Runs five thousand times per process: what can be cheap is.
    if not tracer.armed:
        return _find_and_load(name, import_)
    package = name.partition(".")[0]
    span = Span(name, "work", None, package)
    stack = stacks.get(get_ident())
    if stack is None:
        stack = tracer.stack()
    outer = (stack[-1].package or _enclosing_package(stack)) if stack else None
    stack.append(span)
    if outer is None:  # only outermost imports announce themselves: enough to see what a killed process was at
        tracer.write_span(span, None)
    tracer.self_ns += now() - span.begin_ns
    try:
        return _find_and_load(name, import_)
    finally:
        ended = now()
        leave(stack, span)
        if tracer.adding:
            note_inside(stack, ended - span.begin_ns)
        threshold = 0 if outer is None else SAME_PACKAGE_NS if outer == package else OTHER_PACKAGE_NS
        if ended - span.begin_ns >= threshold and tracer.armed:
            tracer.write_span(span, ended)
        tracer.self_ns += now() - ended


def install(hook_module: "Callable[[str], None]") -> None:
    """Trace imports from now on; ``hook_module(name)`` is called for each module right after its body ran.

    Hooks are set in ``_load_unlocked`` because it also sees a module whose ``_find_and_load`` began before the tracer
    was loaded (which happens when the tracer is loaded from ``vllm/__init__.py``).
    """

    def _traced_load_unlocked(spec: "ModuleSpec") -> "ModuleType":
        module = _load_unlocked(spec)
        if tracer.armed:
            hook_module(spec.name)
        return module

    for function in (_traced_load_unlocked, _traced_find_and_load):
        # Python leaves frames of this file name out of tracebacks, and warnings.warn out of its stacklevel count.
        function.__code__ = function.__code__.replace(co_filename=_find_and_load.__code__.co_filename)
    _importlib._load_unlocked = _traced_load_unlocked
    _importlib._find_and_load = _traced_find_and_load


def uninstall() -> None:
    """Give Python its own import functions back."""
    _importlib._load_unlocked = _load_unlocked
    _importlib._find_and_load = _find_and_load
