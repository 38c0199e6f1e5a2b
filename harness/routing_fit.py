"""Whether every request of the loads fits into the engines: asked before anything is deployed."""

import math
from collections.abc import Iterable

from harness.errors import HarnessError
from harness.routing_load import MadeLoad
from harness.spec.routing import Replica


def check_fits(loads: Iterable[MadeLoad], engine: Replica) -> None:
    """The longest request, prompt and answer together, against what an engine takes.

    Raises:
        HarnessError: it is longer than the model's context or than the KV cache; the client would see it refused, or
            wait for it in vain.
    """
    longest = max(load.facts["trace"]["max_tokens"] for load in loads)
    if longest > engine.max_model_len:
        what = f"the longest request has {longest} tokens with its answer, engine.max_model_len is"
        raise HarnessError(f"{what} {engine.max_model_len}; give --set engine.max_model_len={longest}, or shorter ones")
    blocks = math.ceil(longest / engine.block_size)
    if engine.num_blocks is not None and blocks > engine.num_blocks - 1:  # the first one is vLLM's null block
        what = f"the longest request, {longest} tokens with its answer, needs {blocks} KV blocks, a replica has"
        raise HarnessError(f"{what} {engine.num_blocks - 1}; give --set engine.num_blocks={blocks + 1} or more")
