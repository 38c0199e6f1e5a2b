"""Whether every request of the loads fits into the engines: asked before anything is deployed."""

from collections.abc import Iterable

from harness.commands.routing.load import MadeLoad
from harness.errors import HarnessError
from harness.spec.routing import Replica


def check_fits(loads: Iterable[MadeLoad], engine: Replica) -> None:
    """The longest request, prompt and answer together, against the context of an engine, which its KV cache holds.

    Raises:
        HarnessError: it is longer: vLLM would refuse its prompt, or cut its answer short and say nothing.
    """
    longest = max(load.facts["trace"]["max_tokens"] for load in loads)
    if longest > engine.max_model_len:
        what = f"the longest request has {longest} tokens with its answer, engine.max_model_len is"
        raise HarnessError(f"{what} {engine.max_model_len}; give --set engine.max_model_len={longest}, or shorter ones")
