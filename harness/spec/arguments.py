"""Engine arguments: figures declare them as the paper's release has them; a later release may spell one otherwise."""

from collections.abc import Mapping, Sequence
from typing import Any

CAPTURED = "cuda_graph_sizes"  # of vLLM 0.10.1.1


def spelt(parameters: Mapping[str, Any], spells: Mapping[str, str]) -> dict[str, Any]:
    """Engine arguments as the engine wants them. ``spells``: of its pin."""
    return {
        spells.get(name, name): captured_sizes(value) if name == CAPTURED and name in spells else value
        for name, value in parameters.items()
    }


def captured_sizes(given: int | Sequence[int]) -> list[int]:
    """The batch sizes that vLLM 0.10.1.1 captures graphs for when ``cuda_graph_sizes`` is ``given``.

    Of one value: 1, 2, 4 and the multiples of 8 up to it. Source: vLLM 0.10.1.1, ``vllm/config/__init__.py``,
    ``_set_cudagraph_sizes``. Sizes above ``max_num_batched_tokens`` are left out by every release afterwards.
    """
    sizes = [given] if isinstance(given, int) else list(given)
    return [1, 2, 4, *range(8, sizes[0] + 1, 8)] if len(sizes) == 1 else sorted(sizes)
