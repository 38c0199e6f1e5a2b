"""Stored runs of the anatomy study → the rows of the slot's tables (``harness/record/anatomy_tables.py``).

Metrics of levels.csv beside the client's (``load_metrics.py``): ``client_cpu_share``; ``steps``, engine steps that
scheduled something, with ``tokens_per_step`` and ``requests_per_step``, and ``prefill_tokens`` of all of them;
``followed`` and ``not_followed`` requests, and ``clipped`` instants (``anatomy_requests.py``).
"""

from collections.abc import Iterator, Mapping, Sequence

from harness.analyse.anatomy_claim import claim_rows
from harness.analyse.anatomy_cpu import cpu_split
from harness.analyse.anatomy_findings import finding_rows
from harness.analyse.anatomy_level import Busy, LevelView, level_views
from harness.analyse.anatomy_processes import process_metrics
from harness.analyse.anatomy_requests import Followed, followed_requests
from harness.analyse.anatomy_timeline import timeline_rows
from harness.analyse.intervals import length
from harness.analyse.load_metrics import client_metrics
from harness.analyse.stages import SCHEDULE
from harness.record.anatomy_run import AnatomyRun
from harness.record.anatomy_tables import (
    ALL,
    BY_CPU,
    BY_WALL,
    CLAIM,
    FINDINGS,
    LEVELS,
    NOTHING,
    PROCESSES,
    REAL,
    REQUESTS,
    RUNS,
    SHARES,
    SPLIT_TABLES,
    TIMELINE,
    TPOT,
    TTFT,
    TWIN,
)
from harness.record.plain import printable
from harness.record.serving_trace import ENGINE
from harness.record.tables import MAX_CELL, Cell

Row = tuple[Cell, ...]


def split_rows(runs: Sequence[AnatomyRun]) -> dict[str, list[Row]]:
    """Table's name → rows, of all ``SPLIT_TABLES``. The same runs, in any order, give the same rows."""
    found: dict[str, list[Row]] = {table.name: [] for table in SPLIT_TABLES}
    shown: set[str] = set()  # cases that have their timeline
    for run in sorted(runs, key=lambda each: (each.facts.case, each.facts.run)):
        found[RUNS.name].append(_run_row(run))
        views = level_views(run)
        for view in views:
            for name, rows in _level_rows(view).items():
                found[name] += rows
        if views and run.facts.case not in shown:
            shown.add(run.facts.case)
            found[TIMELINE.name] += timeline_rows(views[len(views) // 2])
    found[FINDINGS.name] = finding_rows(found)
    found[CLAIM.name] = claim_rows(found)
    return found


def _run_row(run: AnatomyRun) -> Row:
    facts = run.facts
    told = [facts.status, facts.failed_in or NOTHING, facts.reason or NOTHING]
    model = str(facts.model.get("name") or NOTHING)
    weights = REAL if facts.model.get("twin") is False else TWIN
    texts = (printable(text, MAX_CELL) for text in (*told, facts.device, model, weights, facts.started_at))
    return (facts.case, facts.run, *texts)


def _level_rows(view: LevelView) -> Mapping[str, list[Row]]:
    facts = view.run.facts
    at = (facts.case, facts.run, view.level.concurrency)
    busy = Busy.of(view)
    requests, lost = followed_requests(view, busy)
    return {
        LEVELS.name: [(*at, *cells) for cells in _level(view, requests, lost)],
        SHARES.name: [(*at, *cells) for cells in (*_cpu_shares(view), *_wall_shares(view, busy))],
        PROCESSES.name: [(*at, role, *metric) for role, metrics in process_metrics(view).items() for metric in metrics],
        REQUESTS.name: [(*at, *cells) for request in requests for cells in _parts(request)],
    }


def _cpu_shares(view: LevelView) -> Iterator[Row]:
    split = cpu_split(view)
    total = sum(seconds for stages in split.values() for seconds in stages.values())
    for part, stages in split.items() if total else ():
        whole = sum(stages.values())
        yield BY_CPU, part, ALL, whole, whole / total
        yield from ((BY_CPU, part, stage, seconds, seconds / total) for stage, seconds in sorted(stages.items()))


def _wall_shares(view: LevelView, busy: Busy) -> Iterator[Row]:
    total = length(view.seen_whole)
    for part, times in busy.wall(view).items() if total else ():
        yield BY_WALL, part, ALL, length(times) * 1e-9, length(times) / total


def _level(view: LevelView, requests: Sequence[Followed], lost: int) -> Iterator[Row]:
    summary = view.level.summary
    for metric, (value, unit) in client_metrics(view.run.clients_of(view.level), summary).items():
        yield metric, float(value), unit
    yield "client_cpu_share", summary.cpu_share, "of a core"
    steps = [
        span.told for seen in view.of(ENGINE) for span in seen.spans([SCHEDULE], main=True) if span.told is not None
    ]
    yield "steps", float(len(steps)), "steps"
    if steps:
        for metric, name in (("tokens_per_step", "tokens"), ("requests_per_step", "requests")):
            yield metric, sum(_number(step, name) for step in steps) / len(steps), name
        yield "prefill_tokens", float(sum(_number(step, "prefill") for step in steps)), "tokens"
    yield "followed", float(len(requests)), "requests"
    yield "not_followed", float(lost), "requests"
    yield "clipped", float(sum(request.clipped for request in requests)), "instants"


def _number(told: Mapping[str, object], name: str) -> int:
    value = told.get(name)
    return value if isinstance(value, int) else 0


def _parts(request: Followed) -> Iterator[Row]:
    for metric, parts in ((TTFT, request.ttft), (TPOT, request.tpot)):
        yield from ((request.request, metric, part, seconds) for part, seconds in parts.items())
