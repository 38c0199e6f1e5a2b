"""What of the caller's environment reaches an engine: a result must not depend on what only one shell has."""

import os

from harness.engine.detect import device_variables

# They say where things are. Paths stay out of cases and records; what CUDA_VISIBLE_DEVICES selects is the node.
INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_VISIBLE_DEVICES")
# They change what is measured: where one reaches an engine, it is part of the case's identity and of the record.
DEFINING = ("OMP_NUM_THREADS",)


def inherited() -> dict[str, str]:
    """Variables that every engine gets, which define nothing.

    Raises:
        HarnessError: CUDA_VISIBLE_DEVICES names no GPU of this machine.
    """
    return {name: os.environ[name] for name in INHERITED if name in os.environ} | device_variables()


def defining() -> dict[str, str]:
    """Variables of the caller's that define a case."""
    return {name: os.environ[name] for name in DEFINING if name in os.environ}
