"""Runs as the report tells them: how many certificates hold, what each case spent where, which runs are in trouble."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.analyse.known_runs import KnownRun
from harness.analyse.startup import leaf_order
from harness.record.plain import printable

_LONGEST_LINE, _REASONS = 500, 3
_PARTS = {  # of a certificate → what it proves
    "storage": "weights were where they are declared: in memory, or read from the disk",
    "libraries": "the engine's files were in memory, or evicted",
    "compile_cache": "compile caches were empty, or what the warm-up left, and were used as such",
    "model_info": "vLLM's cached facts about model classes likewise",
    "clock": "the wall clock was not set and the machine did not sleep",
    "trace": "every engine process was traced until it was ready",
}


@dataclass(frozen=True)
class Certified:
    """One part of the certificates, over all runs that state it."""

    name: str
    meaning: str
    declared: str
    holds: int
    broken: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class CaseTable:
    """Seconds of every phase of every run of one case. ``cells``: a row for each phase, None where a run has none."""

    node: str
    case: str
    about: str
    runs: tuple[KnownRun, ...]
    phases: tuple[str, ...]
    cells: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class Troubled:
    """A run that failed, does not count, or was disturbed. ``trouble``: which of these, as a word to filter by."""

    run: KnownRun
    trouble: str
    why: str
    tail: tuple[str, ...]


def certified(runs: Iterable[KnownRun]) -> list[Certified]:
    """Part by part; those that this version knows first, in the order in which a start is prepared."""
    stated: dict[str, list[dict[str, object]]] = {}
    for run in runs:
        for name, part in run.certificate.items():
            stated.setdefault(name, []).append(dict(part))
    names = sorted(stated, key=lambda name: (list(_PARTS).index(name) if name in _PARTS else len(_PARTS), name))
    return [_certified(name, stated[name]) for name in names]


def _certified(name: str, parts: Sequence[dict[str, object]]) -> Certified:
    broken = [part for part in parts if not part["holds"]]
    reasons = list(dict.fromkeys(printable(str(part.get("reason")), _LONGEST_LINE) for part in broken))
    declared = sorted({printable(str(part["declared"]), 60) for part in parts if part.get("declared") is not None})
    more = [f"and {len(reasons) - _REASONS} other reasons"] if len(reasons) > _REASONS else []
    return Certified(
        name.replace("_", " "),
        _PARTS.get(name, ""),
        ", ".join(declared),
        len(parts) - len(broken),
        len(broken),
        (*reasons[:_REASONS], *more),
    )


def case_tables(runs: Sequence[KnownRun]) -> list[CaseTable]:
    """A table for each case of each node."""
    cases: dict[tuple[str, str], list[KnownRun]] = {}
    for run in runs:
        cases.setdefault((run.node, run.case), []).append(run)
    return [_case_table(node, case, found) for (node, case), found in cases.items()]


def _case_table(node: str, case: str, runs: Sequence[KnownRun]) -> CaseTable:
    phases = sorted({phase for run in runs for phase in run.phases}, key=leaf_order)
    first = runs[0]
    twin = ", structural twin" if first.twin else ""
    about = f"{first.model}{twin}, vLLM {first.version or 'of unknown version'} ({first.pin or 'unpinned'})"
    cells = tuple(tuple(run.phases.get(phase) for run in runs) for phase in phases)
    return CaseTable(node, case, about, tuple(runs), tuple(phases), cells)


def troubled(runs: Iterable[KnownRun]) -> list[Troubled]:
    """Failed runs, then those whose state was not as declared, then those that were marked."""
    order = ("failed", "not counted", "marked")
    found = [each for run in runs if (each := _troubled(run))]
    return sorted(found, key=lambda each: order.index(each.trouble))


def _troubled(run: KnownRun) -> Troubled | None:
    if run.status != "ok":
        where = f" in {run.failed_in}" if run.failed_in else ""
        process = f" of the {run.failed_process} process" if run.failed_process else ""
        return Troubled(
            run, "failed", f"{run.status}{where}{process}: {run.reason or 'no reason is recorded'}", _tail(run)
        )
    if not run.counts:
        doubts = [
            f"{name.replace('_', ' ')}: {part.get('reason')}"
            for name, part in run.certificate.items()
            if not part["holds"]
        ]
        return Troubled(run, "not counted", "; ".join(doubts) or "no reason is recorded", _tail(run))
    return Troubled(run, "marked", "counts; something disturbed the machine", _tail(run)) if run.marks else None


def _tail(run: KnownRun) -> tuple[str, ...]:
    return tuple(printable(line, _LONGEST_LINE) for line in run.log_tail)
