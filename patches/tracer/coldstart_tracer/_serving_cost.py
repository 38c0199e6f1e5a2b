"""What tracing costs, measured in the process that is traced, while it serves nothing."""

from coldstart_tracer import _serving_calls as calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def cost_of_a_call(coroutines: bool) -> "dict[str, int]":
    """Thread CPU that a call of a hooked function, or a step of a coroutine, adds, ns.

    event_ns: in all; inside_ns: of it, in the call's own row; pass_ns: by one that makes no row for want of detail.
    Least of several batches: what else happens only adds.
    """
    batch, batches = 300, 9

    def nothing() -> None:
        return None

    class Nothing:
        def send(self, _: object) -> None:
            return None

    def hooked(need: int) -> "Callable[..., Any]":
        return calls.Steps(Nothing(), 0, need).send if coroutines else calls.wrap(nothing, 0, "work", need)

    plain = Nothing().send if coroutines else nothing
    traced, passed = hooked(calls.ALL), hooked(calls.DETAIL)
    value = (None,) if coroutines else ()
    level, before = calls.LEVEL, len(calls.ROWS)
    least: dict[Callable[..., Any], Any] = {plain: None, passed: None, traced: None}
    inside = []
    calls.LEVEL = calls.ALL
    for _ in range(batches):
        for function in least:
            began = calls.cpu()
            for _ in range(batch):
                function(*value)
            spent = (calls.cpu() - began) // batch
            least[function] = spent if least[function] is None else min(least[function], spent)
        inside.append(min(row[5] for row in calls.ROWS[-batch:]))
    calls.LEVEL = level
    del calls.ROWS[before:]
    added = {
        "event_ns": least[traced] - least[plain],
        "inside_ns": min(inside),
        "pass_ns": least[passed] - least[plain],
    }
    return {name: max(0, each) for name, each in added.items()}
