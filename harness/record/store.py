"""The run store: ``runs/<node>/<study>/<case>/<run>/``. Files are the database; a run is written once.

A run's folder is filled under a hidden name and renamed when its run.json is complete, so a killed run leaves nothing
that could be mistaken for a record. Folder names of the first session are the run's name (``warmup-0``, ``1``, …);
later sessions put theirs in front (``s2-1``).
"""

import hashlib
import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.record.atomic import sync_folder
from harness.record.run import Run, RunFileError, read_run

MAX_RUNS = 10_000


def canonical_sha256(document: Any) -> str:
    """SHA-256 over canonical JSON (sorted keys, no blanks)."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def case_id(readable: str, definition: dict[str, Any]) -> str:
    """Name of a case: readable part, then 8 hex digits over everything that defines it."""
    return f"{readable}-{canonical_sha256(definition)[:8]}"


@dataclass(frozen=True)
class CaseStore:
    """The runs of one case on one node."""

    folder: Path

    @classmethod
    def of(cls, root: Path, node: str, study: str, case: str) -> "CaseStore":
        """The place of a case below the store's root."""
        return cls(root / node / study / case)

    def runs(self) -> list[Run]:
        """Every complete run, oldest first.

        Raises:
            RunFileError: a run folder whose run.json cannot be read or belongs elsewhere; it is named, not skipped.
        """
        if not self.folder.is_dir():
            return []
        folders = sorted(path for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        if len(folders) > MAX_RUNS:
            raise RunFileError(f"{self.folder}: {len(folders)} runs, a case has at most {MAX_RUNS}")
        return sorted(map(self._read, folders), key=lambda run: (run.started_at, run.run_id))

    def _read(self, folder: Path) -> Run:
        """The run in ``folder``, which must be its place: a copied or renamed run would count twice."""
        if folder.is_symlink():
            raise RunFileError(f"{folder}: a link; every run is a folder of its own")
        run = read_run(folder)
        place = self.run_folder(run.session, run.run).name
        if folder.name != place:
            raise RunFileError(f"{folder}/run.json: it is of run {run.run_id}, whose folder is '{place}'")
        return run

    def session_runs(self, session: str) -> list[Run]:
        """The runs of one session, oldest first."""
        return [run for run in self.runs() if run.session == session]

    def last_session(self) -> str | None:
        """The newest session, or None in an empty case."""
        sessions = {run.session for run in self.runs()}
        return max(sessions, key=_session_number, default=None)

    def last_session_runs(self) -> list[Run]:
        """The runs of the newest session, oldest first; every run.json is read once."""
        runs = self.runs()
        last = max({run.session for run in runs}, key=_session_number, default=None)
        return [run for run in runs if run.session == last]

    def newest_usable_session(self, wanted: int = 1) -> str | None:
        """The newest session with ``wanted`` measured runs that count, else the one with most of them.

        None: no measured run counts.
        """
        counted = Counter(run.session for run in self.runs() if run.counts and run.kind == "measured")
        ranked = {session: (min(number, wanted), _session_number(session)) for session, number in counted.items()}
        return max(ranked, key=lambda session: ranked[session], default=None)

    def next_session(self) -> str:
        """A name for a session that does not exist yet."""
        last = self.last_session()
        return f"s{_session_number(last) + 1 if last else 1}"

    def next_run(self, session: str, kind: str) -> str:
        """Name of the next attempt. Failed attempts keep their number: nothing is ever overwritten."""
        taken = {run.run for run in self.session_runs(session) if run.kind == kind}
        number = 0 if kind == "warmup" else 1
        while _run_name(kind, number) in taken:
            number += 1
        return _run_name(kind, number)

    def run_folder(self, session: str, run: str) -> Path:
        """Final place of a run."""
        return self.folder / (run if session == "s1" else f"{session}-{run}")

    def open_run(self, session: str, run: str) -> Path:
        """An empty hidden folder to fill; leftovers of a killed attempt at the same run are removed."""
        folder = self.run_folder(session, run)
        working = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(working, ignore_errors=True)
        working.mkdir(parents=True)
        return working

    def discard_partial(self) -> None:
        """Remove what killed runs left under hidden names."""
        for folder in self.folder.glob(".*.partial"):
            shutil.rmtree(folder, ignore_errors=True)

    def close_run(self, working: Path, run: Run) -> Path:
        """Write run.json into the working folder and, when all of it is on the disk, give it its final name.

        Raises:
            FileExistsError: the run exists already.
        """
        final = self.run_folder(run.session, run.run)
        if final.exists():
            raise FileExistsError(f"{final} exists; runs are never overwritten")
        run.write(working)
        sync_folder(working)
        working.rename(final)
        return final


def _run_name(kind: str, number: int) -> str:
    return f"warmup-{number}" if kind == "warmup" else str(number)


def _session_number(session: str) -> int:
    try:
        return int(session.removeprefix("s"))
    except ValueError:
        raise RunFileError(f"session '{session}' is not of the form s<number>") from None
