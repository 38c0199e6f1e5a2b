"""The sentence "API server 33 %, scheduling 29 %, GPU execution 38 %", judged by our shares of CPU seconds.

Its source: vLLM's blog on v0.6.0 (2024-09-05, blog.vllm.ai/2024/09/05/perf-update.html), of the engine before it, for
Llama-3-8B on one H100: shares of "the total execution time", and scheduling is "gathering the LLM results from the last
step, scheduling the requests to run for the next step, and preparing these requests as inputs". It is held against our
shares at the highest concurrency: on a CPU against the first definition; on a GPU, whose work is no CPU seconds,
against the second, whose parts behind the execution are its scheduling. Words and rules are those of ``judge.py``:

    reproduced     real weights on a GPU, and each share is within 5 points of the sentence's, its interval with it
    same shape     not so, but in every repeat execution > API server > scheduling; the most that a twin or a CPU says
    contradicted   another order in every repeat, for this engine and hardware; of a twin or a CPU, which say nothing of
                   how large execution is, scheduling > API server in every repeat
    inconclusive   neither, or there is one repeat: its order may be chance
    not run        no run ended ok
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from harness.analyse.judged import Verdict
from harness.analyse.stats import Summary, summarise
from harness.record.anatomy_tables import (
    ALL,
    API_SERVER,
    BY_CPU,
    BY_WALL,
    CPU,
    ENGINE_REST,
    EXECUTION,
    OK,
    RUNS,
    SCHEDULE_UPDATE,
    SCHEDULING,
    SHARES,
    TWIN,
    WORKER_HOST,
)
from harness.record.tables import Cell, Cells, cells_of

CLAIMED: Mapping[str, float] = {API_SERVER: 0.33, SCHEDULING: 0.29, EXECUTION: 0.38}
CLAIM_NAME = "33/29/38"
# Parts of either definition → the sentence's. Where nothing of the three was busy is no share of it.
_BELONGS = dict.fromkeys((SCHEDULING, WORKER_HOST, SCHEDULE_UPDATE, ENGINE_REST), SCHEDULING) | {
    API_SERVER: API_SERVER,
    EXECUTION: EXECUTION,
}
TOLERANCE = 0.05  # of a share
_ORDER = sorted(CLAIMED, key=lambda part: -CLAIMED[part])
_SAID = {API_SERVER: "API server", SCHEDULING: "scheduling", EXECUTION: "execution"}

Row = tuple[Cell, ...]
Repeat = Mapping[str, float]  # part → share


def claim_rows(tables: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Rows of claim.csv, one a case. ``tables``: runs.csv and shares.csv by their names."""
    found: list[Row] = []
    runs = cells_of(RUNS, tables[RUNS.name])
    for case in sorted({run["case"] for run in runs}):
        own = [run for run in runs if run["case"] == case]
        definition = BY_CPU if any(run["device"] == CPU for run in own) else BY_WALL
        shares = cells_of(SHARES, tables[SHARES.name], case=case, definition=definition, stage=ALL)
        by_level = _repeats(shares)
        highest = max(by_level, default=0)
        repeats = by_level.pop(highest, [])
        verdict, reason = judge_split(repeats, limits(own))
        found.append((case, highest, CLAIM_NAME, verdict, len(repeats), reason + _elsewhere(by_level)))
    return found


def limits(runs: Sequence[Cells]) -> list[str]:
    """Why these runs can say no more than the shape; empty if they can."""
    ok = [run for run in runs if run["status"] == OK]
    found = ["a twin" if any(run["weights"] == TWIN for run in ok) else ""]
    found.append("a CPU engine" if any(run["device"] == CPU for run in ok) else "")
    return [each for each in found if each]


def _repeats(rows: Sequence[Cells]) -> dict[int, list[Repeat]]:
    """Concurrency → the sentence's three shares in each repeat."""
    found: defaultdict[int, dict[int, dict[str, float]]] = defaultdict(dict)
    for row in rows:
        if part := _BELONGS.get(row["part"]):
            shares = found[row["concurrency"]].setdefault(row["repeat"], dict.fromkeys(CLAIMED, 0.0))
            shares[part] += row["share"]
    return {
        concurrency: [
            {part: share / whole for part, share in shares.items()}
            for _, shares in sorted(repeats.items())
            if (whole := sum(shares.values()))
        ]
        for concurrency, repeats in sorted(found.items())
    }


def _elsewhere(by_level: Mapping[int, Sequence[Repeat]]) -> str:
    """At which other concurrencies the mean shares have another order than the sentence's."""
    other: dict[str, list[str]] = {}
    for concurrency, repeats in by_level.items():
        order = _order({part: sum(repeat[part] for repeat in repeats) for part in CLAIMED})
        if order != _ORDER:
            other.setdefault(" > ".join(_SAID[part] for part in order), []).append(str(concurrency))
    return "".join(f"; at {' and '.join(levels)} at once {order}" for order, levels in other.items())


def _order(shares: Repeat) -> list[str]:
    return sorted(CLAIMED, key=shares.__getitem__, reverse=True)


def judge_split(repeats: Sequence[Repeat], limited: Sequence[str]) -> tuple[Verdict, str]:
    """Verdict and reason. ``limited``: what keeps these runs from more than the shape."""
    if not repeats:
        return "not run", "no run ended ok"
    means = {part: summarise(repeat[part] for repeat in repeats) for part in CLAIMED}
    told = ", ".join(_told(part, means[part]) for part in CLAIMED)
    if len(repeats) < 2:
        return "inconclusive", f"{told}: one repeat decides nothing"
    if not limited and all(_is_within(part, over) for part, over in means.items()):
        return "reproduced", f"{told}: each within 5 points of 33/29/38, with its interval"
    alike = sum(_order(repeat) == _ORDER for repeat in repeats)
    # Of how large execution is beside the rest, a twin or a CPU says nothing.
    turned = sum(repeat[API_SERVER] < repeat[SCHEDULING] for repeat in repeats) if limited else len(repeats) - alike
    why = f" ({' and '.join(limited)} can say no more)" if limited else ""
    if alike == len(repeats):
        return "same shape", f"{told}: execution > API server > scheduling in each of n={alike}{why}"
    if turned == len(repeats):
        order = "scheduling > API server" if limited else "another order"
        return "contradicted", f"{told}: {order} in each of n={len(repeats)}, for this engine and hardware"
    return "inconclusive", f"{told}: the sentence's order in {alike} of n={len(repeats)} repeats"


def _is_within(part: str, over: Summary | None) -> bool:
    if over is None or over.half_width is None:
        return False
    return abs(over.mean - CLAIMED[part]) + over.half_width <= TOLERANCE


def _told(part: str, over: Summary | None) -> str:
    if over is None:
        return f"{_SAID[part]} –"
    half = f" ± {100 * over.half_width:.1f}" if over.half_width is not None else ""
    return f"{_SAID[part]} {100 * over.mean:.1f}{half} %"
