"""What ``gpu-check`` prints: the starts that were made, copies beside them, and every number with its bound."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from harness.analyse.gpu_check import LOADING, MAPPED, PAGEABLE, PINNED, rate_of
from harness.analyse.part_means import CAPTURING
from harness.record.gpu_check import CheckedStart, CheckSummary
from harness.record.plain import printable

_MET = {True: "reached", False: "NOT REACHED", None: "not told"}
_REHEARSAL = "A rehearsal on the CPU engine: nothing of it is a result of a GPU."


def print_summary(summary: CheckSummary, to_stderr: bool = False) -> None:
    """Print where the check stands."""
    console = Console(highlight=False, markup=False, stderr=to_stderr, soft_wrap=True)
    for each in summary_lines(summary):
        console.print(each)


def summary_lines(summary: CheckSummary) -> list[RenderableType]:
    """What is printed, in order."""
    gpus = ", ".join(str(gpu.get("name")) for gpu in summary.gpus) or "no GPU"
    engine = f"{summary.engine.get('pin')} (vLLM {summary.engine.get('version')}, torch {summary.engine.get('torch')})"
    lines: list[RenderableType] = [Text(printable(f"{engine} on {gpus}"), style="bold")]
    if summary.device == "cpu":
        lines.append(Text(_REHEARSAL))
    lines.append(_starts_table(summary.starts))
    if summary.transfers:
        lines.append(Text(printable(f"copies to {summary.transfers.device}: {', '.join(_rates(summary))}")))
    lines.append(_numbers_table(summary))
    if summary.missing:
        lines.append(Text(f"no start that counts yet: {', '.join(summary.missing)}"))
    return lines


def _rates(summary: CheckSummary) -> Iterator[str]:
    copies = summary.transfers.copies if summary.transfers else ()
    for memory in (PINNED, PAGEABLE, MAPPED):
        if rate := rate_of(copies, memory):
            yield f"{memory} {rate / 1e9:.2f} GB/s"


def _starts_table(starts: Sequence[CheckedStart]) -> Table:
    table = Table(
        "figure", "case", "starts", "n", "ready s", LOADING, CAPTURING, "first token", "no hook", box=SIMPLE_HEAD
    )
    groups: dict[tuple[str, str, str, str], list[CheckedStart]] = {}
    for start in starts:
        groups.setdefault((start.figure, start.slot, start.case, start.kind), []).append(start)
    for (figure, slot, case, kind), found in groups.items():
        counted = [start for start in found if start.counts]
        kept = {start.model: "twin" if start.twin else "real" for start in found}
        name = printable(f"{case.rpartition('-')[0]} ({', '.join(kept.values())})", 80)
        cells = (
            _mean(start.ready_s for start in counted),
            _mean(start.phases.get(LOADING) for start in counted),
            _mean(start.phases.get(CAPTURING) for start in counted),
            _mean(start.first_token_s for start in counted),
            _mean(start.unattributed_s for start in counted),
        )
        n = f"{len(counted)} of {len(found)}"
        table.add_row(f"{figure} {slot}", name, "uncached" if kind == "warmup" else "cached", n, *cells)
    return table


def _mean(values: Iterator[float | None]) -> str:
    told = [value for value in values if value is not None]
    return f"{fmean(told):.3f}" if told else "–"


def _numbers_table(summary: CheckSummary) -> Table:
    table = Table("number", "value", "bound", "", "what it rests on", box=SIMPLE_HEAD)
    for number in summary.numbers:
        value = "–" if number.value is None else f"{number.value:.4g}"
        table.add_row(number.name, value, number.bound, _MET[number.met], printable(number.why, 300))
    return table
