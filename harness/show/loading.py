"""Figure 13's second view: how fast weights came from memory and from the disk, and how fast the disk itself is."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.analyse.bandwidth import Bandwidth, Mean, bandwidth
from harness.analyse.ratios import Comparison
from harness.record.plain import printable

_NAMED = 3  # so many models are named in the caption, of more the least and the most; the table has all


@dataclass(frozen=True)
class Loading:
    """One model's weights in both slots; ``base`` is None where its starts do not tell."""

    model: str
    base: Bandwidth | None
    other: Bandwidth


def loadings(comparison: Comparison) -> list[Loading]:
    """The compared models whose second slot tells of its weights."""
    base, other = ({case.model: bandwidth(case) for case in side.cases} for side in (comparison.base, comparison.other))
    return [
        Loading(model, base.get(model), found) for model in comparison.models if (found := other.get(model)) is not None
    ]


def in_words(comparison: Comparison, loading: Sequence[Loading]) -> list[str]:
    """A sentence: of what the disk gives, how much loading achieves; none where no start has a probe."""
    shares = [(each.model, each.other.share) for each in loading if each.other.share]
    if not shares:
        return []
    told = [f"{model} {_ratio(share)}" for model, share in shares]
    if len(shares) > _NAMED:
        shares.sort(key=lambda each: each[1].value)
        least, most = (f"{model} {_ratio(share)}" for model, share in (shares[0], shares[-1]))
        told = [f"from {least} to {most}, over {len(shares)} models"]
    return [
        f"Loading in {comparison.other.slot} achieves of what the disk gives in a sequential read right before"
        f" the start: {', '.join(told)}; in brackets the 95 % t interval of the logarithms."
    ]


def table(comparison: Comparison, loading: Sequence[Loading]) -> RenderableType:
    """Rates of every model, within 80 columns."""
    base, other = (printable(side.slot, 10) for side in (comparison.base, comparison.other))
    out = Table(box=SIMPLE_HEAD, pad_edge=False, padding=0)
    out.add_column("weights from…")
    for name in ("GB", f"{base}\nGB/s", "device\n%", f"{other}\nGB/s", "device\n%", "disk\nGB/s", f"{other}\n/ disk"):
        out.add_column(Text(name), justify="right", no_wrap=True)
    out.add_column("95 %", justify="right", no_wrap=True)
    for each in loading:
        cells = [_gb(each.other.weight_bytes), *_rate(each.base), *_rate(each.other)]
        cells += [_gb(each.other.possible.value) if each.other.possible else "–"]
        share = each.other.share
        cells += [_digits(share.value) if share else "–", _interval(share) if share else "–"]
        out.add_row(Text(printable(each.model, 24)), *cells)
    said = (
        "GB/s: bytes of the weights / seconds of load_weights; device %: of these bytes, read from the device\n"
        "disk: sequential read right before each start; means and interval of the logarithms"
    )
    return Group(Text(f"weights, {base} and {other}", "bold"), out, Text(said))


def _rate(found: Bandwidth | None) -> list[str]:
    if found is None:
        return ["–", "–"]
    read = "–" if found.read is None else _span(*(f"{100 * share:.0f}" for share in found.read))
    return [_gb(found.achieved.value), read]


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low}–{high}"


def _gb(amount: float) -> str:
    return _digits(amount / 1e9)


def _digits(value: float) -> str:
    """Two digits at least, of whatever size: a twin's weights may be a few kilobytes."""
    return f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.2g}"


def _ratio(share: Mean) -> str:
    return f"{_digits(share.value)}{f' ({_interval(share)})' if share.interval else ' (n=1)'}"


def _interval(share: Mean) -> str:
    return "n=1" if share.interval is None else "–".join(map(_digits, share.interval))
