"""The phases that a start's forecast adds up, and the facts that each is a straight line over.

The facts are chosen by what the phase works on, once for all nodes and engines; ``benchmarks/results`` has the numbers
of other choices. Few terms each, because a node has measured few models.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.analyse.dataset import TOTAL, Repeat
from harness.analyse.paper_average import seconds
from harness.analyse.phases import COMPILE_LEAVES, GROUPS

LOAD, REMAINDER = "load_weights", "remainder"


@dataclass(frozen=True)
class Phase:
    """``logged``: log quantities whose sum it is; ``leaves``: span leaves; ``terms``: the line's, dearest last."""

    name: str
    logged: tuple[str, ...]
    leaves: tuple[str, ...]
    terms: tuple[str, ...]
    why: str


PHASES = (
    Phase(
        "framework_bootstrap",
        ("framework_bootstrap",),
        GROUPS["framework_bootstrap"],
        ("one",),
        "imports and processes are the same whatever the model",
    ),
    Phase(
        "tokenizer_init",
        ("tokenizer_init",),
        ("tokenizer_init", "renderer"),
        ("one", "tokenizer_mb"),
        "the tokenizer's file is parsed and its tables are built entry by entry",
    ),
    Phase("model_init", ("model_init",), ("model_init",), ("one", "layers"), "modules are constructed layer by layer"),
    Phase(
        LOAD,
        (LOAD,),
        (LOAD,),
        ("one", "checkpoint_gb"),
        "bytes over a bandwidth, after opening the files",
    ),
    Phase(
        "dynamo_transform_time",
        ("dynamo_transform_time",),
        ("dynamo_transform_time",),
        ("one", "layers"),
        "Dynamo traces the Python of every layer",
    ),
    Phase(
        "graph_compile",
        ("graph_compile_general_shape", "graph_compile_cached"),
        COMPILE_LEAVES,
        ("one", "layers"),
        "one piece of graph per layer is compiled, or loaded from the cache",
    ),
    Phase(
        "kv_cache_profiling",
        ("kv_cache_profiling",),
        ("weight_postprocess", "kv_cache_profiling", "kv_cache_alloc", "warmup", "sampler_warmup"),
        ("one", "checkpoint_gb"),
        "a dummy forward pass multiplies by every weight (traced starts: repacking and warm-up too)",
    ),
    Phase(
        "graph_capturing",
        ("graph_capturing",),
        ("graph_capturing",),
        ("one", "layers", "expert_layers"),
        "kernels are launched layer by layer, more of them in a layer of experts",
    ),
    Phase(
        REMAINDER,
        (),
        (),
        ("one", "tokenizer_mb"),
        "what no phase states; the engine builds the tokenizer again in there",
    ),
)
PHASE = {phase.name: phase for phase in PHASES}


def seconds_by_phase(repeat: Repeat) -> dict[str, float] | None:
    """A start's seconds of each phase that it states, ``remainder`` included: they sum to its total.

    None if the start does not state its total (the paper's averaged one, where it was not traced).
    """
    total = seconds(repeat, TOTAL)
    if total is None or total <= 0:
        return None
    out = {}
    for phase in PHASES:
        stated = _of_leaves(repeat.span, phase) if repeat.span else _of_log(repeat.log, phase)
        if stated:
            out[phase.name] = sum(stated)
    out[REMAINDER] = total - sum(out.values())
    return out


def _of_leaves(span: Mapping[str, float], phase: Phase) -> list[float]:
    return [seconds for leaf, seconds in span.items() if leaf.partition(":")[0] in phase.leaves]


def _of_log(log: Mapping[str, float], phase: Phase) -> list[float]:
    return [log[name] for name in phase.logged if name in log]
