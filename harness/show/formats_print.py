"""What figure 14 prints: seconds of loading by format, and for own sides how fast that was and from where."""

from collections.abc import Mapping
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.analyse.bandwidth import bandwidth
from harness.analyse.dataset import TOTAL, Side
from harness.analyse.formats import Comparison, Formats, cases_by_format, compare_weights
from harness.analyse.paper_average import mean_seconds
from harness.analyse.stats import Summary
from harness.record.plain import printable
from harness.show.caption import whose
from harness.show.formats_text import DEFAULT, QUANTITY, interval_text, value_text

_LONGEST, _LONGEST_LEVEL = 24, 10  # characters of a name, of a storage level


def tables(side: Side, names: list[str]) -> RenderableType:
    """Both tables of a side; ``names``: every format, in the order of the figure."""
    models = {
        model: {name: formats[name] for name in names if name in formats}
        for model, formats in cases_by_format(side).items()
    }
    told = side.whose != "paper" and any(case.state or bandwidth(case) for case in side.cases)
    speed = [_speed(models)] if told else []
    return Group(Text(printable(f"{side.slot}, {whose(side)}"), "bold"), _seconds(models), *speed)


def _seconds(models: Mapping[str, Formats]) -> RenderableType:
    table = _table("model", "format", "loading, s", "±95 %", "n", "ratio", "total, s", "ratio ")
    for model, formats in models.items():
        for name, case in formats.items():
            loading, total = mean_seconds(case, QUANTITY), mean_seconds(case, TOTAL)
            default = formats.get(DEFAULT)
            ratios = [
                _ratio(found, mean_seconds(default, quantity) if default else None)
                for found, quantity in ((loading, QUANTITY), (total, TOTAL))
            ]
            cells = [
                _mean(loading),
                _half(loading),
                str(loading.n if loading else 0),
                ratios[0],
                _mean(total),
                ratios[1],
            ]
            table.add_row(_name(model), _name(name), *cells)
    return Group(table, Text(f"loading: {QUANTITY}; ratio: to {DEFAULT}"))


def _speed(models: Mapping[str, Formats]) -> RenderableType:
    table = _table("model", "format", "GB", "GB/s", "95 %", "n", "storage", "weights")
    for model, formats in models.items():
        compared = compare_weights(formats, DEFAULT)
        for name, case in formats.items():
            cells = ["–"] * 3 + ["0"]
            if loaded := bandwidth(case):
                rate = loaded.achieved
                cells = [f"{loaded.weight_bytes / 1e9:#.3g}", value_text(rate), interval_text(rate), str(rate.n)]
            storage = printable(case.state.get("storage", "–"), _LONGEST_LEVEL)
            table.add_row(_name(model), _name(name), *cells, storage, _weights(name, compared))
    said = "GB/s: of the weights' files, by the seconds of load_weights; weights: by their answers"
    return Group(table, Text(said))


def _weights(name: str, compared: Comparison) -> str:
    return "equal" if name in compared.alike else "NOT EQUAL" if name in compared.odd else "–"


def _table(*names: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        justify: Literal["left", "right"] = "left" if name in ("model", "format", "storage") else "right"
        # Where a row is too long for a terminal, the model's name gives way, not a number.
        table.add_column(name, justify=justify, no_wrap=name != "model", overflow="ellipsis")
    return table


def _name(text: str) -> Text:
    return Text(printable(text, _LONGEST))


def _ratio(above: Summary | None, below: Summary | None) -> str:
    return f"{above.mean / below.mean:.3f}" if above and below and below.mean else "–"


def _mean(summary: Summary | None) -> str:
    return f"{summary.mean:.3f}" if summary else "–"


def _half(summary: Summary | None) -> str:
    return f"{summary.half_width:.3f}" if summary and summary.half_width is not None else "–"
