"""A comparison of engines, for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from harness.analyse.comparison import MOST_TOGETHER, Point, Points
from harness.analyse.comparison_parity import IDS, Agreement
from harness.analyse.stats import Summary
from harness.record.plain import printable

_COLUMNS = {
    "ttft_median_s": ("TTFT ms", 1000.0),
    "decode_median": ("decode/s", 1.0),
    "throughput": ("tokens/s", 1.0),
    "cpu_s_per_1000_tokens": ("CPU ms", 1.0),
}
_LONGEST = 200


@dataclass(frozen=True)
class Shown:
    """What is printed and drawn. ``names``: targets, the first is the others' reference."""

    names: Sequence[str]
    levels: Sequence[int]
    points: Points
    gaps: Mapping[str, str]
    agreements: Sequence[Agreement]
    tokenizer: str | None
    model: Mapping[str, Any] | None
    repeats: int
    prompts: int  # of a target at a concurrency in a repeat
    engines: Mapping[str, str]  # target → build and version, of those started here
    node: str


def comparison_table(shown: Shown) -> Table:
    """Means over repeats ± half of the 95 % interval, and the throughput's ratio to the first target."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("target", no_wrap=True)
    for name in ("at once", *(title for title, _ in _COLUMNS.values()), "ratio", "failed"):
        table.add_column(name, justify="right", no_wrap=True)
    for level in shown.levels:
        for name in shown.names:
            if (name, level, "completed") not in shown.points:
                table.add_row(Text(name), str(level), *("–" for _ in _COLUMNS), "–", "gap")
                continue
            cells = (_cell(shown.points.get((name, level, metric)), by) for metric, (_, by) in _COLUMNS.items())
            failed = shown.points[name, level, "failed"].summary.mean
            ratio = _ratio(shown.points.get((name, level, "throughput")))
            table.add_row(Text(name), str(level), *cells, ratio, f"{failed:g}" if failed else "0")
        table.add_section()
    return table


def _cell(point: Point | None, by: float) -> str:
    return "–" if point is None else number(point.summary, by)


def number(summary: Summary, by: float = 1.0) -> str:
    """Mean ± half of the interval, in three digits."""
    mean = _digits(by * summary.mean)
    return mean if summary.half_width is None else f"{mean} ±{_digits(by * summary.half_width)}"


def _digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _ratio(point: Point | None) -> str:
    if point is None or point.ratio is None:
        return ""
    if point.ratio_interval is None:
        return f"{point.ratio:.2f}"
    low, high = point.ratio_interval
    return f"{point.ratio:.2f} ({low:.2f}–{high:.2f})"


def notes(shown: Shown) -> Iterator[str]:
    """Lines below the table."""
    for name in shown.names:
        if name in shown.gaps:
            yield printable(f"{name}: gap: {shown.gaps[name]}", _LONGEST + len(name))
    counted = (
        f"by the tokenizer {shown.tokenizer} from the texts" if shown.tokenizer else "as streamed chunks with text"
    )
    yield f"tokens are counted {counted}; n = {shown.repeats}, {interval_said(shown)}"
    yield f"decode/s: tokens of a request; CPU: of the server, per token; ratio: tokens/s against {shown.names[0]}"
    yield from (line for name in shown.names if (line := together_line(shown, name)))
    yield from (line for name in shown.names if (line := told_line(shown, name)))
    yield from map(agreement_line, shown.agreements)
    if shown.model and shown.model.get("twin"):
        yield f"{shown.model['name']} is a random-weight twin: speeds of engines on it say nothing of the original's"


def interval_said(shown: Shown) -> str:
    """What ± and bars are."""
    return "one repeat, no interval" if shown.repeats < 2 else "± and bars: 95 % t interval of the mean"


def together_line(shown: Shown, name: str) -> str | None:
    """Where its chunks came several at a time; None: nowhere."""
    found = [
        f"{level} at once ({100 * point.summary.mean:.0f} %)"
        for level in shown.levels
        if (point := shown.points.get((name, level, "together_share"))) and point.summary.mean > MOST_TOGETHER
    ]
    if not found:
        return None
    where = ", ".join(found)
    return f"{name}: most chunks came together with the one before at {where}: TTFT is that of several tokens there"


def told_line(shown: Shown, name: str) -> str | None:
    """How the server's own count compares, over all concurrencies; None: it tells none."""
    means = {
        metric: [
            shown.points[name, level, metric].summary.mean
            for level in shown.levels
            if (name, level, metric) in shown.points and (name, level, "told_tokens") in shown.points
        ]
        for metric in ("tokens", "told_tokens")
    }
    counted, told = sum(means["tokens"]), sum(means["told_tokens"])
    if not told:
        return None
    return (
        f"{name} itself says {told:.0f} tokens where {counted:.0f} are counted ({100 * (told / counted - 1):+.1f} %)"
        if (counted)
        else f"{name} itself says {told:.0f} tokens, none is counted"
    )


def agreement_line(agreement: Agreement) -> str:
    """One line."""
    how = "one at a time, token ids as told" if agreement.what == IDS else "texts under load"
    same = f"{agreement.identical} of {agreement.compared} greedy answers are identical"
    line = f"{agreement.target} and {agreement.reference}: {same} ({how})"
    if agreement.first_least is None:
        return line
    return (
        f"{line}; others part after {agreement.first_median:g} tokens at the median, {agreement.first_least} at least"
    )
