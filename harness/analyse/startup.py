"""A slot's runs → the table that figure 2 draws: seconds of each phase, warm-up beside the mean of the measured runs.

Only runs with status ``ok`` are averaged; the others are counted. Phases are a partition of exec→ready: a leaf that an
ok run does not state took no time in it, so means of leaves add up to the mean total. Log quantities are not a
partition: one that a run's log does not state is absent from that run.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness.analyse.logs import QUANTITIES
from harness.analyse.phases import GROUPS, LEAVES, PER_PROCESS_LEAVES, ROLES, UNATTRIBUTED
from harness.analyse.stats import Summary, summarise
from harness.record.slot import Slot

WARMUP, MEASURED = "warmup", "measured"
KINDS = (WARMUP, MEASURED)

# What the paper's figure 2 stacks. It marks the last two as GPU-dominant, the others as CPU-dominant.
PAPER_STEPS = (
    "detect_platform",
    "llm_imports",
    "get_model_info",
    "worker_init",
    "tokenizer_init",
    "model_init",
    "load_weights",
    "dynamo_transform_time",
    "graph_compile_cached",
    "kv_cache_profiling",
    "graph_capturing",
)
GPU_DOMINANT = ("kv_cache_profiling", "graph_capturing")

Phases = dict[str, float]


@dataclass(frozen=True)
class Line:
    """One named duration in seconds, per kind of run; None where no ok run of that kind states it."""

    name: str
    by_kind: dict[str, Summary | None]
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class StartUp:
    """The start-up of one case: its leaves in the order in which a start passes through them, and the log's view."""

    case: dict[str, Any]  # the manifest's entry: case, session, engine, model, parameters
    runs: dict[str, list[Phases]]  # kind → phases of each ok run
    total: Line
    leaves: tuple[Line, ...]
    log: tuple[Line, ...]
    spans_for_log: dict[str, Line]  # log quantity → the same work as the spans see it
    not_logged: tuple[str, ...]  # steps of the paper that no log of this case states
    excluded: dict[str, int]  # kind → runs that failed or whose state did not hold
    first_token: Line  # from ready to the first token: after the start, so in no total; older slots do not tell it

    def share(self, line: Line, kind: str) -> float | None:
        """The line's part of the total, 0…1; None if either is absent."""
        part, total = line.by_kind[kind], self.total.by_kind[kind]
        return part.mean / total.mean if part and total and total.mean > 0 else None


def startups(slot: Slot) -> list[StartUp]:
    """One start-up table for each case of the slot, in the manifest's order."""
    return [_startup(slot, case) for case in slot.manifest["cases"]]


def merge_small(startup: StartUp, below: float = 0.01) -> list[Line]:
    """The leaves to draw: those whose share is under ``below`` in every bar become one, before ``unattributed``.

    ``unattributed`` is never merged, and a single small leaf keeps its name.
    """
    small = [
        leaf.name
        for leaf in startup.leaves
        if leaf.name != UNATTRIBUTED and all((startup.share(leaf, kind) or 0) < below for kind in KINDS)
    ]
    if len(small) < 2:
        return list(startup.leaves)
    block = _sum_line(f"{len(small)} smaller phases", small, startup.runs)
    kept = [leaf for leaf in startup.leaves if leaf.name not in small]
    at = len(kept) - (kept[-1].name == UNATTRIBUTED if kept else 0)
    return [*kept[:at], block, *kept[at:]]


def _startup(slot: Slot, case: dict[str, Any]) -> StartUp:
    runs = {kind: _runs(slot, case["case"], kind, "span") for kind in KINDS}
    logs = {kind: _runs(slot, case["case"], kind, "log") for kind in KINDS}
    names = sorted({name for kind in KINDS for run in runs[kind] for name in run}, key=leaf_order)
    logged = {name for kind in KINDS for run in logs[kind] for name in run}
    log = tuple(_line(name, logs) for name in QUANTITIES if name in logged)
    told = [run for run in slot.manifest["runs"] if run["case"] == case["case"]]
    # An ok run whose certificate does not hold has "counts": false, and no rows.
    excluded = [run["kind"] for run in told if run["status"] != "ok" or not run.get("counts", True)]
    return StartUp(
        case=case,
        runs=runs,
        total=_sum_line("total", names, runs),
        leaves=tuple(_sum_line(name, [name], runs) for name in names),
        log=log,
        spans_for_log={line.name: spans for line in log if (spans := _spans_for(line.name, names, runs))},
        not_logged=tuple(name for name in PAPER_STEPS if logs[WARMUP] + logs[MEASURED] and name not in logged),
        excluded={kind: excluded.count(kind) for kind in KINDS},
        first_token=Line("first_token", {kind: summarise(_first_tokens(told, kind)) for kind in KINDS}),
    )


def _first_tokens(runs: Iterable[dict[str, Any]], kind: str) -> list[float]:
    counted = [run for run in runs if run["kind"] == kind and run["status"] == "ok" and run.get("counts", True)]
    return [run["first_token_s"] for run in counted if run.get("first_token_s") is not None]


def _runs(slot: Slot, case: str, kind: str, source: str) -> list[Phases]:
    runs: dict[str, Phases] = {}
    for row in slot.rows:
        if (row.case, row.kind, row.source, row.status) == (case, kind, source, "ok"):
            runs.setdefault(row.run, {})[row.phase] = row.seconds
    return list(runs.values())


def _sum_line(name: str, leaves: Iterable[str], runs: dict[str, list[Phases]]) -> Line:
    members = tuple(leaves)
    sums = {kind: [sum(run.get(leaf, 0.0) for leaf in members) for run in runs[kind]] for kind in KINDS}
    return Line(name, {kind: summarise(sums[kind]) for kind in KINDS}, members)


def _line(name: str, runs: dict[str, list[Phases]]) -> Line:
    return Line(name, {kind: summarise(run[name] for run in runs[kind] if name in run) for kind in KINDS}, (name,))


def _spans_for(quantity: str, leaves: list[str], runs: dict[str, list[Phases]]) -> Line | None:
    """What the spans say about the work a log quantity is named after: the leaf of that name, or the group's leaves."""
    wanted = GROUPS.get(quantity, (quantity,))
    members = [leaf for leaf in leaves if leaf.split(":")[0] in wanted]
    return _sum_line(quantity, members, runs) if members else None


def leaf_order(name: str) -> tuple[int, int, int, str]:
    """Interpreters and imports by process, then the leaves as ``LEAVES`` lists them, unattributed last."""
    base, _, role = name.partition(":")
    if name == UNATTRIBUTED:
        return (3, 0, 0, name)
    if base in PER_PROCESS_LEAVES:
        return (0, _index(ROLES, role), _index(tuple(PER_PROCESS_LEAVES), base), name)
    return (1, _index(tuple(LEAVES), name), 0, name)


def _index(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else len(names)
