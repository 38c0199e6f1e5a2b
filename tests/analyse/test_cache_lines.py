"""What a log says about caches: vLLM's own lines, and the paper's recording."""

import pytest

from harness.analyse.cache_lines import CacheLines, cache_lines
from tests.beside import RECORDED

LOADED = "INFO [backends.py:160] Directly load the compiled graph(s) for dynamic shape from the cache, took 4.1 s"
RANGE = (
    "INFO [backends.py:296] Directly load the compiled graph(s) for compile range (1, 8192) from the cache, took 1 s"
)
COMPILED = "INFO [backends.py:183] Compiling a graph for dynamic shape takes 20.1 s"
STORED = "INFO [backends.py:172] Cache the graph for dynamic shape for later use"
FOUND = "DEBUG [registry.py:1065] Loaded model info for class vllm.model_executor.models.opt.OPTForCausalLM from cache"
MISSED = "DEBUG [registry.py:1072] Cache model info for class vllm.x.OPTForCausalLM miss. Loading model instead."


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (LOADED, CacheLines(1, 0, 0, 0)),
        (RANGE, CacheLines(1, 0, 0, 0)),
        ("Directly load AOT compilation from path /x", CacheLines(1, 0, 0, 0)),
        (COMPILED, CacheLines(0, 1, 0, 0)),
        (STORED, CacheLines(0, 1, 0, 0)),
        (FOUND, CacheLines(0, 0, 1, 0)),
        (MISSED, CacheLines(0, 0, 0, 1)),
        ("Directly load the 3-th graph for dynamic shape from inductor via handle ('f', '/x')", CacheLines(0, 0, 0, 0)),
        ("", CacheLines(0, 0, 0, 0)),
    ],
)
def test_each_line_counts_as_what_it_says(line: str, found: CacheLines) -> None:
    assert cache_lines(line) == found


def test_of_the_129_recorded_starts_called_uncached_59_loaded_their_graphs_from_a_cache() -> None:
    recorded = RECORDED.need()
    logs = [*recorded.glob("**/uncached/output_*.txt"), *recorded.glob("figure-12/*_uncached.txt")]
    found = [cache_lines(path.read_text(encoding="utf-8", errors="replace")) for path in logs]
    assert (len(found), sum(lines.graphs_loaded > 0 for lines in found)) == (129, 59)
    assert not any(lines.graphs_loaded and lines.graphs_compiled for lines in found)
