"""Why a start failed: which phase of which process was worked on, who ended without a word, and what the log says."""

import re
from pathlib import Path

from harness.analyse.partition import ENGINE_ROLES
from harness.analyse.refusal import WRAPPERS
from harness.analyse.spans import Process
from harness.engine.process_tree import Exit
from harness.engine.study_worker import last_words
from harness.record.bounded import UnreadableError
from harness.record.logtext import read_log
from harness.record.plain import printable

ENGINE_PROCESSES = ("main", "engine", "worker")  # each disarms when it is ready


def open_phase(processes: list[Process]) -> tuple[str | None, str | None]:
    """The leaf that was worked on when the start ended, and its process: the youngest process that knows.

    Open spans come first; an exception that ended a span may have been handled, so it counts only where none is open.
    """
    youngest_first = sorted(processes, key=lambda p: -p.exec_ns)
    newest_first = [(p, span) for p in youngest_first for span in sorted(p.spans, key=lambda s: -s.begin_ns)]
    still_open = [(p, span) for p, span in newest_first if span.end_ns is None]
    ended_by_exception = [(p, span) for p, span in newest_first if "raised" in span.attrs]
    for process, span in (*still_open, *ended_by_exception):
        if span.package is not None:
            return f"imports:{process.role}", process.role
        if span.attrs.get("phase") not in (None, "interpreter"):
            return str(span.attrs["phase"]), process.role
    return None, next((process.role for process, _ in still_open), None)


def died(processes: list[Process], exit: Exit) -> str | None:
    """The first process of the engine that ended without a word, as one does that the kernel kills; None if none did.

    An exception closes the spans that it passes through and an exit is noted, so their open spans betray the others.
    """
    for process in sorted(processes, key=lambda p: p.exec_ns):  # parents first: their end may have ended their children
        open_spans = [span for span in process.spans if span.end_ns is None]
        known = process.pid in exit.ended or process.pid == exit.pid
        if process.role in ENGINE_ROLES and open_spans and not known and not process.notes("tracer exit"):
            phase, _ = open_phase([process])
            return f"the {process.role} process ended abruptly (killed?){f' in {phase}' if phase else ''}"
    return None


# What processes put in front of each line: (EngineCore pid=7) ERROR 11-20 12:00:00 [core.py:1] …
_PREFIX = re.compile(r"^(?:\([^)]*\) )?(?:[A-Z]+ [^\[]*\[[^\]]*\] )?")
# Levels at which a traceback was only noted.
_HARMLESS = re.compile(r"(?:\([^)]*\) )?(?:DEBUG|INFO|WARNING) ")


def last_error(log: str) -> str | None:
    """The most telling line of a failed start: the last exception that is not just a report of a child's failure."""
    exceptions = []
    code = False  # whether the line before was a traceback's: some exceptions (MemoryError) have a name and no text
    for line in log.splitlines():
        if _HARMLESS.match(line):
            continue
        said = _PREFIX.sub("", line, count=1)
        head = said.strip()
        name = head.split(":")[0].split(".")[-1]
        if name.isidentifier() and name.endswith(("Error", "Exception", "Interrupt")) and (": " in head or code):
            exceptions.append(head[:500])
        code = said.startswith("  ")
    causes = [head for head in exceptions if not any(words in head for words in WRAPPERS)]
    return next(reversed(causes or exceptions), None)


def said_last(log: Path, characters: int) -> str:
    """Why a server or driver ended, by its log, which may be of any size: its last error, else its last line."""
    try:
        text = read_log(log).text
    except (OSError, UnreadableError) as error:
        return printable(f"its log cannot be read: {error}", characters)
    return printable(last_error(text) or last_words(text), characters)
