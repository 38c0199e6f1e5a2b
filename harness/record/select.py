"""Find a case or a run of the store by what a person types: a path, a name, or the beginning of a name."""

import difflib
from pathlib import Path


class SelectError(ValueError):
    """No such case or run, or more than one. The message is one line."""


def find_case(root: Path, text: str) -> Path:
    """The case folder that ``text`` names: its path, its name, or a beginning that no other case shares.

    ``root`` is the store (``runs/``).

    Raises:
        SelectError: none fits, or several (on several nodes, or with the same beginning).
    """
    folder = Path(text)
    if folder.is_dir() and any(folder.glob("*/run.json")):
        return folder
    cases = sorted({path.parent.parent for path in root.glob("*/*/*/*/run.json")})
    found = [case for case in cases if case.name == text] or [case for case in cases if case.name.startswith(text)]
    if not text or not found:
        near = difflib.get_close_matches(text, [case.name for case in cases], n=1, cutoff=0.3)
        hint = f"; nearest: {near[0]}" if near else f"; {root} holds none" if not cases else ""
        raise SelectError(f"no case '{text}' in the store{hint}")
    if len(found) > 1:
        names = ", ".join(str(case.relative_to(root)) for case in found[:5])
        raise SelectError(f"'{text}' fits {len(found)} cases ({names}{', …' if len(found) > 5 else ''}); name one")
    return found[0]


def find_run(root: Path, text: str) -> Path:
    """The run folder that ``text`` names: its path, or ``CASE/RUN`` with CASE as for ``find_case``.

    RUN is a folder's name: ``warmup-0``, ``1``, or ``s2-1`` for a later session.

    Raises:
        SelectError: no such run.
    """
    folder = Path(text)
    if (folder / "run.json").is_file():
        return folder
    name, _, run = text.rstrip("/").rpartition("/")
    if not name:
        raise SelectError(f"'{text}' names no run; give CASE/RUN (such as {text or 'CASE'}/1) or a run's folder")
    case = find_case(root, name)
    if not (case / run / "run.json").is_file():
        runs = ", ".join(sorted(path.parent.name for path in case.glob("*/run.json")))
        raise SelectError(f"{case.name} has no run '{run}'; it has {runs}")
    return case / run
