"""Where an engine is installed from: an index, as pip is configured, or a wheelhouse; and on top of which Python.

``--wheelhouse DIR`` and ``--reuse-python PYTHON`` of every command that installs are the environment variables
HARNESS_WHEELHOUSE and HARNESS_REUSE_PYTHON: whatever a command starts installs from the same place.
"""

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.engine.reused_python import ReusedPython, interpreter, reused_python
from harness.errors import HarnessError
from harness.record.wheelhouse import Wheelhouse, WheelhouseError, read_wheelhouse

WHEELHOUSE, REUSE_PYTHON = "HARNESS_WHEELHOUSE", "HARNESS_REUSE_PYTHON"
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class Source:
    """A wheelhouse, and perhaps a Python to install on top of; neither: an index and this Python."""

    wheelhouse: Path | None = None
    reuse_python: Path | None = None

    @property
    def version(self) -> str:
        """The Python that engines are made with. Raises HarnessError: it does not run."""
        return self.reused.version if self.reused else HERE

    @property
    def reused(self) -> ReusedPython | None:
        """The Python to install on top of, as it is. Raises HarnessError: it does not run."""
        return _asked_once(self.reuse_python) if self.reuse_python else None


def source_of(environment: Mapping[str, str] | None = None) -> Source:
    """What the environment (default: this process's) says. Raises HarnessError: half of it."""
    environment = os.environ if environment is None else environment
    folder, python = environment.get(WHEELHOUSE), environment.get(REUSE_PYTHON)
    if python and not folder:
        raise HarnessError("--reuse-python belongs to --wheelhouse: from an index, every engine gets its own packages")
    return Source(Path(os.path.abspath(folder)) if folder else None, interpreter(python) if python else None)


def install_from(wheelhouse: Path | None, reuse_python: Path | None) -> None:
    """What was typed, for this process and those that it starts. Raises HarnessError: half of it."""
    if wheelhouse is not None:
        os.environ[WHEELHOUSE] = os.path.abspath(wheelhouse)
    if reuse_python is not None:
        os.environ[REUSE_PYTHON] = str(interpreter(reuse_python))
    source_of()


def typed_again() -> str:
    """What a command that shall install from the same place must have behind it; empty: nothing."""
    given = (("--wheelhouse", os.environ.get(WHEELHOUSE)), ("--reuse-python", os.environ.get(REUSE_PYTHON)))
    return "".join(f" {option} {shlex.quote(value)}" for option, value in given if value)


def named_wheelhouse() -> Wheelhouse | None:
    """What the named wheelhouse says of itself. Raises HarnessError: it is none."""
    folder = source_of().wheelhouse
    try:
        return read_wheelhouse(folder) if folder else None
    except WheelhouseError as error:
        raise HarnessError(str(error)) from None


def pin_of_wheelhouse() -> str | None:
    """The engine that the named wheelhouse is for. Raises HarnessError: it is none."""
    house = named_wheelhouse()
    return house.pin if house else None


_asked_once = cache(reused_python)  # its packages do not change while a command runs
