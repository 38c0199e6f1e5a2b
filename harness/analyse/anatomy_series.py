"""What the anatomy figure draws and prints of one case, out of a slot's rows: means over repeats, with their intervals.

Only runs that ended ok are in here; ``failed_runs`` names the others.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.analyse.stages import API_STAGES, ENGINE_STAGES, WORKER_STAGES
from harness.analyse.stats import Summary, summarise
from harness.record.anatomy_tables import (
    ALL,
    API_THREADS,
    BY_CPU,
    CLAIM,
    ENGINE_THREADS,
    ENGINE_UNCOVERED,
    LEVELS,
    OK,
    PROCESSES,
    REQUESTS,
    RUNS,
    SHARES,
    TIMELINE,
    WORKER_THREADS,
    WORKER_UNCOVERED,
)
from harness.record.serving_trace import API, ENGINE, WORKER
from harness.record.study_slot import StudySlot
from harness.record.tables import Cells, cells_of

# Of which process a stage is, in the order of drawing.
STAGES_OF: Mapping[str, Sequence[str]] = {
    API: (*API_STAGES, API_THREADS),
    ENGINE: (*ENGINE_STAGES, ENGINE_UNCOVERED, ENGINE_THREADS),
    WORKER: (*WORKER_STAGES, WORKER_UNCOVERED, WORKER_THREADS),
}


@dataclass(frozen=True)
class CaseSplit:
    """One case. Keys begin with the concurrency; values are means over the repeats.

    ``shares``: (concurrency, definition, part) → share. ``stages``: (concurrency, role, stage) → share of the process's
    CPU without spin. ``processes``: (concurrency, role, metric). ``requests``: (concurrency, metric, part) → seconds,
    in each repeat the mean over its requests; part ``all``: the whole. ``levels``: (concurrency, metric).
    """

    case: str
    runs: Sequence[Cells]
    concurrencies: Sequence[int]
    shares: Mapping[tuple[int, str, str], Summary]
    stages: Mapping[tuple[int, str, str], Summary]
    processes: Mapping[tuple[int, str, str], Summary]
    requests: Mapping[tuple[int, str, str], Summary]
    counted: Mapping[tuple[int, str], int]  # (concurrency, ttft or tpot) → requests, of all repeats
    levels: Mapping[tuple[int, str], Summary]
    each: Mapping[tuple[str, str], Sequence[float]]  # (role, metric) → of every repeat and concurrency
    timeline: Sequence[Cells]
    claim: Cells | None

    @property
    def ok_runs(self) -> list[Cells]:
        """Runs that are drawn."""
        return [run for run in self.runs if run["status"] == OK]

    @property
    def failed_runs(self) -> list[Cells]:
        """Runs that are in nothing that is drawn."""
        return [run for run in self.runs if run["status"] != OK]


def cases_of(slot: StudySlot) -> list[str]:
    """Cases with runs, in the order of runs.csv."""
    return list(dict.fromkeys(run["case"] for run in cells_of(RUNS, slot.tables[RUNS.name])))


def case_split(slot: StudySlot, case: str) -> CaseSplit:
    """The rows of one case."""
    shares = cells_of(SHARES, slot.tables[SHARES.name], case=case)
    requests = cells_of(REQUESTS, slot.tables[REQUESTS.name], case=case)
    claims = cells_of(CLAIM, slot.tables[CLAIM.name], case=case)
    processes = cells_of(PROCESSES, slot.tables[PROCESSES.name], case=case)
    levels = cells_of(LEVELS, slot.tables[LEVELS.name], case=case)
    return CaseSplit(
        case,
        cells_of(RUNS, slot.tables[RUNS.name], case=case),
        sorted({row["concurrency"] for row in levels}),
        _over((row for row in shares if row["stage"] == ALL), lambda row: (row["definition"], row["part"]), "share"),
        _over(_of_processes(shares), lambda row: (row["role"], row["stage"]), "share"),
        _over(processes, lambda row: (row["role"], row["metric"]), "value"),
        _over(_means(requests), lambda row: (row["metric"], row["part"]), "seconds"),
        _counted(requests),
        {(key[0], key[1]): over for key, over in _over(levels, lambda row: (row["metric"],), "value").items()},
        _each(processes),
        cells_of(TIMELINE, slot.tables[TIMELINE.name], case=case),
        claims[0] if claims else None,
    )


def _over(rows: Iterable[Cells], key: Callable[[Cells], tuple[str, ...]], value: str) -> dict[Any, Summary]:
    """(concurrency, *key) → mean over the rows, which are of one repeat each."""
    found: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for row in rows:
        found[row["concurrency"], *key(row)].append(row[value])
    return {what: over for what, values in found.items() if (over := summarise(values)) is not None}


def _each(rows: Iterable[Cells]) -> dict[tuple[str, str], list[float]]:
    found: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        found[row["role"], row["metric"]].append(row["value"])
    return dict(found)


def _of_processes(shares: Sequence[Cells]) -> list[Cells]:
    """Each stage's share of its own process's CPU."""
    role_of = {stage: role for role, stages in STAGES_OF.items() for stage in stages}
    rows = [
        row | {"role": role_of[row["stage"]]}
        for row in shares
        if row["definition"] == BY_CPU and row["stage"] in role_of
    ]
    whole: dict[tuple[int, int, str], float] = defaultdict(float)
    for row in rows:
        whole[row["repeat"], row["concurrency"], row["role"]] += row["seconds"]
    return [
        row | {"share": row["seconds"] / total}
        for row in rows
        if (total := whole[row["repeat"], row["concurrency"], row["role"]])
    ]


def _means(requests: Sequence[Cells]) -> list[Cells]:
    """Each repeat's mean of each part over its requests, and of the whole (part ``all``)."""
    sums: dict[tuple[int, int, str, str], float] = defaultdict(float)
    seen: dict[tuple[int, int, str], set[int]] = defaultdict(set)
    for row in requests:
        at = (row["concurrency"], row["repeat"], row["metric"])
        seen[at].add(row["request"])
        for part in (row["part"], ALL):
            sums[*at, part] += row["seconds"]
    return [
        {"concurrency": concurrency, "metric": metric, "part": part, "seconds": seconds / len(requests_there)}
        for (concurrency, repeat, metric, part), seconds in sums.items()
        if (requests_there := seen[concurrency, repeat, metric])
    ]


def _counted(requests: Sequence[Cells]) -> dict[tuple[int, str], int]:
    seen: dict[tuple[int, str], set[tuple[int, int]]] = defaultdict(set)
    for row in requests:
        seen[row["concurrency"], row["metric"]].add((row["repeat"], row["request"]))
    return {what: len(found) for what, found in seen.items()}


def worst(data: CaseSplit, role: str, metric: str, combine: Callable[[Iterable[float]], float]) -> float | None:
    """The extreme (``min``, ``max``) of a process's metric over all repeats and concurrencies; None: there is none."""
    values = data.each.get((role, metric))
    return combine(values) if values else None
