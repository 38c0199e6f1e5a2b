"""Function hooks: each call of a hooked function becomes a span; of a coroutine function, each step.

The table (``hook_table.py`` beside this file) is written by ``apply_patches.py`` from the pin's ``hooks.toml``; its
columns are described in harness/spec/hooks.py.
"""

import sys

from coldstart_tracer import _disarm
from coldstart_tracer._calls import ASYNC_GENERATOR, GENERATOR, code_flags, wrap
from coldstart_tracer._spans import tracer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from coldstart_tracer._disarm import Replaced
    from coldstart_tracer._many import Window
    from coldstart_tracer.hook_table import Hook, Target

_pending: "dict[str, list[Hook]]" = {}  # module → hooks not set yet


def load_table() -> None:
    """Read the hook table."""
    from coldstart_tracer.hook_table import HOOKS

    windows: dict[str, Window] = {}  # "module:name" of a hook → what is added up during its calls
    for hook in HOOKS:
        if hook.get("many"):
            from coldstart_tracer import _many

            windows.setdefault(hook["within"], _many.Window()).hooks.append(hook)
        else:
            _pending.setdefault(hook["module"], []).append(hook)
    for hooks in _pending.values():
        for hook in hooks:
            if window := windows.get(f"{hook['module']}:{hook['name']}"):
                hook["window"] = window


def hook_loaded_modules() -> None:
    """Set the hooks of modules that were imported before the tracer."""
    for module in [name for name in _pending if name in sys.modules]:
        hook_module(module)


def hook_module(module: str) -> None:
    """Set the hooks of ``module``. A hook that cannot be set is noted in the span file and skipped."""
    for hook in _pending.pop(module, ()):
        try:
            _disarm.installed.append(set_hook(hook, _wrapping(hook)))
        except Exception as error:
            if not hook.get("optional"):
                tracer.note("hook failed", module=module, hook=hook["name"], error=repr(error)[:200])


def _wrapping(hook: "Hook") -> "Callable[[Any], Any]":
    def wrapped(function: "Any") -> "Any":
        return wrap(_hookable(function), hook)

    return wrapped


def set_hook(hook: "Target", wrapped: "Callable[[Any], Any]") -> "Replaced":
    """Put ``wrapped(function)`` in the function's place; (owner, attribute, original, replacement)."""
    owner, attribute = owner_of(hook)
    original = owner.__dict__[attribute]
    if isinstance(original, (staticmethod, classmethod)):
        replacement = type(original)(wrapped(original.__func__))
    else:
        replacement = wrapped(original)
    setattr(owner, attribute, replacement)
    return owner, attribute, original, replacement


def owner_of(hook: "Target") -> "tuple[Any, str]":
    """The module or class in which the hook's function lies, and its name there."""
    owner = sys.modules[hook["module"]]
    *path, attribute = hook["name"].split(".")
    for part in path:
        owner = getattr(owner, part)
    return owner, attribute


def _hookable(function: "Any") -> "Any":
    """``function``, if a wrapper can stand in for it.

    A class or property is more than a call; a generator's work begins after its call has returned.
    """
    if not callable(function) or isinstance(function, type) or code_flags(function) & (GENERATOR | ASYNC_GENERATOR):
        raise TypeError("not a plain function or coroutine function")
    return function
