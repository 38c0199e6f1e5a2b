"""Span files as the tracer writes them, from a few words; and random process trees (hypothesis)."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from harness.analyse.phases import LEAVES

Line = dict[str, Any]

HELPERS = ("child", "resource_tracker")
ROLES = ("engine", "worker", "worker", "inspect", *HELPERS)
UNTRACED_PID = 999


def span(name: str, begin: int, end: int | None, kind: str = "work", tid: int | None = None, **attrs: Any) -> Line:
    """A span of the main thread (or of ``tid``); ``end`` None = open."""
    return {"name": name, "begin_ns": begin, "end_ns": end, "tid": tid, "kind": kind, "attrs": attrs}


def importing(name: str, begin: int, end: int | None) -> Line:
    """An import span."""
    return span(f"import {name}", begin, end, package=name.partition(".")[0])


def write_process(
    folder: Path, pid: int, role: str, exec_ns: int, traced_ns: int, spans: list[Line], parent: int = 1, tail: str = ""
) -> Path:
    """Write one process's file: header, then for each span its begin line and, unless open, the line that ends it."""
    header = {"schema": 1, "clock": "CLOCK_MONOTONIC", "pid": pid, "parent_pid": parent, "role": role}
    lines: list[tuple[int, Line]] = [(-1, {**header, "start": "exec", "exec_ns": exec_ns, "traced_ns": traced_ns})]
    for raw in spans:
        line = {**raw, "pid": pid, "role": role, "tid": raw["tid"] or pid}
        announced = {**line, "end_ns": None, "attrs": {k: v for k, v in line["attrs"].items() if k != "waits_for"}}
        lines.append((line["begin_ns"], announced))
        if line["end_ns"] is not None:
            lines.append((line["end_ns"], line))
    lines.sort(key=lambda item: item[0])
    path = folder / f"{role}-{pid}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for _, line in lines) + tail, encoding="utf-8")
    return path


@st.composite
def nested(draw: st.DrawFn, begin: int, end: int, pids: list[int], depth: int = 0) -> list[Line]:
    """Properly nested spans in [begin, end): no two with the same begin and end, the last one perhaps open."""
    spans: list[Line] = []
    cursor = begin
    while cursor + 1 < end and draw(st.integers(0, 3 + depth)) >= depth + (cursor > begin):
        first = draw(st.integers(cursor, min(cursor + 20, end - 2)))
        last = draw(st.sampled_from((end - 1, (first + end) // 2)) | st.integers(first + 1, end - 1))
        kind = draw(st.sampled_from(("wait", "work", "container", "wait", "work", "import")))
        name = f"{kind}{draw(st.integers(0, 1))}"
        phase = {"phase": draw(st.sampled_from(sorted(LEAVES)))} if draw(st.booleans()) else {}
        if kind == "import":
            spans.append(importing(f"{name}.sub", first, last))
        elif kind == "wait":
            waits_for = draw(st.lists(st.sampled_from([*pids, UNTRACED_PID]), min_size=1, max_size=3))
            spans.append(span(name, first, last, "wait", waits_for=waits_for, **phase))
        else:
            spans.append(span(name, first, last, kind, **(phase if kind == "work" else {})))
        spans += draw(nested(first, last, pids, depth + 1))
        cursor = last
    if spans and draw(st.integers(0, 9)) == 0:
        last_top = max((s for s in spans if s["end_ns"] is not None), key=lambda s: s["begin_ns"], default=None)
        if last_top is not None:
            last_top["end_ns"] = None
    return spans


@st.composite
def process_trees(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Arguments of ``write_process`` for a main process (first) and up to four others, within 400 ns."""
    exec_ns = 1_000_000
    end = exec_ns + draw(st.sampled_from((400, 200)) | st.integers(50, 400))
    pids = [100 + n for n in range(draw(st.sampled_from((4, 3, 2, 5, 1))))]
    tree = []
    for pid in pids:
        role = "main" if pid == 100 else draw(st.sampled_from(ROLES))
        began = exec_ns if pid == 100 else draw(st.integers(exec_ns - 10, exec_ns + 60))
        traced = began + draw(st.integers(0, 30))
        spans = draw(nested(traced, end + 20, pids)) if traced + 2 < end + 20 else []
        if draw(st.booleans()):  # another thread: never on the path
            spans += [{**s, "tid": pid + 10_000} for s in draw(nested(traced, end + 22, pids))]
        spans.append(span("hook error", traced, traced, "note"))
        tree.append({"pid": pid, "role": role, "exec_ns": began, "traced_ns": traced, "spans": spans})
    return tree
