"""A checker of the trace-event format, for what the harness writes.

"Trace Event Format" (docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU): required keys of each
kind of event and their types. ui.perfetto.dev is stricter than that: an event must nest in the one around it, and
times before the trace's begin are dropped.
"""

from collections import defaultdict
from typing import Any

METADATA = {
    "process_name": ("name", str),
    "thread_name": ("name", str),
    "process_sort_index": ("sort_index", int),
    "thread_sort_index": ("sort_index", int),
}
KEYS = {
    "X": {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"},
    "i": {"name", "cat", "ph", "ts", "s", "pid", "tid", "args"},
    "C": {"name", "ph", "ts", "pid", "tid", "args"},
    "M": {"name", "ph", "pid", "tid", "args"},
}
TIMED = ("X", "i")

Event = dict[str, Any]


def check(document: Any) -> list[Event]:
    """Every event of a valid document; fails on one that is not."""
    assert set(document) == {"traceEvents", "displayTimeUnit", "otherData"}
    assert document["displayTimeUnit"] in ("ms", "ns")
    assert all(isinstance(value, str) for value in document["otherData"].values())
    events: list[Event] = document["traceEvents"]
    for event in events:
        _check_event(event)
    _check_names(events)
    rows: defaultdict[tuple[int, int], list[Event]] = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            rows[event["pid"], event["tid"]].append(event)
    for row in rows.values():
        _check_nesting(row)
    return events


def _check_event(event: Event) -> None:
    assert event["ph"] in KEYS, event
    assert set(event) == KEYS[event["ph"]], event
    assert isinstance(event["name"], str), event
    assert isinstance(event["args"], dict), event
    for number in (event["pid"], event["tid"], *(event.get(key, 0) for key in ("ts", "dur"))):
        assert isinstance(number, int), event
        assert not isinstance(number, bool), event
        assert number >= 0, event
    if event["ph"] in TIMED:
        assert isinstance(event["cat"], str), event
        assert event["cat"], event
    if event["ph"] == "i":
        assert event["s"] in ("g", "p", "t"), event
    if event["ph"] == "C":
        assert event["args"], event
        assert all(isinstance(value, float) for value in event["args"].values()), event
    if event["ph"] == "M":
        key, kind = METADATA[event["name"]]
        assert list(event["args"]) == [key], event
        assert isinstance(event["args"][key], kind), event


def _check_names(events: list[Event]) -> None:
    """Every process and every thread with an event has one name and one place."""
    for what, key in (("process", lambda e: e["pid"]), ("thread", lambda e: (e["pid"], e["tid"]))):
        for suffix in ("name", "sort_index"):
            named = [key(e) for e in events if e["name"] == f"{what}_{suffix}" and e["ph"] == "M"]
            assert len(named) == len(set(named)), f"{what}_{suffix} twice"
            assert {key(e) for e in events if e["ph"] in TIMED} <= set(named), f"{what} without {suffix}"


def _check_nesting(row: list[Event]) -> None:
    open_ends: list[int] = []
    for event in sorted(row, key=lambda e: (e["ts"], -e["dur"])):
        while open_ends and open_ends[-1] <= event["ts"]:
            open_ends.pop()
        assert not open_ends or event["ts"] + event["dur"] <= open_ends[-1], f"runs past the one around it: {event}"
        open_ends.append(event["ts"] + event["dur"])
