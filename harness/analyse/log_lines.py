"""What the lines of an engine's log state: durations, the times of milestones, first and last time, version.

Lines are found by a phrase (``str.rfind`` looks at a small part of the text) and only then matched. Text comes in
pieces of whole lines, so that a log of any size is read in bounded memory.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

# 0.5 s or 12 s. Bounded: what has more digits is no duration (and could be infinite).
_NUMBER = r"([0-9]{1,15}(?:\.[0-9]{1,20})?)"
START = "start_s"  # the driver's own line about the whole start, without a time stamp (figures 1 and 12)


class _Value(NamedTuple):
    """A line that states a duration: ``phrase`` is a cheap test that the line must pass before the pattern runs."""

    name: str
    phrase: str
    pattern: re.Pattern[str]


_VALUES = tuple(
    _Value(name, phrase, re.compile(pattern.replace("<s>", _NUMBER)))
    for name, phrase, pattern in (
        ("tokenizer_init", "Init Tokenizer took", r"Init Tokenizer took <s> seconds"),
        ("model_init", "Initializing Model took", r"Initializing Model took <s> seconds"),
        ("load_weights", "Loading weights took", r"Loading weights took <s> seconds"),
        ("model_loading", "Model loading took", r"Model loading took [\d.]+ Gi?B (?:memory )?and <s> seconds"),
        ("dynamo_transform_time", "Dynamo bytecode", r"Dynamo bytecode transform time: <s> s\b"),
        # The gaps are bounded so that no hostile line can make the search quadratic.
        ("graph_compile_general_shape", "Compiling a graph", r"Compiling a graph for .{0,200}? takes <s> s\b"),
        ("graph_compile_cached", "Directly load the comp", r"Directly load the compiled graph.{0,200}? took <s> s\b"),
        ("torch.compile", "torch.compile t", r"torch\.compile (?:takes|took) <s> s in total"),
        ("kv_cache_profiling", "Memory profiling takes", r"Memory profiling takes <s> seconds"),
        ("graph_capturing", "Graph capturing", r"Graph capturing finished in <s> secs"),
        (
            "init_engine",
            "init engine (",
            r"init engine \(profile, create kv cache, warmup model\) took <s> s(?:econds)?\b",
        ),
        (START, "initialize_engine took", r"initialize_engine took <s> seconds"),
    )
)

# interval → phrases of the lines where it begins and ends
INTERVALS = {
    "detect_platform": ("No plugins for group", "detected platform"),
    "llm_imports": ("detected platform", "Available plugins for group"),
    "get_model_info": ("Available plugins for group", "Chunked prefill is"),
    "worker_init": ("Waiting for init message", "Starting to load model"),
}
_MILESTONES = tuple(dict.fromkeys(phrase for pair in INTERVALS.values() for phrase in pair))

_BANNER = re.compile(r"LLM engine \(v([0-9][0-9A-Za-z.+]{0,40})\)")
# After a word boundary, or after a colour: vLLM 0.32 can write its stamps in grey.
_STAMP = re.compile(r"(?:\b|(?<=[0-9;\[]m))([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{3}))?")
# The part of a stamp that begins with a fixed character: the search for it is many times as fast.
_CLOCK = re.compile(r"-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
# Stamps carry no year: any leap year will do, so that 02-29 exists (``Reading.leap_day``: whether the log shows it).
LEAP_YEAR = 2000
_PIECE = 1 << 18  # characters: short pieces are joined to about this much before they are searched


@dataclass
class Reading:
    """What a log states, seconds. If a line occurs more than once, the last one counts."""

    values: dict[str, float] = field(default_factory=dict)
    milestones: dict[str, datetime] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    version: str | None = None  # of vLLM, from its banner (0.3.1 and older do not say)
    leap_day: bool = False  # a stamp may say 02-29
    # Quantities whose line stands there, but without the number that the paper's pattern looks for.
    unnumbered: set[str] = field(default_factory=set)


def read_lines(log: str | Iterable[str]) -> Reading:
    """Read a log: its whole text, or pieces of whole lines (a single line is one)."""
    found = Reading()
    for text in _pieces(log):
        _durations(text, found)
        for phrase in _MILESTONES:
            if at := _last_time(text, phrase):
                found.milestones[phrase] = at
        if banner := _last(text, "LLM engine (v", _BANNER)[1]:
            found.version = banner[1]
        found.leap_day = found.leap_day or "02-29 " in text
        # Only up to the first and the last line with a stamp; a piece without any is looked through once.
        if found.first is None:
            found.first = _first_stamp(text)
        if found.first:
            found.last = _last_stamp(text) or found.last
    return found


def _durations(text: str, found: Reading) -> None:
    for name, phrase, pattern in _VALUES:
        seen, match = _last(text, phrase, pattern)
        if match:
            found.values[name] = float(match[1])
            found.unnumbered.discard(name)
            # The paper's pattern knows GiB only; vLLM 0.8 wrote GB.
            if name == "model_loading" and " GB " in match[0]:
                found.unnumbered.add(name)
        elif seen and name not in found.values:
            found.unnumbered.add(name)


def _last(text: str, phrase: str, pattern: re.Pattern[str]) -> tuple[bool, re.Match[str] | None]:
    """Whether any line has the phrase, and the match in the last line that has both."""
    end, seen = len(text), False
    while (at := text.rfind(phrase, 0, end)) >= 0:
        seen = True
        begin, stop = text.rfind("\n", 0, at) + 1, text.find("\n", at)
        if match := pattern.search(text, begin, stop if stop >= 0 else len(text)):
            return True, match
        end = begin  # a line is looked at once, however often it holds the phrase
    return seen, None


def _last_time(text: str, phrase: str) -> datetime | None:
    """The time of the last line that has the phrase and a possible time."""
    end = len(text)
    while (at := text.rfind(phrase, 0, end)) >= 0:
        begin, stop = text.rfind("\n", 0, at) + 1, text.find("\n", at)
        if time := _time(_STAMP.search(text, begin, stop if stop >= 0 else len(text))):
            return time
        end = begin
    return None


def _first_stamp(text: str) -> datetime | None:
    """The time of the first line that has a possible one."""
    return next(_times(text, 0, len(text)), None)


def _last_stamp(text: str) -> datetime | None:
    """The time of the last such line."""
    end, window = len(text), 256  # characters: most texts end with a line that has one
    while end > 0:
        begin = text.rfind("\n", 0, max(end - window, 0)) + 1
        if times := list(_times(text, begin, end)):
            return times[-1]
        end, window = begin, window * 8
    return None


def _times(text: str, begin: int, end: int) -> Iterator[datetime]:
    """The time of every line from ``begin`` on that has one: its first stamp, if that is possible."""
    while clock := _CLOCK.search(text, begin, end):
        stamp = _STAMP.match(text, max(clock.start() - 2, 0), end)
        if stamp is None:
            begin = clock.start() + 1
            continue
        if time := _time(stamp):
            yield time
        begin = text.find("\n", clock.end(), end) + 1
        if not begin:
            return


def _time(match: re.Match[str] | None) -> datetime | None:
    """The time of a stamp; None where there is none or no possible one."""
    if match is None:
        return None
    month, day, hour, minute, second, ms = (int(part or 0) for part in match.groups())
    try:
        return datetime(LEAP_YEAR, month, day, hour, minute, second, ms * 1000)
    except ValueError:
        return None


def _pieces(log: str | Iterable[str]) -> Iterator[str]:
    if isinstance(log, str):
        yield log
        return
    lines: list[str] = []
    size = 0
    for line in log:
        lines.append(line)
        size += len(line)
        if size >= _PIECE:
            yield "\n".join(lines)
            lines, size = [], 0
    yield "\n".join(lines)
