"""Function hooks: each call of a hooked function becomes a span; of a coroutine function, each step.

The table (``hook_table.py`` beside this file) is written by ``apply_patches.py`` from the pin's ``hooks.toml``; its
columns are described in harness/spec/hooks.py.
"""

import sys

from coldstart_tracer import _disarm
from coldstart_tracer._calls import code_flags, wrap
from coldstart_tracer._spans import tracer

_DELAYED = 0x20 | 0x200  # code flags, as in module inspect: generator, asynchronous generator

_pending = {}  # module → hooks not set yet


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
            _disarm.installed.append(set_hook(hook, lambda function, of=hook: wrap(_hookable(function), of)))
        except Exception as error:
            if not hook.get("optional"):
                tracer.note("hook failed", module=module, hook=hook["name"], error=repr(error)[:200])


def set_hook(hook, wrapped):
    """Put ``wrapped(function)`` in the function's place; (owner, attribute, original, replacement)."""
    owner = sys.modules[hook["module"]]
    *path, attribute = hook["name"].split(".")
    for part in path:
        owner = getattr(owner, part)
    original = owner.__dict__[attribute]
    if isinstance(original, (staticmethod, classmethod)):
        replacement = type(original)(wrapped(original.__func__))
    else:
        replacement = wrapped(original)
    setattr(owner, attribute, replacement)
    return owner, attribute, original, replacement


def _hookable(function):
    """``function``, if a wrapper can stand in for it.

    A class or property is more than a call; a generator's work begins after its call has returned.
    """
    if not callable(function) or isinstance(function, type) or code_flags(function) & _DELAYED:
        raise TypeError("not a plain function or coroutine function")
    return function
