"""Why an engine refused, or died: the cause in its log, not the last wrapper around it.

Of several processes, a worker's exception comes before the engine core's and that before the front end's, and the first
one of a process before those that followed from it. What was only noted (a warning with a traceback) is none.
"""

import re

# (Worker_PP1 pid=7) ERROR 11-20 12:00:00 [multiproc_executor.py:1063] AssertionError
_LINE = re.compile(
    r"^(?:\((?P<process>\w+)[^)]*\) )?(?:(?P<level>[A-Z]+) [^\[]*\[[^\]]*\] ?)?(?:\[rank\d+\]: )?(?P<said>.*)$"
)
_NAME = re.compile(r"^(?:\w+\.)*(?P<name>[A-Z]\w*(?:Error|Exception))(?:: (?P<text>.*))?$")
WRAPPERS = (  # they point to the cause, and are not it
    "Engine core initialization failed",
    "WorkerProc initialization failed",
    "EngineCore encountered an issue",
    "Executor failed",
)
_RANKS = ("Worker", "EngineCore")  # of processes, deepest first
_LONGEST = 300


def refusal_reason(log: str) -> str | None:
    """``AssertionError: Synthetic acceptance not supported``; None: the log has no exception."""
    found: list[tuple[int, str]] = []
    lines = [_LINE.match(line) for line in log.splitlines()]
    said = ["" if line is None else line["said"] for line in lines]
    for at, line in enumerate(lines):
        named = _NAME.match(said[at].strip()) if line and not said[at].startswith("  ") else None
        if line is None or named is None or line["level"] not in (None, "ERROR", "CRITICAL"):
            continue
        text = _text(named["name"], named["text"] or "", said, at)
        if not any(words in text for words in WRAPPERS):
            process = line["process"] or ""
            rank = next((n for n, name in enumerate(_RANKS) if process.startswith(name)), len(_RANKS))
            found.append((rank, text))
    return min(found, key=lambda each: each[0])[1][:_LONGEST] if found else None


def _text(name: str, text: str, said: list[str], at: int) -> str:
    if name == "ValidationError" and at + 1 < len(said):  # pydantic's own words are on the next line
        return re.sub(r" \[type=.*$", "", said[at + 1].strip()).removeprefix("Value error, ")
    if not text:  # a bare assertion: what was asserted
        before = (line.strip() for line in reversed(said[max(0, at - 4) : at]))
        text = next((line for line in before if line.strip("^~ ")), "")
    return f"{name}: {text}" if text else name
