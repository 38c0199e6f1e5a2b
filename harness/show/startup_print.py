"""Figure 2's numbers as tables for a terminal: every leaf, none merged, and every log quantity."""

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.analyse.startup import KINDS, MEASURED, WARMUP, Line, StartUp
from harness.analyse.stats import Summary
from harness.record.plain import printable
from harness.record.slot import Slot
from harness.show.startup_text import caption, has_first_token, title


def tables(slot: Slot, startup: StartUp) -> Group:
    """The phase table and the log table of one case, with the figure's caption."""
    phases = _table("phase, seconds", "uncached", "%", "cached", "±95 %", "%", "CV %")
    for line in startup.leaves:
        phases.add_row(Text(printable(line.name, 60)), *_numbers(startup, line))
    phases.add_section()
    phases.add_row("total", *_numbers(startup, startup.total), style="bold")
    if has_first_token(startup):
        phases.add_section()
        uncached, _, cached, interval, _, cv = _numbers(startup, startup.first_token)
        phases.add_row("after ready: first token", uncached, "", cached, interval, "", cv)
    log: list[RenderableType] = []
    if startup.log:
        log += [Text("The paper's log quantities of the same starts", "italic"), _log_table(startup)]
    if startup.not_logged:
        log.append(Text("Not logged by this engine: " + ", ".join(startup.not_logged)))
    heading = Text(printable(f"{slot.manifest['slot']}: {title(startup)}"), "bold")
    return Group(heading, phases, *log, Text(printable(" ".join(caption(slot, startup)))))


def _numbers(startup: StartUp, line: Line) -> tuple[str, ...]:
    uncached, cached = (line.by_kind[kind] for kind in KINDS)
    shares = {kind: startup.share(line, kind) for kind in KINDS}
    return (
        _seconds(uncached),
        _percent(shares[WARMUP]),
        _seconds(cached),
        f"{cached.half_width:.3f}" if cached and cached.half_width and cached.mean else "–",
        _percent(shares[MEASURED]),
        _percent(cached.cv if cached else None),
    )


def _log_table(startup: StartUp) -> Table:
    table = _table("quantity, seconds", "uncached: log", "spans", "cached: log", "spans")
    for line in startup.log:
        spans = startup.spans_for_log.get(line.name)
        cells = [_seconds(side.by_kind[kind]) if side else "–" for kind in KINDS for side in (line, spans)]
        table.add_row(Text(printable(line.name, 60)), *cells)
    return table


def _table(name: str, *numbers: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))  # 80 columns must do
    table.add_column(name, no_wrap=True)
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True)
    return table


def _seconds(summary: Summary | None) -> str:
    return f"{summary.mean:.3f}" if summary and summary.mean else "–"


def _percent(share: float | None) -> str:
    return f"{100 * share:.1f}" if share is not None else "–"
