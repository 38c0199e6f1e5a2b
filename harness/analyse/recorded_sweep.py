"""A recorded sweep (the paper's layout) as sides: every start of every model, from its result files or its logs.

    iterations/{1..}/comparison_results.json   the values; a log that it does not list is parsed instead
    iterations/{1..}/output_*.txt
    uncached/…                                 the warm-up start, alike

A model is who ``models.yaml`` says it is: by its label, else by the name in the engine's configuration line of its log.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

from harness.analyse.dataset import CaseData, Repeat, Side, paper_node, paper_sides
from harness.analyse.logs import QUANTITIES
from harness.analyse.model_facts import name_in_models_yaml
from harness.analyse.recorded import stated_quantities
from harness.errors import HarnessError
from harness.record.bounded import UnreadableError
from harness.record.log_pieces import log_pieces
from harness.record.paper import PaperRow
from harness.record.plain import printable
from harness.record.recorded_folder import RESULTS, option_names, read_label, recorded_parts, repeats
from harness.record.recorded_results import is_file_name, read_results

_CONFIGURED = re.compile(r"model='([^'\n]{1,300})'")
_UNKNOWN_FIGURE = ""


@dataclass(frozen=True)
class _Recorded:
    """One start by its label, which is its log's file name."""

    label: str
    quantities: Mapping[str, float | None]


@dataclass(frozen=True)
class RecordedSweep:
    """The sides of a recorded folder, one for each slot. ``entries``: label's model → entry, where the log names it."""

    sides: list[Side]
    entries: dict[str, str]


def read_sweep(folder: Path) -> RecordedSweep:
    """Every start recorded in a folder, those that state nothing too.

    Raises:
        HarnessError: no start in it, or a file that cannot be used; names the file.
    """
    entries: dict[str, str] = {}
    silent: dict[str, list[CaseData]] = {}
    try:
        rows = [row for slot, part in recorded_parts(folder).items() for row in _rows(slot, part, entries, silent)]
    except UnreadableError as error:
        raise HarnessError(str(error)) from None
    except OSError as error:
        raise HarnessError(f"{error.filename or folder}: cannot read: {error.strerror}") from None
    if not rows:
        raise HarnessError(f"{folder}: no start in it; a sweep has iterations/<n>/{RESULTS} or logs output_model_*.txt")
    sides = {side.slot: side for side in paper_sides(rows, {})}
    for slot, cases in silent.items():
        side = sides.get(slot) or Side(slot, "paper", paper_node(slot), ())
        sides[slot] = replace(side, cases=(*side.cases, *cases))
    return RecordedSweep([sides[slot] for slot in sorted(sides)], entries)


def _rows(slot: str, part: Path, entries: dict[str, str], silent: dict[str, list[CaseData]]) -> Iterator[PaperRow]:
    """The quantities that each start states; what states none has no row and is put into ``silent``."""
    options = option_names(part)
    for iteration, repeat in repeats(part):
        kind = "measured" if iteration else "warmup"
        for start in _starts(repeat):
            model, setting = read_label(start.label, options) or ("", "")
            if not model:  # one start per vLLM release (figure 1): no sweep over models
                continue
            if name_in_models_yaml(model) is None and (named := _named_in_log(repeat / start.label)):
                entries.setdefault(model, named)
            if all(start.quantities.get(phase) is None for phase in QUANTITIES):
                case = CaseData(model, False, {}, {}, (Repeat(kind, str(iteration)),))
                silent.setdefault(slot, []).append(case)
            for phase in QUANTITIES:
                if (seconds := start.quantities.get(phase)) is not None:
                    yield PaperRow(_UNKNOWN_FIGURE, slot, model, setting, kind, iteration, phase, seconds)


def _starts(repeat: Path) -> Iterator[_Recorded]:
    listed: set[str] = set()
    if (repeat / RESULTS).is_file():
        for start in _results(repeat / RESULTS):
            listed.add(start.label)
            yield start
    for path in sorted(repeat.glob("output_model_*.txt")):
        if path.name not in listed:
            yield _Recorded(path.name, stated_quantities(path))


def _results(path: Path) -> Iterator[_Recorded]:
    try:
        results = read_results(path)
    except UnreadableError as error:
        raise UnreadableError(f"{path}: {error}") from None
    for at, label in enumerate(results.labels):
        if not is_file_name(label):
            raise UnreadableError(f"{path}: label {at + 1} is no file name ({printable(repr(label), 80)})")
        yield _Recorded(label, {name: _cell(path, name, column, at) for name, column in results.data.items()})


def _cell(path: Path, name: str, column: object, at: int) -> float | None:
    """One value; null and what is not finite is not stated."""
    if not isinstance(column, list) or at >= len(column):
        raise UnreadableError(f"{path}: '{printable(name, 60)}' has no value for label {at + 1}")
    value = column[at]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnreadableError(f"{path}: '{printable(name, 60)}' of label {at + 1} is no number")
    return float(value) if isfinite(value) else None


def _named_in_log(log: Path) -> str | None:
    if not log.is_file():
        return None
    for piece in log_pieces(log):
        if found := _CONFIGURED.search(piece):
            return name_in_models_yaml(found[1])
    return None
