"""The end of tracing in a process: everything that was replaced is put back."""

from coldstart_tracer._spans import tracer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Replaced = tuple[Any, str, Any, Any]  # owner, attribute, original, replacement

installed: "list[Replaced]" = []  # of each hook that was set
_actions: "list[Callable[[], object]]" = []


def disarm() -> None:
    """This process is ready: take every hook out and stop tracing. What other code replaced meanwhile is left."""
    if not tracer.armed:
        return
    tracer.armed = False
    kept = []
    for owner, attribute, original, replacement in installed:
        if owner.__dict__.get(attribute) is replacement:
            setattr(owner, attribute, original)
        else:
            kept.append(attribute)
    for action in _actions:
        try:
            action()
        except Exception as error:  # the others must be carried out all the same
            kept.append(repr(error)[:200])
    tracer.note(
        "tracer disarmed", self_ns=tracer.self_ns, events=tracer.events, restored=len(installed) - len(kept), kept=kept
    )
    installed.clear()


def on_disarm(action: "Callable[[], object]") -> None:
    """Call ``action()`` when this process disarms."""
    _actions.append(action)
