"""The paper's log-derived quantities of one start, from the text of its log.

The paper reads a start's phases from vLLM's log lines (vLLM 0.10.1.1, two lines added by a patch, level DEBUG). This
module derives the same 18 quantities, in the same order of floating-point operations, so that values recorded by the
paper's authors are reproduced exactly; it also reads the wordings of vLLM 0.3 to 0.32. All values are seconds.

The log's view is not the partition of ``phases.py``: it begins at the first line (after Python and torch were
imported), its intervals overlap and leave gaps. A quantity that the log does not hold is None, never 0.
"""

import operator
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import reduce

from harness.analyse.log_lines import INTERVALS, LEAP_YEAR, START, Reading, read_lines

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
TOTAL_PARTS = ("framework_bootstrap", "model_loading", "init_engine", "tokenizer_init")


def parse_log(log: str | Iterable[str]) -> dict[str, float | None]:
    """The quantities of one start in seconds, keys as ``QUANTITIES``; None = this log does not say.

    ``log`` is the whole text, or pieces of whole lines.
    """
    return quantities(read_lines(log))


def quantities(reading: Reading, backwards: bool = False) -> dict[str, float | None]:
    """All quantities from what the lines state. The order of the additions is the paper's (floats do not associate).

    ``backwards``: keep an interval whose lines come in the other order, as a number below 0.
    """
    values = {name: value for name, value in reading.values.items() if name != START}
    out: dict[str, float | None] = dict.fromkeys(QUANTITIES)
    out.update(values)
    for name, (begin, end) in INTERVALS.items():
        out[name] = _elapsed(reading, reading.milestones.get(begin), reading.milestones.get(end), backwards)
    if any(out[name] is not None for name in INTERVALS):
        out["framework_bootstrap"] = add(out[name] for name in INTERVALS)
    if "load_weights" not in values and "model_loading" in values and "model_init" in values:
        out["load_weights"] = values["model_loading"] - values["model_init"]
    if "kv_cache_profiling" in values:
        compile_s = values.get("torch.compile", 0) + values.get("graph_compile_cached", 0)
        out["kv_cache_profiling"] = values["kv_cache_profiling"] - compile_s
    if all(out[name] is not None for name in TOTAL_PARTS):  # a sum that lacks a part would pass for a short start
        out["total_time"] = add(out[name] for name in TOTAL_PARTS)
    out["actual_total_time"] = _elapsed(reading, reading.first, reading.last)
    return out


def quantities_as_paper(reading: Reading) -> dict[str, float | None]:
    """As the paper's own parser has them where its rules mislead (vLLM 0.8): only to hold recorded values against.

    A line that stands there without the number it looks for counts as 0, an interval may be below 0, and sums are
    made of what there is.
    """
    with_zeros = reading.values | dict.fromkeys(reading.unnumbered, 0.0)
    out = quantities(replace(reading, values=with_zeros), backwards=True)
    if any(out[name] is not None for name in TOTAL_PARTS):  # else the log is not of a start
        out["framework_bootstrap"] = add(out[name] for name in INTERVALS)
        out["total_time"] = add(out[name] for name in TOTAL_PARTS)
    return out


def add(parts: Iterable[float | None]) -> float:
    """Left to right, absent = 0. Not ``sum``: from Python 3.12 on it compensates rounding, which changes last bits."""
    return reduce(operator.add, (0.0 if part is None else part for part in parts), 0.0)


def _elapsed(reading: Reading, begin: datetime | None, end: datetime | None, backwards: bool = False) -> float | None:
    """Seconds from ``begin`` to ``end``; None if either is absent or (unless ``backwards``) they come the other way.

    (vLLM 0.32 announces chunked prefill before it lists plugins: the paper's interval does not exist there.)
    """
    if begin is None or end is None:
        return None
    if not reading.leap_day:  # from 02-28 to 03-01 it is one day
        begin, end = begin.replace(year=LEAP_YEAR + 1), end.replace(year=LEAP_YEAR + 1)
    year = timedelta(days=366 if reading.leap_day else 365)
    if begin - end > year / 2:  # the start passed New Year; stamps have no year
        end += year
    elif end - begin > year / 2:  # so it did, and these lines come in the other order
        begin += year
    seconds = (end - begin).total_seconds()
    return seconds if seconds >= 0 or backwards else None
