"""Runs of the anatomy study as they would be stored, of the server in anatomy_simulation.py: what is true is known.

Every traced call costs ``EVENT_NS`` of CPU, ``INSIDE_NS`` of it in its own span.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.record.anatomy_run import CLIENT_FILE, AnatomyFacts, AnatomyRun, Level, read_anatomy_run
from harness.record.load_output import ClientRecord, ClientSummary
from tests.anatomy_simulation import PIDS, US, Call, Truth, Wanted, simulate

EVENT_NS, INSIDE_NS = 2_000, 1_200
EPOCH_NS = 1_800_000_000 * 10**9

MAIN, OTHER = 1, 2  # threads of each process: added to its pid

HOOKS: dict[str, dict[str, tuple[str, bool]]] = {  # role → stage → kind, detail
    "api": {"http": ("work", False), "tokenise": ("work", False), "input": ("work", False),
            "to_engine": ("work", True), "from_engine": ("work", True), "detokenise": ("work", False),
            "stream_out": ("work", True)},
    "engine": {"engine_input": ("work", False), "engine_loop": ("container", False), "schedule": ("work", False),
               "rpc": ("work", False), "engine_wait": ("wait", False), "update": ("work", False),
               "idle": ("wait", False), "engine_output": ("work", False)},
    "worker": {"worker_wait": ("wait", False), "worker_loop": ("container", False), "prepare": ("work", False),
               "forward": ("work", False), "logits": ("work", False), "sample": ("work", False),
               "reply": ("work", False)},
}  # fmt: skip


def write_run(folder: Path, wanted: Wanted) -> dict[str, Truth]:
    """Store such a run in a new folder; returns what each level's analysis has to find, by its id."""
    folder.mkdir(parents=True)
    truths, levels, clients = {}, [], list[ClientRecord]()
    processes: dict[str, list[list[Any]]] = {role: [] for role in PIDS}
    begin = 10**12 + wanted.repeat * 10**10
    for concurrency in wanted.concurrencies if not wanted.failed else ():
        name = f"c{concurrency}"
        calls, truth, end = simulate(wanted, name, concurrency, begin)
        records = _records(truth, wanted, begin, name)
        window = (begin - 5_000 * US, end + 5_000 * US)
        for role, own in calls.items():
            processes[role].append([name, window, own])
        for role in PIDS:
            processes[role][-1].append(truth)
        truths[name] = truth
        clients += records
        levels.append(Level(name, concurrency, begin, end, EPOCH_NS, _summary(records, begin, end)))
        begin = end + 10**9
    facts = AnatomyFacts(
        case=wanted.case, run=wanted.repeat, status="failed" if wanted.failed else "ok",
        failed_in="load" if wanted.failed else None,
        reason="the engine core ended with exit code 137" if wanted.failed else None,
        started_at="2026-11-29T12:00:00+00:00", parameters={"tokens": wanted.tokens},
        engine={"pin": "vllm-0.32.0-cpu", "version": "0.32.0", "lock_sha256": "ab" * 32, "patches_sha256": "cd" * 32},
        model={"name": "qwen2.5-0.5b-instruct", "twin": wanted.twin, "files_sha256": "ef" * 32},
        node={"id": "node-0123456789ab", "cpu_model": "CPU", "cpus": [0, 1], "memory_bytes": 8 << 30, "gpus": []},
        harness={"version": "0.8.0", "commit": None, "dirty": False}, ready_s=20.0, device=wanted.device,
        levels=levels, environment={"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    facts.write(folder)
    (folder / CLIENT_FILE).write_text("".join(json.dumps(asdict(record)) + "\n" for record in clients))
    for role, windows in processes.items():
        for number in range(wanted.workers if role == "worker" else 1):
            pid = PIDS[role] + 10 * number
            lines = _trace(role, pid, windows, wanted)
            text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
            (folder / f"serving-{role}-{pid}.jsonl").write_text(text)
    return truths


def make_run(folder: Path, wanted: Wanted | None = None) -> tuple[AnatomyRun, dict[str, Truth]]:
    """The run as it reads back, and what is true of each level."""
    truths = write_run(folder, wanted or Wanted())
    return read_anatomy_run(folder), truths


def _records(truth: Truth, wanted: Wanted, begin: int, level: str) -> list[ClientRecord]:
    found = []
    for number, (request, known) in enumerate(truth.requests.items()):
        sent, first, last = known["sent"], known["client"], truth.last[request]
        gaps = [(last - first) * 1e-9 / (wanted.tokens - 1)] * (wanted.tokens - 1) if wanted.tokens > 1 else []
        found.append(
            ClientRecord(
                number, request, number, 0, "ok", 200, None, 0.0, (sent - begin) * 1e-9, (last - begin) * 1e-9,
                (sent + EPOCH_NS) * 1e-9, 8, wanted.tokens, None, (first - sent) * 1e-9, (last - sent) * 1e-9, gaps,
                level,
            )
        )  # fmt: skip
    return found


def _summary(records: Sequence[ClientRecord], begin: int, end: int) -> dict[str, Any]:
    count = len(records)
    wall_s = (end - begin) * 1e-9
    return ClientSummary(
        (begin + EPOCH_NS) * 1e-9, wall_s, 0.1 * wall_s, None, count, count, count, 0, 0, {"max_concurrency": 1}
    ).document()


def _trace(role: str, pid: int, windows: Sequence[Sequence[Any]], wanted: Wanted) -> Iterator[dict[str, Any]]:
    hooks = list(HOOKS[role])
    yield {"schema": 1, "clock": "CLOCK_MONOTONIC", "pid": pid, "role": role, "main_tid": pid + MAIN,
           "event_ns": EVENT_NS, "inside_ns": INSIDE_NS, "pass_ns": 0,
           "hooks": [{"name": f"do_{stage}", "module": f"vllm.{role}", "stage": stage, "kind": kind, "detail": detail}
                     for stage, (kind, detail) in HOOKS[role].items()]}  # fmt: skip
    for name, (begin, end), calls, truth in windows:
        detail = _detail(begin, end, wanted.sampled) if role == "api" else []
        rows: list[list[Any]] = []
        for call in calls:
            _rows(rows, call, pid, hooks, -1, detail, HOOKS[role])
        rows.sort(key=lambda row: row[3])
        if pid == PIDS[role]:
            for call in calls:
                _count(truth.cpu[role], call)
        if role == "worker" and wanted.cut_wait:
            first = next(row for row in rows if hooks[row[0]] == "worker_wait")
            first[5] = first[6] = None
        extra = _extra(truth, role)
        cpu = _cpu_within(calls, [(begin, end)], extra) if pid == PIDS[role] else _cpu_within(calls, [(begin, end)], {})
        for at in range(0, len(rows), 2000):
            yield {"window": name, "spans": rows[at : at + 2000]}
        main = sum(row[1] == pid + MAIN for row in rows)
        yield {
            "window": name, "begin_ns": begin, "end_ns": end, "process_cpu_ns": sum(cpu) + len(rows) * EVENT_NS,
            "main_cpu_ns": cpu[0] + main * EVENT_NS, "events": len(rows), "told_ns": 0,
            "threads": [{"tid": pid + MAIN, "name": "main", "cpu_ns": cpu[0] + main * EVENT_NS, "wait_ns": 1000}],
            "detail": [_one_detail(calls, rows, each, extra, pid, (begin, end)) for each in detail],
        }  # fmt: skip


def _extra(truth: Truth, role: str) -> dict[str, float]:
    """CPU that no hook sees, ns."""
    seen = {"api": {"event_loop": truth.cpu["api"]["event_loop"], "api_threads": 40_000.0},
            "engine": {"engine_uncovered": 0.0, "engine_threads": 60_000.0},
            "worker": {"worker_uncovered": 50_000.0, "worker_threads": 700_000.0}}[role]  # fmt: skip
    truth.cpu[role].update(seen)
    return seen


def _cpu_within(
    calls: Sequence[Call], inside: Sequence[tuple[int, int]], extra: Mapping[str, float]
) -> tuple[int, int]:
    """True CPU of the main thread and of the others, with what no hook sees."""
    found = {False: 0.0, True: 0.0}

    def add(call: Call) -> None:
        found[call.other] += call.own_cpu * _overlap(call.begin, call.end, inside)
        for each in call.inner:
            add(each)

    for call in calls:
        add(call)
    for stage, ns in extra.items():
        found[stage.endswith("_threads")] += ns
    return round(found[False]), round(found[True])


def _overlap(begin: int, end: int, inside: Sequence[tuple[int, int]]) -> float:
    shared = sum(max(0, min(end, b) - max(begin, a)) for a, b in inside)
    return shared / (end - begin) if end > begin else 0.0


def _count(stages: defaultdict[str, float], call: Call) -> None:
    stages[call.stage] += call.own_cpu
    for each in call.inner:
        _count(stages, each)


def _rows(
    rows: list[list[Any]],
    call: Call,
    pid: int,
    hooks: Sequence[str],
    parent: int,
    detail: Sequence[tuple[int, int]],
    kinds: Mapping[str, tuple[str, bool]],
) -> tuple[int, int]:
    """Append the call's rows, inner ones first; returns how many of it are seen and its CPU as traced."""
    hook = hooks.index(call.stage)
    is_seen = not kinds[call.stage][1] or any(a <= call.begin < b for a, b in detail)
    inner = [_rows(rows, each, pid, hooks, hook if is_seen else parent, detail, kinds) for each in call.inner]
    if not is_seen:
        return sum(count for count, _ in inner), call.own_cpu + sum(cpu for _, cpu in inner)
    direct = sum(count for count, _ in inner)
    cpu_self = call.own_cpu + INSIDE_NS + direct * (EVENT_NS - INSIDE_NS)
    hidden = sum(cpu for count, cpu in inner if not count)
    walls = sum(each.end - each.begin for each, (count, _) in zip(call.inner, inner, strict=True) if count)
    cpu = cpu_self + sum(cpu for _, cpu in inner)
    tid = pid + (OTHER if call.other else MAIN)
    row = [hook, tid, call.begin, call.end, call.end - call.begin - walls, cpu, cpu_self + hidden, parent, call.told]
    rows.append(row)
    return 1, cpu


def _detail(begin: int, end: int, sampled: bool) -> list[tuple[int, int]]:
    if not sampled:
        return [(begin, end)]
    return [(at, min(at + 20_000 * US, end)) for at in range(begin, end, 100_000 * US)]


def _one_detail(
    calls: Sequence[Call],
    rows: Sequence[Sequence[Any]],
    each: tuple[int, int],
    extra: Mapping[str, float],
    pid: int,
    window: tuple[int, int],
) -> dict[str, int]:
    share = (each[1] - each[0]) / (window[1] - window[0])
    own = _cpu_within(calls, [each], {stage: ns * share for stage, ns in extra.items()})
    inside = [_overlap(row[2], row[3], [each]) for row in rows]
    main = sum(weight for weight, row in zip(inside, rows, strict=True) if row[1] == pid + MAIN)
    return {
        "begin_ns": each[0], "end_ns": each[1], "main_cpu_ns": round(own[0] + main * EVENT_NS),
        "process_cpu_ns": round(sum(own) + sum(inside) * EVENT_NS), "events": round(sum(inside)), "told_ns": 0,
    }  # fmt: skip
