"""The paper's log-derived quantities of one start, from the text of its log.

The paper reads a start's phases from vLLM's log lines (vLLM 0.10.1.1, two lines added by a patch, level DEBUG). This
module derives the same 18 quantities, in the same order of floating-point operations, so that values recorded by the
paper's authors are reproduced exactly; it also reads the wordings of vLLM 0.32. All values are seconds.

The log's view is not the partition of ``phases.py``: it begins at the first line (after Python and torch were
imported), its intervals overlap and leave gaps. A quantity that the log does not hold is None, never 0.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

# Order of the keys in the paper's result files.
QUANTITIES = (
    "detect_platform",
    "llm_imports",
    "get_model_info",
    "worker_init",
    "framework_bootstrap",
    "load_weights",
    "model_init",
    "model_loading",
    "dynamo_transform_time",
    "graph_compile_general_shape",
    "graph_compile_cached",
    "torch.compile",
    "kv_cache_profiling",
    "graph_capturing",
    "init_engine",
    "tokenizer_init",
    "total_time",
    "actual_total_time",
)

_NUMBER = r"(\d+(?:\.\d+)?)"


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
        ("model_loading", "Model loading took", r"Model loading took [\d.]+ GiB (?:memory )?and <s> seconds"),
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
    )
)

# interval → phrases of the lines where it begins and ends
_INTERVALS = {
    "detect_platform": ("No plugins for group", "detected platform"),
    "llm_imports": ("detected platform", "Available plugins for group"),
    "get_model_info": ("Available plugins for group", "Chunked prefill is"),
    "worker_init": ("Waiting for init message", "Starting to load model"),
}
_MILESTONES = tuple(dict.fromkeys(phrase for pair in _INTERVALS.values() for phrase in pair))

_STAMP = re.compile(r"\b(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{3}))?")
# Stamps carry no year: any leap year will do, so that 02-29 exists.
_YEAR = 2000
_BLOCK_LINES = 4096


def parse_log(log: str | Iterable[str]) -> dict[str, float | None]:
    """The quantities of one start in seconds, keys as ``QUANTITIES``; None = this log does not say.

    ``log`` is the whole text or its lines. If a line occurs more than once, the last one counts.
    """
    values: dict[str, float] = {}
    milestones: dict[str, datetime] = {}
    first: datetime | None = None
    last: datetime | None = None
    for block in _blocks(log):
        for line in block:
            if " took " in line or " takes " in line or " finished in " in line or " time: " in line:
                for name, phrase, pattern in _VALUES:
                    if phrase in line and (match := pattern.search(line)):
                        values[name] = float(match.group(1))
            for phrase in _MILESTONES:
                if phrase in line and (at := _stamp(line)):
                    milestones[phrase] = at
        # Looking for a stamp costs more than all phrases together: only up to the first and the last line with one.
        first = first or next(filter(None, map(_stamp, block)), None)
        last = next(filter(None, map(_stamp, reversed(block))), last)
    return _derive(values, milestones, _elapsed(first, last))


def _derive(
    values: dict[str, float], milestones: dict[str, datetime], actual_total: float | None
) -> dict[str, float | None]:
    """All quantities from what the lines state. The order of the additions is the paper's (floats do not associate)."""
    out: dict[str, float | None] = dict.fromkeys(QUANTITIES)
    out.update(values)
    steps = [_elapsed(milestones.get(begin), milestones.get(end)) for begin, end in _INTERVALS.values()]
    out.update(zip(_INTERVALS, steps, strict=True))
    if any(step is not None for step in steps):
        out["framework_bootstrap"] = sum(step or 0 for step in steps)
    if "load_weights" not in values and "model_loading" in values and "model_init" in values:
        out["load_weights"] = values["model_loading"] - values["model_init"]
    if "kv_cache_profiling" in values:
        compile_s = values.get("torch.compile", 0) + values.get("graph_compile_cached", 0)
        out["kv_cache_profiling"] = values["kv_cache_profiling"] - compile_s
    parts = [out[name] for name in ("framework_bootstrap", "model_loading", "init_engine", "tokenizer_init")]
    present = [part for part in parts if part is not None]
    if len(present) == len(parts):  # a sum that lacks a part would pass for a short start
        out["total_time"] = sum(present)
    out["actual_total_time"] = actual_total
    return out


def _blocks(log: str | Iterable[str]) -> Iterator[list[str]]:
    lines = iter(log.split("\n") if isinstance(log, str) else log)
    while block := list(islice(lines, _BLOCK_LINES)):
        yield block


def _stamp(line: str) -> datetime | None:
    """The time a log line carries; None if it carries none (or no possible one)."""
    match = _STAMP.search(line)
    if match is None:
        return None
    month, day, hour, minute, second, ms = (int(part or 0) for part in match.groups())
    try:
        return datetime(_YEAR, month, day, hour, minute, second, ms * 1000)
    except ValueError:
        return None


def _elapsed(begin: datetime | None, end: datetime | None) -> float | None:
    """Seconds from ``begin`` to ``end``; None if either is absent or the engine logged them in the other order.

    (vLLM 0.32 announces chunked prefill before it lists plugins: the paper's interval does not exist there.)
    """
    if begin is None or end is None:
        return None
    if begin - end > timedelta(days=180):  # the start passed New Year; stamps have no year
        end += timedelta(days=366)
    seconds = (end - begin).total_seconds()
    return seconds if seconds >= 0 else None
