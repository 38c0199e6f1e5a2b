"""What a load's client saw, for a terminal."""

from collections import Counter
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from harness.analyse.load_metrics import LATENCIES, SPREAD, Metrics, in_one_piece
from harness.record.load_output import FAILED, ClientRecord, ClientSummary

_MOST_ERRORS = 3
_NAMES = {"ttft": "TTFT", "tpot": "TPOT", "itl": "ITL", "e2e": "end to end"}


def load_table(metrics: Metrics) -> Table:
    """Latencies in milliseconds; those that do not exist have no number."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("ms")
    for statistic in SPREAD:
        table.add_column(statistic, justify="right")
    for name in LATENCIES:
        cells = (metrics.get(f"{name}_{statistic}_s") for statistic in SPREAD)
        table.add_row(_NAMES[name], *("–" if cell is None else f"{1000 * cell[0]:,.2f}" for cell in cells))
    told = [
        f"{metrics[name][0]:,.2f} {text}"
        for name, text in (
            ("request_throughput", "requests/s"),
            ("input_throughput", "prompt tokens/s"),
            ("output_throughput", "output tokens/s"),
        )
        if name in metrics
    ]
    table.caption, table.caption_justify = "  ·  ".join(told), "left"
    return table


def load_lines(records: Sequence[ClientRecord], summary: ClientSummary) -> list[str]:
    """How it ended, why requests failed, and what the client itself cost."""
    counted = f"{summary.completed} of {summary.requests} requests completed, {summary.failed} failed"
    lines = [f"{counted}, {summary.cancelled} cancelled in {summary.wall_s:.2f} s"]
    reasons = Counter(record.error for record in records if record.status == FAILED)
    lines += [f"  {requests} × {reason}" for reason, requests in reasons.most_common(_MOST_ERRORS)]
    if len(reasons) > _MOST_ERRORS:
        lines.append(f"  and {len(reasons) - _MOST_ERRORS} other reasons")
    if pieces := sum(map(in_one_piece, records)):
        lines.append(f"{pieces} answers came in one piece: their TTFT is the time of the whole of it")
    cost = f"client: {summary.cpu_s:.2f} CPU seconds ({100 * summary.cpu_share:.0f} % of a core)"
    if summary.send_error_s is not None:
        median, p99 = (1000 * summary.send_error_s[name] for name in ("median", "p99"))
        cost += f"; sent {median:.2f} ms late at the median, {p99:.2f} ms at p99"
    lines.append(f"{cost}; {summary.held_back} held back by the concurrency limit")
    return lines
