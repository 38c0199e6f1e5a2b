"""Sentences of a figure's caption on runs that failed."""

from collections.abc import Callable, Sequence

from harness.record.tables import Cells

_REASON = 160  # characters of why a run failed
_NAMED = 4  # failed runs


def failed_run_sentences(runs: Sequence[Cells], nothing: str, name: Callable[[Cells], str]) -> list[str]:
    """The first few with their reason, and how many more there are. ``nothing``: a text of a row that is not there."""
    said = []
    for run in runs[:_NAMED]:
        reason = str(run["reason"])
        reason = reason if len(reason) <= _REASON else f"{reason[: _REASON - 1]}…"
        where = f" in {run['failed_in']}" if run["failed_in"] != nothing else ""
        why = f": {reason}" if reason != nothing else ""
        said.append(f"{name(run)} failed{where}{why.rstrip('.')}.")
    if more := runs[_NAMED:]:
        said.append(f"{len(more)} more failed runs are in runs.csv.")
    return said
