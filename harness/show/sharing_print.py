"""The tables that the prefix-sharing figure prints: single-turn against multi-turn, and Mooncake's published ratios."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from harness.analyse.sharing_series import Cells, rows_of
from harness.record.sharing_tables import COMPARISON, LIMITED, MULTI, RATIOS, SINGLE
from harness.show.study_command import StudySide

_SHORT = {
    "within_session.blocks_reused": "within_session.blocks",
    "across_sessions.blocks_reused": "across_sessions.blocks",
}
_HALF = "half width of 95 % interval"


def comparison_table(side: StudySide) -> Table:
    """Metric by metric at an unlimited cache; ± 95 % t interval over seeds where there are several.

    Units: the metric's name has them (tokens, blocks, _s for virtual seconds); all else is a share or a plain number.
    """
    rows = rows_of(side.slot, COMPARISON)
    found: dict[str, dict[tuple[str, str], Cells]] = {}
    for row in rows:
        found.setdefault(row["metric"], {})[row["of"], row["statistic"]] = row
    seeds = max((int(row["value"]) for row in rows if row["statistic"] == "n"), default=0)
    title = f"{MULTI} against {SINGLE}, unlimited cache, n={seeds} seed{'' if seeds == 1 else 's (± 95 % interval)'}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("metric")
    for name in (SINGLE, MULTI, "ratio"):
        table.add_column(name, justify="right")
    for metric, cells in found.items():
        table.add_row(
            Text(_SHORT.get(metric, metric)), *(Text(_shown(cells, name)) for name in (SINGLE, MULTI, "ratio"))
        )
    return table


def ratios_table(side: StudySide) -> Table:
    """Mooncake's table 1, and the same capacities counted on this trace."""
    rows = rows_of(side.slot, RATIOS)
    columns = sorted({(row["cache"] == LIMITED, -row["capacity_blocks"] * (row["cache"] == LIMITED)) for row in rows})
    title = "Mooncake: hit ratio of prompt blocks by capacity in blocks (published: of another trace)"
    table = Table("policy", "counted", title=title, title_justify="left", box=SIMPLE_HEAD)
    for limited, size in columns:
        table.add_column(f"{-size:,}" if limited else "∞", justify="right")
    for policy in dict.fromkeys(row["policy"] for row in rows):
        for source in dict.fromkeys(row["source"] for row in rows):
            mine = [row for row in rows if (row["policy"], row["source"]) == (policy, source)]
            by_size = {
                (row["cache"] == LIMITED, -row["capacity_blocks"] * (row["cache"] == LIMITED)): row["hit_ratio"]
                for row in mine
            }
            if mine:
                cells = [f"{by_size[each]:.2f}" if each in by_size else "–" for each in columns]
                table.add_row(Text(policy), Text(source), *cells)
    return table


def _shown(cells: dict[tuple[str, str], Cells], name: str) -> str:
    if (name, "mean") not in cells:
        return "–"
    mean = _number(cells[name, "mean"]["value"])
    half = cells.get((name, _HALF))
    return f"{mean} ± {_number(half['value'], 2)}" if half else mean


def _number(value: float, digits: int = 3) -> str:
    return f"{value:,.0f}" if value >= 10**digits else f"{value:.{digits if value >= 0.001 else 2}g}"
