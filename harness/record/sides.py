"""One side of a comparison: what a person typed → the starts that count, of one session, and their facts.

    CASE          the newest session of a case that has a run to use; CASE as in ``select.find_case``
    CASE@s2       that session
    CASE/1        one run (or its folder)
    SLOT          a slot folder; SLOT:CASE where it holds several cases

Sessions are never mixed, and a run that does not count is left out and counted.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.record.facts import Facts, facts_of_runs, facts_of_slot
from harness.record.run import Run, read_run
from harness.record.select import SelectError, find_case, find_run, run_folders
from harness.record.slot import MANIFEST, Slot, read_slot
from harness.record.store import CaseStore


@dataclass(frozen=True)
class Start:
    """One start: seconds of each leaf of exec→ready. Starts with the same ``round`` were made next to each other."""

    run: str
    round: str | None
    phases: dict[str, float]

    @property
    def ready_s(self) -> float:
        """Seconds from exec to ready: the leaves are its partition."""
        return math.fsum(self.phases.values())


@dataclass(frozen=True)
class Side:
    """Starts of one session of one case, of one kind."""

    label: str
    source: str  # "runs" or "slot": what can be known of their facts
    kind: str
    starts: tuple[Start, ...]
    left_out: dict[str, int]  # why → how many runs of the same session and kind
    facts: Facts


def find_side(root: Path, text: str, kind: str) -> Side:
    """The side that ``text`` names, with its runs of ``kind``; a single run brings its own kind.

    ``root`` is the store (``runs/``).

    Raises:
        SelectError, SlotError, RunFileError: nothing fits, several do, none of the runs counts, or a file is damaged.
    """
    folder, _, case = text.rpartition(":")
    if (Path(text) / MANIFEST).is_file():
        return _slot_side(Path(text), "", kind)
    if folder and (Path(folder) / MANIFEST).is_file():
        return _slot_side(Path(folder), case, kind)
    if with_session := re.fullmatch(r"(.+)@(s\d+)", text):
        return _case_side(CaseStore(find_case(root, with_session[1])), with_session[2], kind)
    path = Path(text)
    if (path / "run.json").is_file() or ("/" in text.rstrip("/") and not path.is_dir()):
        return _run_side(find_run(root, text))
    if text and path.is_dir() and not run_folders(path):
        raise SelectError(f"{text}: not a case, a run or a slot (a folder with data.csv and {MANIFEST}); name one")
    return _case_side(CaseStore(find_case(root, text)), None, kind)


def _case_side(store: CaseStore, session: str | None, kind: str) -> Side:
    runs = store.runs()
    if not runs:
        raise SelectError(f"{store.folder}: holds no finished run; measure it again")
    sessions = sorted({run.session for run in runs}, key=lambda name: int(name[1:]))
    if session is None:
        usable = {run.session for run in runs if run.kind == kind and run.counts}
        session = next((name for name in reversed(sessions) if name in usable), sessions[-1])
    elif session not in sessions:
        raise SelectError(f"{store.folder.name} has no session '{session}'; it has {', '.join(sessions)}")
    label = f"{store.folder.resolve().name}@{session}"
    return _side(label, kind, [run for run in runs if run.session == session and run.kind == kind])


def _run_side(folder: Path) -> Side:
    run = read_run(folder)
    return _side(f"{folder.resolve().parent.name}/{folder.resolve().name}", run.kind, [run])


def _side(label: str, kind: str, runs: list[Run]) -> Side:
    used = [run for run in runs if run.counts and run.phases]
    starts = tuple(Start(run.run, run.round, dict(run.phases)) for run in used)
    left_out = _why(_reason(run.status, run.certificate) for run in runs if run not in used)
    return _usable(Side(label, "runs", kind, starts, left_out, facts_of_runs(used)))


def _slot_side(folder: Path, text: str, kind: str) -> Side:
    slot = read_slot(folder)
    cases = slot.manifest["cases"]
    found = [case for case in cases if case["case"] == text] or [c for c in cases if c["case"].startswith(text)]
    if len(found) != 1:
        names = ", ".join(str(case["case"]) for case in cases[:5])
        raise SelectError(f"{folder}: {len(found)} of its cases fit '{text}'; it holds {names}; name one: SLOT:CASE")
    (case,) = found
    starts = _slot_starts(slot, case["case"], kind)
    certificates = slot.manifest["certificates"]
    left_out = _why(
        _reason(run["status"], certificates.get(run["run_id"], {}))
        for run in slot.manifest["runs"]
        if (run["case"], run["kind"]) == (case["case"], kind) and run["run"] not in {start.run for start in starts}
    )
    label = f"{folder}:{case['case']}@{case['session']}"
    return _usable(Side(label, "slot", kind, starts, left_out, facts_of_slot(slot.manifest, case)))


def _slot_starts(slot: Slot, case: str, kind: str) -> tuple[Start, ...]:
    runs: dict[str, dict[str, float]] = {}
    for row in slot.rows:
        if (row.case, row.kind, row.source, row.status) == (case, kind, "span", "ok"):
            runs.setdefault(row.run, {})[row.phase] = row.seconds
    rounds = {run["run"]: run.get("round") for run in slot.manifest["runs"] if run["case"] == case}
    return tuple(Start(run, rounds.get(run), phases) for run, phases in runs.items())


def _reason(status: str, certificate: object) -> str:
    """Why a run is left out, in words that can be counted."""
    parts = certificate.items() if isinstance(certificate, dict) else ()
    broken = [str(name) for name, part in parts if not (isinstance(part, dict) and part.get("holds"))]
    if status != "ok":
        return status
    return f"{broken[0].replace('_', ' ')} was not as declared" if broken else "without phases"


def _why(reasons: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(reasons).items()))


def _usable(side: Side) -> Side:
    if not side.starts:
        left_out = ", ".join(f"{count} {why}" for why, count in side.left_out.items()) or "there is none"
        raise SelectError(f"{side.label} has no {side.kind} run that can be used ({left_out}); measure it again")
    return side
