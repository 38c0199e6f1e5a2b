"""What was typed of the KV head-room figure, checked: which part of the grid, from which files."""

from dataclasses import dataclass
from pathlib import Path

from experiments.kv_headroom.study import SEARCHES
from harness.commands.figure.replays import replaying_pin
from harness.commands.figure.studies import StudyCall
from harness.commands.sharing.workloads import mooncake_trace
from harness.errors import HarnessError
from harness.measure.inherited import caller_threads
from harness.progress import say
from harness.spec.headroom import Divided, Grid, HeadroomFigure, load_headroom
from harness.spec.models import find_model
from harness.spec.pin import Pin
from harness.traces.rows import MooncakeRow, read_trace
from harness.workspace import Workspace

_USUAL_THREADS = 1  # steps of small models: a second thread makes them uneven


@dataclass(frozen=True)
class Asked:
    """Part of the figure. ``trace``: Mooncake's; ``data``: somebody's dialogues; ``threads``: of the real engine."""

    figure: HeadroomFigure
    grid: Grid
    pin: Pin
    searches: tuple[str, ...]
    workloads: tuple[str, ...]
    data: Path | None
    trace: Path | None
    trace_memory: bool
    threads: int

    @property
    def unseen_seed(self) -> int:
        """Of the repeat that is never replayed: what is known of output lengths comes from it."""
        return max(self.grid.seeds) + 1


def asked_of(call: StudyCall, workspace: Workspace) -> Asked:
    """What the command line asks for.

    Raises:
        HarnessError: an unknown model, search, workload or engine, a workload without its trace, or OMP_NUM_THREADS
            that is no number of threads.
    """
    figure = load_headroom(call.figure, workspace)
    if call.models:
        for model in call.models:
            find_model(model)
        figure = figure.model_copy(update={"models": call.models})
    search = call.search or "all"
    if search not in SEARCHES:
        raise HarnessError(f"--search {search}: it is one of {', '.join(SEARCHES)}")
    if call.workload not in (None, *figure.workloads):
        raise HarnessError(f"--workload {call.workload}: it is one of {', '.join(figure.workloads)}")
    trace = mooncake_trace(call.trace, workspace)
    if trace is not None and not isinstance(next(read_trace(trace))[1], MooncakeRow):
        raise HarnessError(f"{trace}: a trace of recorded tokens, not of Mooncake's hash_ids; --data takes dialogues")
    if call.data is not None and not call.data.is_file():
        raise HarnessError(f"{call.data}: no such file; name dialogues as ShareGPT's JSON or JSONL with --data")
    names = [name for name in figure.workloads if call.workload in (None, name)]
    lacking = [name for name in names if trace is None and isinstance(figure.workloads[name], Divided)]
    if lacking and call.workload:
        raise HarnessError(
            f"--workload {call.workload}: it needs Mooncake's conversation_trace.jsonl; name it with --trace"
        )
    for name in lacking:
        say(f"workload {name} is left out: it needs Mooncake's conversation_trace.jsonl (--trace FILE)")
    return Asked(
        figure,
        figure.smoke if call.smoke else figure.full,
        replaying_pin(call.engine, call.figure, figure.engine),
        SEARCHES[search],
        tuple(name for name in names if name not in lacking),
        call.data,
        trace,
        call.trace_memory,
        caller_threads() or _USUAL_THREADS,
    )
