"""What figure 14 says of an own side in words: where weights were read from, whether all formats loaded the same."""

from collections.abc import Mapping

from harness.analyse.dataset import CaseData
from harness.analyse.formats import (
    LOADING,
    Comparison,
    Formats,
    compare_weights,
    load_rate,
    reads_past_page_cache,
    weight_bytes,
)
from harness.analyse.stats import Summary
from harness.record.plain import printable
from harness.spec.state import PATH

QUANTITY = "model_loading"  # what is drawn: model_init and load_weights
DEFAULT = "safetensors"  # what the others are compared with
ODD = "≠"  # at a bar whose start answered otherwise
_PLACES = {"ram": "memory", "tmpfs": "tmpfs (memory)", "ssd": "the disk", "as found": "wherever they were"}
_LONGEST_PLACE = 20  # characters


def place(case: CaseData) -> str | None:
    """Where the case's weights were read from; None where it does not say (slots from before 2026-11-28, the paper)."""
    storage = case.state.get("storage")
    return _PLACES.get(storage, f"disk {printable(storage.removeprefix(PATH), _LONGEST_PLACE)}") if storage else None


def places(models: Mapping[str, Formats]) -> dict[str, str]:
    """Format → where its weights were read from."""
    found: dict[str, list[str]] = {}
    for name, case in ((name, case) for formats in models.values() for name, case in formats.items()):
        if (said := place(case)) and said not in found.setdefault(name, []):
            found[name].append(said)
    return {name: " or ".join(said) for name, said in found.items()}


def gigabytes(formats: Formats) -> str:
    """How much the model's loaders read: one number, or the smallest and the largest; empty where nothing says."""
    sizes = [size for case in formats.values() if (size := weight_bytes(case))]
    if not sizes:
        return ""
    least, most = (f"{size / 1e9:#.3g}" for size in (min(sizes), max(sizes)))
    return f"{least} GB" if least == most else f"{least} to {most} GB"


def rate_text(rate: Summary) -> str:
    """The bytes per second at a bar."""
    digits = 2 if rate.mean >= 1e9 else 3
    spread = f" ± {rate.half_width / 1e9:.{digits}f}" if rate.half_width is not None else ""
    return f"{rate.mean / 1e9:.{digits}f}{spread} GB/s"


def own_sentences(models: Mapping[str, Formats]) -> list[str]:
    """What the caption of an own side says besides what every caption says."""
    rates = any(load_rate(case) for formats in models.values() for case in formats.values())
    rate = f"GB/s: bytes of the weights' files by the seconds of {LOADING} alone."
    return [*([rate] if rates else []), *_storage(models), *_weights(models)]


def _storage(models: Mapping[str, Formats]) -> list[str]:
    """Where the weights came from, and which formats cannot find them in memory."""
    found = places(models)
    by_place = {said: [name for name in found if found[name] == said] for said in dict.fromkeys(found.values())}
    each = [f"{said} ({', '.join(names)})" if len(by_place) > 1 else said for said, names in by_place.items()]
    cases = [(name, case) for formats in models.values() for name, case in formats.items()]
    direct = dict.fromkeys(name for name, case in cases if reads_past_page_cache(case))
    return [
        *([f"Weights were read from {' and from '.join(each)}."] if each else []),
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
