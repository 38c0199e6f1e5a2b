"""A run's processes, its longest leaves and what they consist of, as tables for a terminal."""

from itertools import groupby
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from harness.analyse.partition import Partition
from harness.analyse.spans import Process
from harness.analyse.window import last_event_ns
from harness.record.plain import printable

LEAVES_SHOWN = 10
PARTS_SHOWN = 10  # of a phase
_ENDINGS = {"tracer disarmed": "ready", "tracer exit": "exit"}  # note of the tracer → what it says of the process


def process_facts(process: Process, exec_ns: int) -> dict[str, Any]:
    """One process in a few values; seconds since the run's exec. Without a last word of its tracer: ``last event``."""
    ended, at_ns = "last event", last_event_ns(process)
    for note in (span for span in process.spans if span.kind == "note"):
        if ended == "last event" and note.name in _ENDINGS:
            ended, at_ns = _ENDINGS[note.name], note.begin_ns
    return {
        "role": process.role,
        "pid": process.pid,
        "start_s": (process.exec_ns - exec_ns) / 1e9,
        "spans": sum(span.kind != "note" for span in process.spans),
        "ended": ended,
        "ended_s": (at_ns - exec_ns) / 1e9,
    }


def tables(heading: list[str], processes: list[dict[str, Any]], parts: Partition) -> Group:
    """What is printed when no file is asked for; ``processes`` as ``process_facts`` gives them."""
    by_process = _table("process", "pid", "start s", "spans", "ended s", "with")
    for facts in processes:
        numbers = (str(facts["pid"]), f"{facts['start_s']:.2f}", str(facts["spans"]), f"{facts['ended_s']:.2f}")
        by_process.add_row(_cell(facts["role"]), *numbers, facts["ended"])
    leaves = _table(f"leaf, {LEAVES_SHOWN} longest", "seconds", "%")
    for leaf, seconds in sorted(parts.phases.items(), key=lambda item: -item[1])[:LEAVES_SHOWN]:
        leaves.add_row(_cell(leaf), f"{seconds:.3f}", f"{100 * seconds / parts.ready_s:.1f}")
    told = [_parts(parts)] if parts.parts else []
    return Group(*(_cell(line, 1000) for line in heading), by_process, leaves, *told)


def _parts(parts: Partition) -> Table:
    """What phases consist of; of a phase the longest parts."""
    table = _table("phase: part", "seconds", "calls", "MB copied", "MB read")
    for _, found in groupby(parts.parts, key=lambda part: part.phase):
        for part in sorted(found, key=lambda part: -part.seconds)[:PARTS_SHOWN]:
            copied, read = ("" if size is None else f"{size / 1e6:.1f}" for size in (part.bytes, part.read_bytes))
            calls = "" if part.calls is None else str(part.calls)
            table.add_row(_cell(f"{part.phase}: {part.part}"), f"{part.seconds:.3f}", calls, copied, read)
    return table


def _table(name: str, *others: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(name, no_wrap=True)
    for other in others:
        table.add_column(other, justify="right", no_wrap=True)
    return table


def _cell(text: str, longest: int = 60) -> str:
    return escape(printable(text, longest))
