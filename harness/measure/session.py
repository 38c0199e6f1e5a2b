"""A session: the runs of the asked cases, interleaved, each stored as soon as it ended.

An interrupted call is continued by the next one: what is stored and counts is not measured again. A run that failed or
whose certificate does not hold is kept, marked, and replaced by another attempt. On a machine that is not as it was
(another driver, operating system or disk) the next call measures a new session.
"""

import itertools
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.measure.model_place import model_place
from harness.measure.one_run import Case, Place, execute
from harness.record.run import Run, last_warm_up
from harness.record.same_machine import conditions, conditions_of, what_changed
from harness.record.store import CaseStore
from harness.state.certificates import recorded_hashes
from harness.state.filesystem import filesystem_of
from harness.state.sandbox import Sandbox
from harness.workspace import Workspace

# A case whose runs keep losing their certificate is given up after so many attempts beyond what was asked.
SPARE_ATTEMPTS = 2


@dataclass
class CaseSession:
    """One case's runs in one session."""

    case: Case
    store: CaseStore
    session: str
    sandbox: Sandbox
    iterations: int
    changed: str | None = None  # what of the machine is not as it was for the session before, which is not continued

    def counted(self) -> int:
        """Measured runs that count."""
        return sum(run.counts and run.kind == "measured" for run in self.store.session_runs(self.session))

    def missing(self) -> list[str]:
        """Kinds of the runs still to be made, in order."""
        counted = [run for run in self.store.session_runs(self.session) if run.counts]
        measured = sum(run.kind == "measured" for run in counted)
        if measured >= self.iterations:
            return []
        warm_up = last_warm_up(counted)
        warm = warm_up is not None and self.sandbox.is_filled(self.case.state, recorded_hashes(warm_up.certificate))
        begin = [] if warm or not self.case.state.needs_warm_up else ["warmup"]
        return [*begin, *["measured"] * (self.iterations - measured)]


def open_session(
    case: Case, workspace: Workspace, node: Mapping[str, Any], iterations: int, again: bool
) -> CaseSession:
    """Continue the case's last session, or open a new one: there is none yet, or ``again``.

    Nor is one continued that lacks runs, where the machine is not as it was for those that it has (``changed``).
    """
    store = CaseStore.of(workspace.runs, str(node["id"]), "cold_start", case.name)
    runs = store.last_session_runs()
    last = runs[0].session if runs else None
    counted = [run for run in runs if run.counts]
    lacks = sum(run.kind == "measured" for run in counted) < iterations
    changed = _what_changed(counted, node, case.around.model) if lacks else None
    session = store.next_session() if again or changed or last is None else last
    # Such a case is measured on two nodes at once, which must not share caches that are being written.
    caches_of = f"{case.name} on {node['id']}" if case.definition.get("parallel") else case.name
    sandbox = Sandbox.of(workspace.caches, caches_of, session)
    if session != last:  # only the last session can be continued: older caches are of no use
        shutil.rmtree(sandbox.folder.parent, ignore_errors=True)
    return CaseSession(case, store, session, sandbox, iterations, changed)


def _what_changed(runs: Sequence[Run], node: Mapping[str, Any], model: Path | None) -> str | None:
    """What of the machine is not as it was for one of these runs. ``model``: the folder that it is read from now."""
    file_system: dict[str, Any] = {}
    if model is not None and runs:
        with suppress(HarnessError, OSError):  # it cannot be looked at: its start will say why
            file_system = vars(filesystem_of(model_place(model).disk))
    now = conditions(node, file_system)
    return next((change for run in runs if (change := what_changed(conditions_of(run), now))), None)


def continues_pair(sessions: list[CaseSession]) -> bool:
    """Whether the sessions were begun together and are not complete: runs made now can be paired with each other."""
    rounds = [
        {run.round.partition(":")[0] for run in session.store.session_runs(session.session) if run.round}
        for session in sessions
    ]
    return bool(set.intersection(*rounds)) and any(session.missing() for session in sessions)


@dataclass(frozen=True)
class Progress:
    """Told before and after each run."""

    before: Callable[[CaseSession, str, int, int], None]  # kind, number of this run, runs in all
    after: Callable[[CaseSession, Run], None]
    announce: Callable[[str], None]  # something that takes time or that people should know


def measure(sessions: list[CaseSession], node: dict[str, object], progress: Progress) -> list[Run]:
    """Make every missing run, iteration by iteration over all cases. Returns the runs made, failed ones too.

    A failed run ends its case in this call: the next start would most likely fail in the same way. Runs that several
    cases made in the same iteration carry the same ``round``.
    """
    for session in sessions:
        session.store.discard_partial()
    lacking = {id(session): session.missing() for session in sessions}  # asking reads a warm-up's caches: once a run
    total = sum(map(len, lacking.values()))
    made: list[Run] = []
    attempts = {each: len(kinds) + SPARE_ATTEMPTS for each, kinds in lacking.items()}
    open_sessions = [session for session in sessions if lacking[id(session)]]
    call = uuid.uuid4().hex[:12]
    for iteration in itertools.count(1):
        if not open_sessions:
            break
        round = f"{call}:{iteration}" if len(sessions) > 1 else None
        # Warm-ups first: a case that needs none waits, or its measured starts would be in other rounds than the rest's.
        warmups = [session for session in open_sessions if lacking[id(session)][0] == "warmup"]
        for session in warmups or list(open_sessions):
            kind = lacking[id(session)][0]
            progress.before(session, kind, len(made) + 1, max(total, len(made) + 1))
            place = Place(session.session, session.store, session.sandbox, node, round)
            run = execute(session.case, kind, place, progress.announce)
            made.append(run)
            attempts[id(session)] -= 1
            progress.after(session, run)
            lacking[id(session)] = session.missing()
            if run.status != "ok" or not lacking[id(session)] or attempts[id(session)] <= 0:
                open_sessions.remove(session)
    return made
