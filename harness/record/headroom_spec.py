"""What describes a head-room policy: a JSON object, the same for a replay and a real engine.

{"policy": "naive", "factor": o}                    ceil(n / 16 · o) blocks stay free, n sequences running
{"policy": "target", "blocks_per_sequence": b}      admit while all blocks / (n + 1) ≥ b
{"policy": "probabilistic", "sigmas": z, "of": "length" | "residual", "quantiles": […]}
                                                    what sequences are expected to grow by, and z sigmas more;
                                                    quantiles of output lengths, or of length − prediction
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

MAX_QUANTILES = 1001
MAX_TOKENS = 1_000_000  # of a length or of an error


def check_headroom(spec: Mapping[str, Any]) -> None:
    """Raises ValueError, in one line, for an unknown policy or a parameter that is missing, unknown or out of range."""
    given = dict(spec)
    name = given.pop("policy", None)
    if not isinstance(name, str) or name not in _PARAMETERS:
        raise ValueError(f"head-room policy {str(name)[:60]!r}: it is one of {', '.join(_PARAMETERS)}")
    known = _PARAMETERS[name]
    if given.keys() != known.keys():
        raise ValueError(
            f"head-room policy {name} takes {', '.join(known)} (got {', '.join(given)[:100] or 'nothing'})"
        )
    for parameter, (can_be, wanted) in known.items():
        if not can_be(given[parameter]):
            raise ValueError(f"head-room policy {name}: {parameter} {wanted} (got {str(given[parameter])[:60]})")


def _at_least(least: float) -> Callable[[Any], bool]:
    def can_be(value: Any) -> bool:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isfinite(value) and value >= least

    return can_be


def _are_lengths(value: Any) -> bool:
    right_size = isinstance(value, list | tuple) and 0 < len(value) <= MAX_QUANTILES
    return right_size and all(type(each) is int and abs(each) <= MAX_TOKENS for each in value)


# Policy → parameter → whether a value can be, and what it must be.
_PARAMETERS: dict[str, dict[str, tuple[Callable[[Any], bool], str]]] = {
    "naive": {"factor": (_at_least(0), "must be a number from 0")},
    "target": {"blocks_per_sequence": (_at_least(1), "must be a number from 1: a sequence holds a block at least")},
    "probabilistic": {
        "sigmas": (_at_least(0), "must be a number from 0"),
        "of": (lambda value: value in ("length", "residual"), "must be length or residual"),
        "quantiles": (
            _are_lengths,
            f"must be a list of 1 to {MAX_QUANTILES} whole numbers of at most {MAX_TOKENS:,} tokens",
        ),
    },
}
