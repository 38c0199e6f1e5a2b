"""What an engine's log says about its caches: were compiled graphs and model facts found in them, or made anew?

The spans and the files say it too; where they disagree, a cache outside the sandbox was used, or a hook is wrong.
In the paper's recording 59 of 129 starts called uncached loaded their graphs from a cache; only these lines show it.
"""

import re
from dataclasses import dataclass

# vLLM 0.8 to 0.32: compilation/backends.py; caching of ahead-of-time compilation: compilation/decorators.py.
_LOADED = re.compile(r"Directly load (?:the compiled graph|AOT compilation)")
_COMPILED = re.compile(r"Compiling a graph for|Cache the graph .{0,80}for later use|saved AOT compiled function")
# vLLM 0.11 to 0.32: model_executor/models/registry.py.
_INFO_LOADED = re.compile(r"Loaded model info for class \S+ from cache")
_INFO_MISSED = re.compile(r"Cache model info for class \S+ miss")


@dataclass(frozen=True)
class CacheLines:
    """How many lines say so. Inductor without vLLM's back end (the CPU engine) writes none about graphs."""

    graphs_loaded: int
    graphs_compiled: int
    model_info_loaded: int
    model_info_missed: int


def cache_lines(log: str) -> CacheLines:
    """Count the lines of one start's log."""
    found = [len(pattern.findall(log)) for pattern in (_LOADED, _COMPILED, _INFO_LOADED, _INFO_MISSED)]
    return CacheLines(*found)
