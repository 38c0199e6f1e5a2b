"""The harness's errors: one clear line for people, an exit code for programs.

HarnessError           exit 2: wrong use, bad input, or impossible on this machine
└── MeasurementFailed  exit 1: the answer is no, because something measured failed

A command that asks something (is this machine ready? does it cross the gate?) returns 1 itself where the answer is no.
The codes after Ctrl-C and a closed pipe stand in ``harness/door.py``.
"""


class HarnessError(Exception):
    """Wrong use or bad input. The message says what was wrong, where, and what to do next, in one line."""

    exit_code = 2


class MeasurementFailed(HarnessError):
    """A measured run failed; its record was kept."""

    exit_code = 1
