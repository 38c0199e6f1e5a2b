"""Means over a case's starts, with the paper's own way to average a total.

The paper averages each step over the repeats and then adds the averaged steps up again. Its lines for whole stages
(engine init, model loading) are dropped by that, and with them about half a second of a start that no step's own line
states. Its published totals (figures 10, 11, 13, 17) are such sums, so they are what its sides are drawn with here.
"""

from harness.analyse.dataset import MEASURED, TOTAL, CaseData, Repeat
from harness.analyse.stats import Summary, summarise

_BOOTSTRAP = ("detect_platform", "llm_imports", "get_model_info", "worker_init")
ALWAYS = ("load_weights", "model_init", "kv_cache_profiling", "tokenizer_init")  # in every start, and never in no time
_SOMETIMES = ("dynamo_transform_time", "graph_compile_general_shape", "graph_compile_cached", "graph_capturing")
STEPS = (*_BOOTSTRAP, *ALWAYS, *_SOMETIMES)
WHOLE = ("actual_total_time", "total_time")


def mean_seconds(case: CaseData, quantity: str) -> Summary | None:
    """The measured starts that state the quantity; the total is exec→ready, or the paper's averaged one."""
    found = (seconds(repeat, quantity) for repeat in case.repeats if repeat.kind == MEASURED)
    return summarise(value for value in found if value is not None)


def seconds(repeat: Repeat, quantity: str) -> float | None:
    """One start's part of the mean: its value, but the total of a start without spans in the paper's way."""
    return _paper_total(repeat) if quantity == TOTAL and not repeat.span else repeat.value(quantity)


def unstated(repeat: Repeat) -> tuple[str, ...]:
    """What the paper's total of an untraced start is made of, as far as its log does not state it."""
    return tuple(name for name in (*WHOLE, *ALWAYS) if name not in repeat.log)


def _paper_total(repeat: Repeat) -> float | None:
    """First to last log line, less what its stages took beyond their steps; None if a part of that is not stated.

    The mean of these over the repeats is the paper's sum of averaged steps + mean(actual_total_time - total_time).
    """
    log = repeat.log
    if unstated(repeat):
        return None
    steps = sum(log.get(name, 0.0) for name in STEPS)
    return log["actual_total_time"] - (log["total_time"] - steps)
