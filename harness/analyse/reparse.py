"""Read a recording's logs again and hold every value of its result files against what they say.

A value **matches** if both are null or both are the same IEEE double. It is **different** if log and recording state
different things. It is **missing** if there is nothing to hold it against: a key that one side lacks, an unknown key, a
label whose log is not there or cannot be read, a damaged file.
"""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from harness.analyse.averages import Quantities, average
from harness.analyse.log_lines import START, read_lines
from harness.analyse.logs import QUANTITIES, quantities, quantities_as_paper
from harness.analyse.tally import Tally
from harness.record.bounded import UnreadableError
from harness.record.log_pieces import log_pieces
from harness.record.plain import printable
from harness.record.recorded_folder import AVERAGES, RESULTS, folders_below, repeats
from harness.record.recorded_results import RecordedResults, is_file_name, read_results


class Stated(NamedTuple):
    """What a log says (or several, on average)."""

    ours: Quantities
    papers: Quantities  # as the paper's parser has them: ``quantities_as_paper``
    doubt: str = ""  # why it may not be the log that was recorded


# A label's quantities, or why there are none.
Lookup = Callable[[str], Stated | str]

_NO_LOG = "a label without a log"


def reparse(root: Path) -> Tally:
    """Compare every result file below ``root``: of single starts, and the averages of the repeats beside them.

    Raises:
        OSError: a folder cannot be read.
    """
    tally, logs = Tally(), _Logs()
    for here, files in folders_below(root):
        if RESULTS in files:
            _compare(here / RESULTS, root, [here], partial(logs.one, here), tally)
        if AVERAGES in files:
            counted = [path for number, path in repeats(here) if number and path.name != "iterations"]
            _compare(here / AVERAGES, root, counted, partial(logs.averaged, counted), tally)
    return tally


class _Logs:
    """What the logs say; each is read once, for its own values and for the averages."""

    def __init__(self) -> None:
        self._stated: dict[Path, Stated | str] = {}
        self._labels: dict[Path, list[Any]] = {}

    def one(self, folder: Path, label: str) -> Stated | str:
        """The quantities of one start, or why there are none."""
        path = folder / label
        if path not in self._stated:
            self._stated[path] = _read(path)
        return self._stated[path]

    def averaged(self, folders: list[Path], label: str) -> Stated | str:
        """The averages over the repeats that recorded this start."""
        found: list[Stated] = []
        for folder in folders:
            stated = self.one(folder, label)
            if not isinstance(stated, str):
                found.append(stated)
            elif stated != _NO_LOG or label in self._listed(folder):
                return stated  # without one of its repeats it would be another average
        if not found:
            return _NO_LOG if folders else "averages without iterations beside them"
        doubt = next((f"an average with {one.doubt}" for one in found if one.doubt), "")
        return Stated(average([one.ours for one in found]), average([one.papers for one in found]), doubt)

    def _listed(self, folder: Path) -> list[Any]:
        """The labels that a repeat's own results name."""
        if folder not in self._labels:
            try:
                self._labels[folder] = read_results(folder / RESULTS).labels
            except (UnreadableError, OSError):
                self._labels[folder] = []
        return self._labels[folder]


def _read(path: Path) -> Stated | str:
    try:
        reading = read_lines(log_pieces(path))
    except FileNotFoundError:
        return _NO_LOG
    except (UnreadableError, OSError) as error:
        return f"a log that cannot be read: {_said(error)}"
    ours, doubt = quantities(reading), ""
    if all(value is None for value in ours.values()):
        doubt = "a log without any line of a start"
    elif ours["init_engine"] is None and START not in reading.values:
        doubt = "a log that ends before the engine was ready (cut off, or the start failed)"
    return Stated(ours, quantities_as_paper(reading), doubt)


def _compare(path: Path, root: Path, folders: list[Path], lookup: Lookup, tally: Tally) -> None:
    """Hold one result file against the logs of ``folders``."""
    tally.files += 1
    name = str(path.relative_to(root))
    logs = {log.name for folder in folders for log in folder.glob("output_*.txt")}
    try:
        results = read_results(path)
    except (UnreadableError, OSError) as error:
        tally.miss(f"damaged result file: {_said(error)}", name, max(len(logs), 1) * len(QUANTITIES))
        return
    for at, label in enumerate(results.labels):
        stated = lookup(label) if is_file_name(label) else "a label that is no file name"
        for key in QUANTITIES:
            _compare_value(results, key, at, stated, f"{name}: {label}", tally)
    for key in sorted(results.data.keys() - set(QUANTITIES)):
        tally.miss(f"unknown key '{key}'", name, len(results.labels))
    for key, column in results.data.items():
        if key in QUANTITIES and isinstance(column, list) and len(column) > len(results.labels):
            tally.miss(f"{key}: more values than labels", name, len(column) - len(results.labels))
    for log in sorted(logs - {label for label in results.labels if isinstance(label, str)}):
        tally.because("a log that no label names (not counted)", f"{name}: {log}")


def _compare_value(results: RecordedResults, key: str, at: int, stated: Stated | str, where: str, tally: Tally) -> None:
    column = results.data.get(key)
    if key not in results.data:
        tally.miss(f"no key '{key}'", where)
    elif not isinstance(column, list) or at >= len(column):
        tally.miss(f"{key}: fewer values than labels", where)
    elif isinstance(stated, str):
        tally.miss(stated, where)
    else:
        recorded, ours = column[at], stated.ours[key]
        both = f"{where}: {key}: recorded {_shown(recorded)}, log {_shown(ours)}"
        if _equal(recorded, ours):
            tally.matched += 1
        elif _equal(recorded, stated.papers[key]):
            tally.matched += 1
            tally.because(
                f"{key}: matched by the paper's rules (0 for what a line or a sum lacks, intervals below 0)",
                both,
            )
        elif recorded is not None and not _is_number(recorded):
            tally.differ(f"{key}: recorded as something that is no number", both)
        else:
            tally.differ(stated.doubt or f"{key}: {'not in the log' if ours is None else 'different'}", both)


def _equal(recorded: Any, stated: float | None) -> bool:
    """Both null, or the same number as an IEEE double (0 is 0.0)."""
    if recorded is None or stated is None:
        return recorded is stated
    return _is_number(recorded) and float(recorded) == stated


def _is_number(value: Any) -> bool:
    return (isinstance(value, float) and math.isfinite(value)) or (type(value) is int and abs(value) < 1 << 63)


def _shown(value: Any) -> str:
    if isinstance(value, list | dict):  # of any size and depth
        return "a list" if isinstance(value, list) else "an object"
    return "null" if value is None else printable(repr(value), 40)


def _said(error: UnreadableError | OSError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else str(error)
