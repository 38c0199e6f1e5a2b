"""What of the caller's environment reaches an engine: a result must not depend on what only one shell has."""

import os

from harness.engine.detect import device_variables
from harness.errors import HarnessError
from harness.record.plain import printable

# They say where things are. Paths stay out of cases and records; what CUDA_VISIBLE_DEVICES selects is the node.
INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_VISIBLE_DEVICES")
THREADS = "OMP_NUM_THREADS"
# They change what is measured: where one reaches an engine, it is part of the case's identity and of the record.
DEFINING = (THREADS,)


def inherited() -> dict[str, str]:
    """Variables that every engine gets, which define nothing.

    Raises:
        HarnessError: CUDA_VISIBLE_DEVICES names no GPU of this machine.
    """
    return {name: os.environ[name] for name in INHERITED if name in os.environ} | device_variables()


def defining() -> dict[str, str]:
    """Variables of the caller's that define a case."""
    return {name: os.environ[name] for name in DEFINING if name in os.environ}


def caller_threads() -> int | None:
    """Threads of each process of an engine, as the caller asks for them; None: not asked for.

    Raises:
        HarnessError: what is asked for is no number of threads.
    """
    said = os.environ.get(THREADS, "")
    if not said:
        return None
    if not (said.isascii() and said.isdecimal() and int(said) > 0):
        raise HarnessError(f"{THREADS}={printable(said, 40)}: a whole number of threads from 1 on, or unset it")
    return int(said)
