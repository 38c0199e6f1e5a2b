"""A trained forecast as plain JSON values and back; no code is ever loaded from a stored one."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, get_args

from harness.analyse.forecast import Forecast
from harness.analyse.forecast_line import Line, Spread
from harness.analyse.forecast_phases import PHASE
from harness.analyse.forecast_range import Seen
from harness.analyse.forecast_starts import Cache, Start
from harness.analyse.forecast_states import State
from harness.analyse.model_facts import TERMS
from harness.record.store import canonical_sha256

# 1 (2026-11-29): first version.
# 2 (2026-11-29): factors and calibration_models are gone: what is stored was never carried to another node.
SCHEMA_VERSION = 2


def training_sha256(starts: Sequence[Start]) -> str:
    """Identity of training data: facts and seconds of every start, in any order."""
    told = sorted(canonical_sha256(asdict(start)) for start in starts)
    return canonical_sha256({"schema_version": SCHEMA_VERSION, "starts": told, "lines": _declared()})


def _declared() -> dict[str, list[str]]:
    """What each phase's line is over: other terms, another forecast."""
    return {name: list(phase.terms) for name, phase in PHASE.items()}


def to_document(forecast: Forecast) -> dict[str, Any]:
    """JSON values of a forecast that was not carried elsewhere: only those are stored."""
    return {name: value for name, value in asdict(forecast).items() if name != "calibration"}


def from_document(document: Any) -> Forecast:
    """The forecast in a document of this schema.

    Raises:
        ValueError: it is none.
    """
    try:
        forecast = Forecast(
            cache=_cache(document["cache"]),
            state=State(**document["state"]),
            models=tuple(document["models"]),
            lines={name: _line(line) for name, line in document["lines"].items()},
            total=_spread(document["total"]),
            seen=_seen(document["seen"]),
            bytes_per_entry=float(document["bytes_per_entry"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"not a stored forecast ({type(error).__name__}: {error})") from None
    if unknown := sorted(forecast.lines.keys() - PHASE.keys()):
        raise ValueError(f"not a stored forecast of this harness: phases {', '.join(unknown)}")
    return forecast


def _cache(value: Any) -> Cache:
    if value not in get_args(Cache):
        raise ValueError("no such compile-cache state")
    found: Cache = value
    return found


def _line(document: Any) -> Line:
    terms, coefficients = _terms(document["terms"]), tuple(float(each) for each in document["coefficients"])
    if len(terms) != len(coefficients):
        raise ValueError("not one coefficient per term")
    return Line(terms, coefficients, _spread(document["spread"]))


def _spread(document: Any) -> Spread:
    terms = _terms(document["terms"])
    inverse = tuple(tuple(float(each) for each in row) for row in document["inverse"])
    if any(len(row) != len(terms) for row in (*inverse, inverse)):
        raise ValueError("no square matrix over the terms")
    sd = None if document["sd"] is None else float(document["sd"])
    return Spread(terms, inverse, sd, int(document["freedom"]))


def _terms(value: Any) -> tuple[str, ...]:
    if not set(value) <= set(TERMS):
        raise ValueError("unknown terms")
    return tuple(value)


def _seen(document: Any) -> Seen:
    ranges = {name: (float(least), float(most)) for name, (least, most) in document["ranges"].items()}
    return Seen(ranges, tuple(document["kinds"]), tuple(document["load_formats"]))
