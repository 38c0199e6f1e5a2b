"""Find a case or a run of the store by what a person types: a path, a name, or the beginning of a name."""

import difflib
from pathlib import Path

_NAMED = 5  # how many names a message lists


class SelectError(ValueError):
    """No such case or run, or more than one. The message is one line."""


def find_case(root: Path, text: str) -> Path:
    """The case folder that ``text`` names: its path, its name, or a beginning that no other case shares.

    ``root`` is the store (``runs/``).

    Raises:
        SelectError: none fits, or several (on several nodes, or with the same beginning).
    """
    if text and run_folders(Path(text)):
        return Path(text)
    text = text.rstrip("/")
    cases = sorted(case for case in root.glob("*/*/*") if run_folders(case))
    found = [case for case in cases if case.name == text] or [case for case in cases if case.name.startswith(text)]
    if not text or not found:
        near = difflib.get_close_matches(text, [case.name for case in cases], n=1, cutoff=0.3)
        some = ", ".join(case.name for case in cases[:_NAMED]) + (", …" if len(cases) > _NAMED else "")
        hint = f"; nearest: {near[0]}" if near else f"; it has {some}" if cases else f"; {root} holds none"
        raise SelectError(f"no case '{text}' in the store{hint}")
    if len(found) > 1:
        names = ", ".join(str(case.relative_to(root)) for case in found[:_NAMED])
        raise SelectError(f"'{text}' fits {len(found)} cases ({names}{', …' if len(found) > _NAMED else ''}); name one")
    return found[0]


def find_run(root: Path, text: str) -> Path:
    """The run folder that ``text`` names: its path (or its run.json's), or ``CASE/RUN`` with CASE as for ``find_case``.

    RUN is a folder's name: ``warmup-0``, ``1``, or ``s2-1`` for a later session.

    Raises:
        SelectError: no such run, or only what a run that was killed left.
    """
    folder = Path(text)
    if folder.name == "run.json" and folder.is_file():
        folder = folder.parent
    if (folder / "run.json").is_file():
        if folder.resolve().name.startswith("."):
            raise SelectError(f"{folder}: was never finished; name a whole run")
        return folder
    if text and (runs := run_folders(folder)):
        raise SelectError(f"{folder}: is a case; name one of its runs: {_names(runs)}")
    name, _, run = text.rstrip("/").rpartition("/")
    if not name:
        raise SelectError(f"'{text}' names no run; give CASE/RUN (such as {run or 'CASE'}/1) or a run's folder")
    case = find_case(root, name)
    runs = run_folders(case)
    if case / run not in runs:
        raise SelectError(f"{case.name} has no run '{run}'; it has {_names(runs)}")
    return case / run


def run_folders(case: Path) -> list[Path]:
    """A case's finished runs by name; hidden folders are what killed runs left."""
    return sorted(path.parent for path in case.glob("*/run.json") if not path.parent.name.startswith("."))


def _names(runs: list[Path]) -> str:
    return ", ".join(run.name for run in runs)
