"""What the routing figure prints: each strategy's numbers, and in which direction it moved against power-of-two."""

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from harness.analyse.load_metrics import IN_ONE_PIECE
from harness.analyse.paired import Paired
from harness.analyse.routing_findings import TPOT_MEAN, TTFT_MEAN
from harness.analyse.routing_metrics import HIT_RATE, IMBALANCE
from harness.analyse.routing_series import Labelled, against_baseline
from harness.analyse.routing_series_simulated import CLOSE_POINTS, FOLLOWED, OWN, agreement
from harness.analyse.stats import Summary
from harness.record.routing_tables import POWER_OF_TWO
from harness.record.study_slot import StudySlot
from harness.show.routing_text import accounting, alarm, client, routers

_COLUMNS = {
    "hit rate, %": (HIT_RATE, 100.0, ".1f"),
    "mean TTFT, s": (TTFT_MEAN, 1.0, ".3f"),
    "mean TPOT, ms": (TPOT_MEAN, 1e3, ".1f"),
    "imbalance": (IMBALANCE, 1.0, ".2f"),
}
# Metrics of findings.csv whose direction is said: name, unit of the difference, scale, format, words for − and +.
_DIRECTIONS = {
    HIT_RATE: ("hit rate", " points", 100.0, "+.1f", "lower", "higher"),
    TTFT_MEAN: ("mean TTFT", " s", 1.0, "+.3f", "shorter", "longer"),
}
_SOURCES = {OWN: "its own decisions", FOLLOWED: "the real decisions"}


def summary(slot: StudySlot, data: Labelled) -> Iterator[Table | Text]:
    """Tables and sentences of one label."""
    if said := alarm(data):
        yield Text(f"{data.label}: {said}")
    for phase in data.phases:
        yield _table(data, phase)
    for phase in data.phases:
        for strategy in data.strategies:
            if strategy != POWER_OF_TWO and (compared := direction(data, phase, strategy)):
                yield Text(compared)
    yield from map(Text, _simulated(data))
    yield from map(Text, _in_one_piece(data))
    said_last = (*routers(slot, data), client(slot, data.label), accounting(slot, data.label))
    yield from (Text(f"{data.label}: {said}") for said in said_last)


def _table(data: Labelled, phase: str) -> Table:
    table = Table(title=f"{data.label}, {phase}: means ± 95 % intervals", title_justify="left", box=SIMPLE_HEAD,
                  pad_edge=False, padding=(0, 1, 0, 0))  # fmt: skip
    table.add_column("strategy")
    for name in ("n", *_COLUMNS):
        table.add_column(name, justify="right")
    for strategy in data.strategies:
        found = {name: data.over(phase, strategy, metric) for name, (metric, _, _) in _COLUMNS.items()}
        n = max((over.n for over in found.values() if over), default=0)
        cells = (_cell(found[name], scale, form) for name, (_, scale, form) in _COLUMNS.items())
        table.add_row(Text(strategy), str(n), *map(Text, cells))
    return table


def _cell(over: Summary | None, scale: float, form: str) -> str:
    if over is None:
        return "–"
    half = f" ± {scale * over.half_width:{form}}" if over.half_width is not None else ""
    return f"{scale * over.mean:{form}}{half}"


def direction(data: Labelled, phase: str, strategy: str) -> str:
    """A sentence on hit rate and TTFT of a strategy against power-of-two; empty if nothing was compared."""
    found = {metric: against_baseline(data, phase, strategy, metric) for metric in _DIRECTIONS}
    told = [_moved(metric, each) for metric, each in found.items() if each is not None]
    return f"{data.label}, {phase}: {strategy} against {POWER_OF_TWO}: {'; '.join(told)}." if told else ""


def _moved(metric: str, found: Paired) -> str:
    name, unit, scale, form, less, more = _DIRECTIONS[metric]
    middle = f"{scale * found.difference:{form}}"
    if found.interval is None:
        return f"{name} {middle}{unit}, not decided at n={found.n} (no interval)"
    low, high = (f"{scale * bound:{form}}" for bound in found.interval)
    shown = f"{middle}{unit} [{low}, {high}]"
    if found.interval == (0, 0):
        return f"{name} the same in each of n={found.n} repeats"
    if not found.sign:
        return f"{name} {shown}, not decided at n={found.n}"
    return f"{name} {more if found.sign > 0 else less}: {shown}, n={found.n}"


def _in_one_piece(data: Labelled) -> Iterator[str]:
    """How many answers did not come as a stream, which is no strategy's doing."""
    pieces, completed = (
        sum(sum(data.of(phase, strategy, metric).values()) for phase in data.phases for strategy in data.strategies)
        for metric in (IN_ONE_PIECE, "completed")
    )
    if pieces:
        yield (
            f"{data.label}: {pieces:.0f} of {completed:.0f} answers came in one piece: the client, or something on "
            "the way to it, was held up, so their TTFT is the time of the whole answer."
        )


def _simulated(data: Labelled) -> Iterator[str]:
    """How far apart simulated and real hit rates are."""
    for source, decisions in _SOURCES.items():
        found = {name: each for name in data.strategies if (each := agreement(data, source, name))}
        if found:
            worst = max(found, key=lambda name: abs(found[name].points))
            close = sum(each.is_close for each in found.values())
            yield (
                f"{data.label}: simulated with {decisions}, the hit rate is within {CLOSE_POINTS:g} points of the real "
                f"one for {close} of {len(found)} strategies; furthest: {worst}, {found[worst].points:+.1f}."
            )
