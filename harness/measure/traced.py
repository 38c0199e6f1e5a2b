"""Whether a start's trace is whole: what an engine process did untraced would be told as something else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.analyse.partition import ENGINE_ROLES
from harness.analyse.spans import Process
from harness.measure.cause import ENGINE_PROCESSES
from harness.record.plain import printable

FAILURES = ("hook failed", "hook error")  # notes of the tracer: a hook that could not be set, one that raised
_SHOWN = 280  # characters: a mark has 300 at most
_MARKS = 3


@dataclass(frozen=True)
class HookFailure:
    """A hook that could not be set in a process, or that raised there."""

    role: str
    hook: str
    error: str

    def __str__(self) -> str:
        """One line for people."""
        return printable(f"hook {self.hook} failed in the {self.role} process: {self.error}", _SHOWN)


def trace_certificate(
    processes: list[Process], unwritten: Mapping[int, str], untimed: frozenset[str]
) -> dict[str, Any]:
    """Whether the engine's processes were traced until they were ready: a trace that stops midway explains wrongly.

    One that traced until its exit did so too: the main process of several API servers never serves itself.
    ``unwritten``: pid → role of those whose span file is empty; ``untimed``: hooks that no second depends on.
    """
    reason = _gap(processes, unwritten) or _failed_hook(processes, untimed) or _damage(processes)
    return {"trace": {"declared": "complete", "holds": reason is None, "reason": reason}}


def trace_marks(processes: list[Process], untimed: frozenset[str]) -> list[str]:
    """Marks for hooks that failed and that no second depends on: parts of a phase may be lacking."""
    lines = dict.fromkeys(f"trace: {failure}" for failure in _failures(processes) if failure.hook in untimed)
    return list(lines)[:_MARKS]


def _gap(processes: list[Process], unwritten: Mapping[int, str]) -> str | None:
    """Which process of the engine has no trace, or one that stops."""
    if empty := next((role for role in unwritten.values() if role in ENGINE_ROLES), None):
        return f"the {empty} process left no trace: its span file is empty"
    for process in processes:
        ended = process.notes("tracer disarmed") or process.notes("tracer exit")
        if process.role in ENGINE_PROCESSES and not ended:
            return f"the trace of the {process.role} process stops before it was ready"
    known = {process.pid for process in processes}
    for process in processes:
        # What subprocess starts may be a compiler, which nobody traces; what others start and wait for is the engine's.
        spans = [span for span in process.spans if span.attrs.get("module") != "subprocess"]
        started = {span.attrs["child"] for span in spans if "child" in span.attrs} - known
        waits = (span for span in spans if started.intersection(span.attrs.get("waits_for", ())))
        if process.role in ENGINE_ROLES and (wait := next(waits, None)):
            return f"a process that the {process.role} process started and waited for ({wait.name}) left no trace"
    return None


def _failed_hook(processes: list[Process], untimed: frozenset[str]) -> str | None:
    return next((str(failure) for failure in _failures(processes) if failure.hook not in untimed), None)


def _failures(processes: list[Process]) -> list[HookFailure]:
    """Of the processes that a start is partitioned into: compilers and other helpers are their waiters' work."""
    return [
        HookFailure(process.role, str(note.get("hook")), str(note.get("error")))
        for process in processes
        if process.role in ENGINE_ROLES
        for name in FAILURES
        for note in process.notes(name)
    ]


def _damage(processes: list[Process]) -> str | None:
    for process in processes:
        if process.malformed_lines:
            return f"the span file of the {process.role} process has {process.malformed_lines} malformed lines"
    return None
