"""Run a study's worker under an engine's Python and wait for it: it makes files, not measurements."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from harness.engine.guardian import guarded
from harness.errors import HarnessError
from harness.workspace import ROOT

_SEVERAL = re.compile(r"\d+ validation errors? for \w+$")  # how pydantic begins


def run_worker(
    engine_python: Path,
    module: str,
    paths: tuple[Path, Path],
    more: Mapping[str, str],
    what: str,
    limit_s: float,
    *,
    inherited: Mapping[str, str] | None = None,
) -> None:
    """``python -m MODULE PATH PATH`` in the repository's root, until the second path, which it makes, is there.

    ``more`` environment variables win over the ``inherited`` ones (None: all of the caller's); ``what`` is being done,
    for people. However this process ends, the worker does too.

    Raises:
        HarnessError: it took longer than ``limit_s``, or failed (its exception or last line is quoted).
    """
    command = [str(engine_python), "-m", module, *(str(path.resolve()) for path in paths)]
    try:
        with guarded() as guardian:
            environment = {**(os.environ if inherited is None else inherited), **more, **guardian.environment}
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=limit_s, check=False
            )
            guardian.dismiss()
    except subprocess.TimeoutExpired:
        raise HarnessError(f"{what} took more than {limit_s:.0f} s; try again") from None
    if done.returncode != 0 or not paths[1].exists():
        raise HarnessError(f"{what} failed (exit {done.returncode}, {engine_python}): {last_words(done.stderr)}")


def last_words(stderr: str) -> str:
    """The exception that ended it, which libraries' farewells may follow; else its last line."""
    lines = stderr.strip().splitlines() or ["no message"]
    traces = [number for number, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    after = lines[traces[-1] + 1 :] if traces else []
    found = next((at for at, line in enumerate(after) if line.strip() and not line.startswith(" ")), None)
    if found is None:
        return lines[-1]
    if _SEVERAL.search(after[found]) and len(after) > found + 1:  # which value, and why, stands below
        return f"{after[found]}: {after[found + 1].partition(' [type=')[0].strip()}"
    return after[found]
