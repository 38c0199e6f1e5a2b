"""Runs of one case → the table that a serving engineer reads: seconds of each phase in each process."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.analyse.phases import UNATTRIBUTED
from harness.analyse.stats import Summary, summarise
from harness.record.run import Run


@dataclass(frozen=True)
class Line:
    """One phase in one process: seconds over the runs of each kind. Lines of a kind add up to its ``ready``."""

    phase: str
    process: str  # role
    by_kind: dict[str, Summary]


@dataclass(frozen=True)
class Table:
    """The start of one case."""

    ready: dict[str, Summary]  # kind → seconds from exec to ready
    lines: tuple[Line, ...]  # longest first
    left_out: dict[str, int]  # kind → runs that do not count

    def share(self, line: Line, kind: str) -> float:
        """The line's part of the start, 0…1."""
        return line.by_kind[kind].mean / self.ready[kind].mean


def phase_table(runs: Sequence[Run], kinds: Sequence[str]) -> Table:
    """The table of ``runs``. A phase that a run does not state took no time in it."""
    counted = {kind: [run for run in runs if run.kind == kind and run.counts] for kind in kinds}
    counted = {kind: found for kind, found in counted.items() if found}
    pairs = {
        (phase, process)
        for found in counted.values()
        for run in found
        for process, phases in run.phases_by_process.items()
        for phase in phases
    }
    lines = [
        Line(phase, process, {kind: _seconds(found, phase, process) for kind, found in counted.items()})
        for phase, process in sorted(pairs)
    ]
    left_out = {kind: sum(run.kind == kind and not run.counts for run in runs) for kind in kinds}
    ready = {kind: _summary([run.ready_s or 0.0 for run in found]) for kind, found in counted.items()}
    return Table(ready, tuple(sorted(lines, key=_longest_first)), left_out)


def merged(table: Table, below: float) -> tuple[list[Line], list[Line]]:
    """Lines to show, and those whose share is under ``below`` in every kind; what nothing explains is always shown."""
    small = [
        line
        for line in table.lines
        if line.phase != UNATTRIBUTED and all(table.share(line, kind) < below for kind in table.ready)
    ]
    return [line for line in table.lines if line not in small], small


def _seconds(runs: list[Run], phase: str, process: str) -> Summary:
    return _summary([run.phases_by_process.get(process, {}).get(phase, 0.0) for run in runs])


def _summary(values: list[float]) -> Summary:
    summary = summarise(values)
    assert summary is not None  # the caller has at least one run
    return summary


def _longest_first(line: Line) -> tuple[bool, float]:
    return line.phase == UNATTRIBUTED, -max(summary.mean for summary in line.by_kind.values())
