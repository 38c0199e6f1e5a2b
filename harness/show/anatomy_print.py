"""What the anatomy figure prints: both splits, how well they were seen, and the old sentence's verdict."""

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from harness.analyse.anatomy_series import CaseSplit, worst
from harness.record.anatomy_tables import (
    ADDED,
    ADDED_WITHOUT_SPIN,
    ALL,
    ATTRIBUTED,
    ATTRIBUTED_WITHOUT_SPIN,
    BY_CPU,
    BY_WALL,
    CPU_PARTS,
    TPOT,
    TTFT,
    WALL_COVERED,
    WALL_PARTS,
)
from harness.record.serving_trace import API, ENGINE, WORKER
from harness.show.anatomy_looks import NAMES, plus_minus
from harness.show.anatomy_text import alarm, sentence

_TITLES = {BY_CPU: "CPU seconds without spin, %", BY_WALL: "wall clock by exclusive cover, %"}
_SHORT = {"rest of an engine step, IPC": "engine rest", "none (idle)": "none", "worker host work": "worker host"}


def split_summary(data: CaseSplit) -> Iterator[Table | Text]:
    """Tables and sentences of one case."""
    if said := alarm(data):
        yield Text(said)
    if not data.concurrencies:
        return
    yield _table(data, BY_CPU, CPU_PARTS)
    yield _table(data, BY_WALL, WALL_PARTS)
    yield _latencies(data)
    yield from map(Text, _seen(data))
    yield Text(sentence(data))


def _grid(data: CaseSplit, title: str, columns: Sequence[str]) -> Table:
    count = len(data.ok_runs)
    table = Table(title=f"{title} (n={count}{', means ± 95 % intervals' if count > 1 else ''})", title_justify="left",
                  box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))  # fmt: skip
    table.add_column("at once", justify="right")
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _table(data: CaseSplit, definition: str, parts: Sequence[str]) -> Table:
    table = _grid(data, _TITLES[definition], [_SHORT.get(NAMES[part], NAMES[part]) for part in parts])
    for concurrency in data.concurrencies:
        found = (data.shares.get((concurrency, definition, part)) for part in parts)
        table.add_row(str(concurrency), *(plus_minus(over, 100, ".1f") if over else "–" for over in found))
    return table


def _latencies(data: CaseSplit) -> Table:
    table = _grid(data, "latency", ["mean TTFT, ms", "mean TPOT, ms", "output tokens/s"])
    for concurrency in data.concurrencies:
        found = [
            (data.requests.get((concurrency, TTFT, ALL)), 1e3, ".2f"),
            (data.requests.get((concurrency, TPOT, ALL)), 1e3, ".2f"),
            (data.levels.get((concurrency, "output_throughput")), 1.0, ".0f"),
        ]
        table.add_row(
            str(concurrency), *(plus_minus(over, scale, form) if over else "–" for over, scale, form in found)
        )
    return table


def _seen(data: CaseSplit) -> Iterator[str]:
    """Worst of all runs: attributed CPU and wall, CPU that tracing added."""
    attributed = {
        "API server": worst(data, API, ATTRIBUTED, min),
        "engine core": worst(data, ENGINE, ATTRIBUTED, min),
        "engine core without spin": worst(data, ENGINE, ATTRIBUTED_WITHOUT_SPIN, min),
        "worker": worst(data, WORKER, ATTRIBUTED, min),
        "worker without spin": worst(data, WORKER, ATTRIBUTED_WITHOUT_SPIN, min),
        "engine core's wall clock": worst(data, ENGINE, WALL_COVERED, min),
    }
    if told := _told(attributed):
        yield f"Within spans, at least: {told} (the rest of the API server's main thread is its event loop)."
    processes = (("API server", API), ("engine core", ENGINE), ("worker", WORKER))
    added, of_work = (
        _told({name: worst(data, role, metric, max) for name, role in processes})
        for metric in (ADDED, ADDED_WITHOUT_SPIN)
    )
    if added:
        yield f"CPU added by tracing, at most: {added} of the process's own; of its work without spin {of_work}."


def _told(values: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {100 * value:.1f} %" for name, value in values.items() if value is not None)
