"""The paper's averages over the repeats of one start, from the quantities of each repeat; all values are seconds.

Sums are recomputed from the averaged steps, so an averaged sum is not the mean of the logged one: the averaged
``init_engine`` lacks what no step covers (0.4 to 0.5 s). The order of the additions is the paper's.
"""

from collections.abc import Mapping, Sequence

from harness.analyse.log_lines import INTERVALS
from harness.analyse.logs import QUANTITIES, TOTAL_PARTS, add

Quantities = Mapping[str, float | None]


def average(repeats: Sequence[Quantities]) -> dict[str, float | None]:
    """Averages of the repeats, given in their order. None = no repeat says; in a recomputed sum, absent counts as 0."""
    out = {name: _mean([repeat[name] for repeat in repeats]) for name in QUANTITIES}
    out["framework_bootstrap"] = add(out[name] for name in INTERVALS)
    out["model_loading"] = add([out["load_weights"], out["model_init"]])
    out["torch.compile"] = add([out["dynamo_transform_time"], out["graph_compile_general_shape"]])
    rest = add(out[name] for name in ("kv_cache_profiling", "graph_compile_cached", "graph_capturing"))
    out["init_engine"] = add([out["torch.compile"], rest])
    out["total_time"] = add(out[name] for name in TOTAL_PARTS)
    glue = _mean([_glue(repeat) for repeat in repeats])  # what the log's whole time has beyond the parts
    out["actual_total_time"] = None if glue is None else add([out["total_time"], glue])
    return out


def _glue(repeat: Quantities) -> float | None:
    whole, parts = repeat["actual_total_time"], repeat["total_time"]
    return None if whole is None or parts is None else whole - parts


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return add(present) / len(present) if present else None
