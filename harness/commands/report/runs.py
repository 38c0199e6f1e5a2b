"""The runs that the report explores: the store's, read one by one, and the source line of each piece's hook."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.analyse.explorer import Explored, explored
from harness.analyse.hook_spans import hooks_of_pieces, read_phase_spans
from harness.analyse.known_runs import KnownRun, run_of_store
from harness.analyse.systems import Record
from harness.analyse.timeline import Piece
from harness.commands.report.hooks import hook_places
from harness.record.run import RunFileError, read_run
from harness.record.select import run_folders
from harness.record.slotcheck import SlotError
from harness.record.tables import TIMELINE, read_table
from harness.workspace import Workspace

STUDY = "cold_start"
MOST_LINES = 40_000  # of span files that are decoded in all: a second


def stored_runs(workspace: Workspace) -> tuple[list[KnownRun], list[Record], list[str]]:
    """The store's runs, the records of their nodes and engines, and a line for each run that cannot be read."""
    runs: list[KnownRun] = []
    records: list[Record] = []
    problems: list[str] = []
    for case in sorted(workspace.runs.glob(f"*/{STUDY}/*")):
        for folder in run_folders(case):
            try:
                run = read_run(folder)
            except RunFileError as error:
                problems.append(str(error))
                continue
            runs.append(run_of_store(run, folder, _timeline(folder, problems)))
            records.append(Record(run.node, "measured here", run.engine, run.environment))
    return runs, records, problems


def _timeline(folder: Path, problems: list[str]) -> list[Piece]:
    """The pieces of a run; none where it has no timeline (it was never ready, or an older version made it)."""
    path = folder / TIMELINE.name
    if not path.exists():
        return []
    try:
        rows = read_table(TIMELINE, path)
    except SlotError as error:
        problems.append(str(error))
        return []
    return [Piece(float(begin), float(end), str(phase), str(process)) for begin, end, phase, process in rows]


def explored_runs(runs: Sequence[KnownRun], workspace: Workspace) -> list[Explored]:
    """Every run with something to explore; where its spans are at hand, with the hook that each piece comes from.

    Spans are read as far as ``MOST_LINES`` allow: of measured runs before warm-ups, whose compilers leave ten times as
    many, and of every case before any second time. In what is left a piece names the hooks of its phase.
    """
    spans_of = dict(_span_names(runs))
    found = []
    for run in runs:
        places = hook_places(run.pin, workspace)
        names = spans_of.get(run.key, [None] * len(run.pieces))
        hooks = [places.of(piece, name) for piece, name in zip(run.pieces, names, strict=True)]
        if (each := explored(run, hooks)) is not None:
            found.append(each)
    return found


def _span_names(runs: Sequence[KnownRun]) -> Iterator[tuple[tuple[str, str, str], list[str | None]]]:
    left = MOST_LINES
    for run in sorted(runs, key=_turn(runs)):
        if left > 0 and run.folder and run.pieces and run.window:
            spans, decoded = read_phase_spans(run.folder / "spans", run.window["exec_ns"], left)
            left -= decoded
            yield run.key, hooks_of_pieces(run.pieces, spans)


def _turn(runs: Sequence[KnownRun]) -> Callable[[KnownRun], tuple[bool, int]]:
    """Measured runs first, and every case's first before any second one."""
    seen: Counter[tuple[str, str, str]] = Counter()
    turn: dict[tuple[str, str, str], tuple[bool, int]] = {}
    for run in runs:
        turn[run.key] = (run.kind == "warmup", seen[run.node, run.case, run.kind])
        seen[run.node, run.case, run.kind] += 1
    return lambda run: turn[run.key]
