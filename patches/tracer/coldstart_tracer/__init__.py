"""Span tracer for engine start-up: what runs in every Python process of an engine, on one machine-wide clock.

Loaded by ``coldstart_tracer.pth`` (or by the patched ``vllm/__init__.py`` where no site hook runs) when
``COLDSTART_TRACE_DIR`` is set, and otherwise never imported. It writes one file per process,
``$COLDSTART_TRACE_DIR/<role>-<pid>.jsonl`` (``-2`` for what replaced its program): a header line, then one line per
event. A span that begins is written at once with ``end_ns: null``; the line written when it ends repeats its
``begin_ns`` and supersedes the first one, so that a killed process leaves every finished span readable and every open
one visible.

Environment:
    COLDSTART_TRACE_DIR   existing folder for the span files
    COLDSTART_TRACE_ROLE  role of this process; children get the role that the hook around their creation names
    COLDSTART_TRACE_SELF  written by the tracer: pid and role of the process, for the program it may replace itself by
    COLDSTART_TRACE_SYNC  "1": spans marked ``sync`` wait for the accelerator before they end
    COLDSTART_TRACE_SERVING  folder for the rows of a serving engine and for the sockets that open windows

Standard library only; nothing here may raise into the engine. Measured cost: see benchmarks/.
"""

import time

LOADED_NS = time.monotonic_ns()

from coldstart_tracer import _process  # noqa: E402  the clock is read before anything else is imported

_process.start(LOADED_NS)
