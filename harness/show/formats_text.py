"""What figure 14 says of an own side in words: how fast, from where, whether all formats loaded the same weights."""

from collections.abc import Mapping
from dataclasses import replace

from harness.analyse.bandwidth import Mean, bandwidth
from harness.analyse.dataset import CaseData, Side
from harness.analyse.formats import Comparison, Formats, cases_by_format, compare_weights, reads_past_page_cache
from harness.show.state_text import storage_levels

QUANTITY = "model_loading"  # what is drawn: model_init and load_weights
DEFAULT = "safetensors"  # what the others are compared with
ODD = "≠"  # at a bar whose start answered otherwise


def own_sentences(side: Side) -> list[str]:
    """What the caption of an own side says besides what every caption says."""
    models = cases_by_format(side)
    rate = (
        "GB/s: bytes of the weights' files / seconds of load_weights alone, in brackets the interval of the logarithms."
    )
    return [*([rate] if any(map(bandwidth, side.cases)) else []), *_storage(side, models), *_weights(models)]


def gigabytes(formats: Formats) -> str:
    """How much the model's loaders read: one number, or the smallest and the largest; empty where nothing says."""
    sizes = [found.weight_bytes for case in formats.values() if (found := bandwidth(case))]
    if not sizes:
        return ""
    least, most = (f"{size / 1e9:#.3g}" for size in (min(sizes), max(sizes)))
    return f"{least} GB" if least == most else f"{least} to {most} GB"


def rate_text(rate: Mean) -> str:
    """The bytes per second at a bar."""
    interval = f" ({interval_text(rate)})" if rate.interval else ""
    return f"{value_text(rate)}{interval} GB/s"


def value_text(rate: Mean) -> str:
    """A rate in GB/s."""
    return _per_s(rate.value, rate)


def interval_text(rate: Mean) -> str:
    """The interval of a rate in GB/s; a dash where a single start has none."""
    return "–".join(_per_s(end, rate) for end in rate.interval) if rate.interval else "–"


def levels(side: Side) -> dict[str, str]:
    """Format → the storage level that its starts declare; without those that declare none (older slots)."""
    found: dict[str, dict[str, None]] = {}
    for formats in cases_by_format(side).values():
        for name, case in formats.items():
            if declared := case.state.get("storage"):
                found.setdefault(name, {})[declared] = None
    return {name: ", ".join(declared) for name, declared in found.items()}


def _per_s(amount: float, rate: Mean) -> str:
    return f"{amount / 1e9:.{2 if rate.value >= 1e9 else 3}f}"


def _storage(side: Side, models: Mapping[str, Formats]) -> list[str]:
    """Where the weights were, said of each format where that differs; and which formats cannot find them in memory."""
    cases: dict[str, list[CaseData]] = {}
    for formats in models.values():
        for name, case in formats.items():
            cases.setdefault(name, []).append(case)
    apart = len(set(levels(side).values())) > 1
    each = [replace(side, slot=name, cases=tuple(found)) for name, found in cases.items()] if apart else [side]
    direct = [name for name, found in cases.items() if any(map(reads_past_page_cache, found))]
    return [
        *storage_levels(*each),
        *(f"{name} reads with O_DIRECT, past the page cache: it has no warm case." for name in direct),
    ]


def _weights(models: Mapping[str, Formats]) -> list[str]:
    """Whether each model's formats loaded the same weights; models of which the same is to be said together."""
    together: dict[Comparison, list[str]] = {}
    for model, formats in models.items():
        if len(formats) > 1:
            together.setdefault(compare_weights(formats, DEFAULT), []).append(model)
    lead = {
        "equal": "Weights equal as far as greedy answers tell",
        "different": f"{ODD} Weights not equal by their answers",
        "not compared": "Weights not compared",
    }
    said = []
    for found, names in together.items():
        which = f" ({', '.join(names)})" if len(names) < len(models) else ""
        said.append(f"{lead[found.verdict]}{which}: {found.said}.")
    return said
