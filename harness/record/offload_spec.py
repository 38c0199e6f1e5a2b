"""What describes KV offload to host memory, today's swap: a JSON object in a replay's parameters.

    {"cpu_blocks": n, "block_bytes": b, "bandwidth_bytes_s": w, "lazy": bool}

``cpu_blocks`` of the same size as the GPU's, counted as vLLM does: one of them is its null block, which holds nothing.
A transfer of k blocks takes k · b / w seconds, one after the other in each direction. ``lazy``: vLLM's connector stores
blocks only when they are about to be lost, not as soon as they are full.
"""

import math
from collections.abc import Mapping
from typing import Any

_MOST = 10**8


def check_offload(spec: Mapping[str, Any]) -> None:
    """Raises ValueError, in one line, for a parameter that is missing, unknown or out of its range."""
    names = ("cpu_blocks", "block_bytes", "bandwidth_bytes_s", "lazy")
    if set(spec) != set(names):
        raise ValueError(f"offload takes {', '.join(names)} (got {', '.join(spec)[:100] or 'nothing'})")
    for name in ("cpu_blocks", "block_bytes"):
        least = 2 if name == "cpu_blocks" else 1
        if type(spec[name]) is not int or not least <= spec[name] <= _MOST:
            raise ValueError(f"offload: {name} must be a whole number from {least} (got {str(spec[name])[:60]})")
    speed = spec["bandwidth_bytes_s"]
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not math.isfinite(speed) or speed <= 0:
        raise ValueError(f"offload: bandwidth_bytes_s must be a number above 0 (got {str(speed)[:60]})")
    if type(spec["lazy"]) is not bool:
        raise ValueError(f"offload: lazy must be true or false (got {str(spec['lazy'])[:60]})")
