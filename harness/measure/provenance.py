"""Which harness measured, and when: version, commit, whether the checkout was changed; the time of day."""

import functools
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import __version__
from harness.workspace import ROOT


@functools.cache
def harness_facts() -> dict[str, Any]:
    """Version, commit and dirty flag of this checkout; commit and dirty are None where it is not a git repository."""
    top = _git("rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != ROOT.resolve():  # a copy inside another repository: not our commit
        return {"version": __version__, "commit": None, "dirty": None}
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {"version": __version__, "commit": commit, "dirty": None if changes is None else bool(changes)}


def utc_now() -> str:
    """The time of day, as records state when they were begun: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _git(*arguments: str) -> str | None:
    try:
        result = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return result.stdout.strip() if result.returncode == 0 else None
