"""The phases that a start's forecast adds up, and the facts that each is a straight line over.

The facts are chosen by what the phase works on, once for all nodes and engines; ``benchmarks/results`` has the numbers
of other choices. Few terms each, because a node has measured few models.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.analyse.dataset import TOTAL, Repeat
from harness.analyse.paper_average import ALWAYS, STEPS, WHOLE, seconds, unstated
from harness.analyse.phases import COMPILE_LEAVES, GROUPS
from harness.record.runcheck import MAX_SECONDS

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
        ("weight_postprocess", "kv_cache_profiling", "kv_cache_alloc", "warmup", "kernel_warmup", "sampler_warmup"),
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
# Every quantity of a log that a phase or the total is made of.
_COUNTED = dict.fromkeys((*WHOLE, *STEPS, *(name for phase in PHASES for name in phase.logged)))


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


def fault_of(repeat: Repeat) -> str | None:
    """Why a start's seconds teach nothing, in a few words: an impossible duration, or no total; None: they do."""
    told = repeat.span or {name: repeat.log[name] for name in _COUNTED if name in repeat.log}
    for name, value in told.items():
        if not 0 <= value <= MAX_SECONDS or (value == 0 and name in (*ALWAYS, *WHOLE)):
            return f"no start takes {value:g} s for {name}"
    total = seconds(repeat, TOTAL)
    if total is None:
        return f"its total cannot be told: it states no {', '.join(unstated(repeat))}"
    longest = max((name for name in told if name not in WHOLE), key=lambda name: told[name])
    if not total > 0 or total < told[longest]:
        return f"its total, {total:.3g} s, is less than its {longest}, {told[longest]:.3g} s"
    return None


def _of_leaves(span: Mapping[str, float], phase: Phase) -> list[float]:
    return [seconds for leaf, seconds in span.items() if leaf.partition(":")[0] in phase.leaves]


def _of_log(log: Mapping[str, float], phase: Phase) -> list[float]:
    return [log[name] for name in phase.logged if name in log]
