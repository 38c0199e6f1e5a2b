"""The paper's recorded logs as rows of ``paper.csv``: one figure's quantities of every start recorded for it."""

import re
from collections.abc import Iterator
from pathlib import Path

from harness.analyse.log_lines import START, read_lines
from harness.analyse.logs import QUANTITIES, quantities
from harness.errors import HarnessError
from harness.record import recorded_folder
from harness.record.bounded import UnreadableError
from harness.record.log_pieces import log_pieces
from harness.record.paper import PaperRow
from harness.record.recorded_folder import ONLY_SLOT, RecordedLog, recorded_logs

SHARED = "rest"  # the recording that several figures are drawn from
# What a figure of the shared recording takes from it; figure 17 takes everything, as every figure of its own does.
_ONE_QUANTITY = {
    "3": "tokenizer_init",
    "4": "load_weights",
    "5": "dynamo_transform_time",
    "6": "graph_compile_cached",
    "8": "graph_capturing",
}
_OF_SHARED = (*_ONE_QUANTITY, "17")
_SLOTS = {"10": ("gpu0", "gpu1"), "11": ("cpu0", "cpu1"), "13": ("case0", "case1")}
_MODEL_OF_RELEASES = "opt-6.7b"


def recording_of(figure: str) -> str:
    """The name of the folder that holds a figure's recording."""
    return f"figure-{SHARED if figure in _OF_SHARED else figure}"


def is_recorded(folder: Path) -> bool:
    """Whether the folder is laid out as the paper's recording of a figure (or as one slot of it)."""
    return recorded_folder.is_recorded(folder)


def recorded_rows(folder: Path, figure: str) -> list[PaperRow]:
    """Parse the logs of a recorded ``folder`` into the rows of ``figure``, by slot, model, setting and iteration.

    Raises:
        HarnessError: another figure's recording, no log in it, or a log without any line of a start; names the file.
    """
    if not figure.isdecimal():
        raise HarnessError(f"{folder}: the paper has no recording for figure {figure}; name a folder of its slots")
    wanted = recording_of(figure)
    name = folder.resolve().name
    if re.fullmatch(r"figure-(\d+|rest)", name) and name != wanted:
        raise HarnessError(f"{folder}: figure {figure} is drawn from {wanted}; give --data that folder")
    slots = _SLOTS.get(figure, (ONLY_SLOT,))
    try:
        logs = list(recorded_logs(folder, _MODEL_OF_RELEASES))
        rows = [row for log in logs if log.slot in slots for row in _rows(log, figure)]
    except UnreadableError as error:
        raise HarnessError(str(error)) from None
    except OSError as error:
        raise HarnessError(f"{error.filename or folder}: cannot read: {error.strerror}") from None
    if not rows:
        held = ", ".join(sorted({log.slot for log in logs})) or "no log"
        raise HarnessError(f"{folder}: nothing for figure {figure} (needs {' or '.join(slots)}; here: {held})")
    return sorted(rows, key=lambda row: (row.slot, row.model, row.setting, row.iteration, row.phase))


def stated_quantities(path: Path) -> dict[str, float | None]:
    """The paper's quantities of one start and, as ``start_s``, what its driver printed, from its log.

    Raises:
        UnreadableError: no line of a start in it; names the file.
        OSError: it cannot be read.
    """
    try:
        reading = read_lines(log_pieces(path))
    except UnreadableError as error:
        raise UnreadableError(f"{path}: {error}") from None
    stated = {**quantities(reading), START: reading.values.get(START)}
    if all(value is None for value in stated.values()):
        raise UnreadableError(f"{path}: no line of a vLLM start in it; copy it again, or take it away")
    return stated


def _rows(log: RecordedLog, figure: str) -> Iterator[PaperRow]:
    stated = stated_quantities(log.path)
    kind = "measured" if log.iteration else "warmup"
    for phase in _phases(figure):
        if (seconds := stated[phase]) is not None:
            yield PaperRow(figure, log.slot, log.model, log.setting, kind, log.iteration, phase, seconds)


def _phases(figure: str) -> tuple[str, ...]:
    if figure in _ONE_QUANTITY:
        return (_ONE_QUANTITY[figure],)
    # Figure 1's logs are of many releases, most of which state little else.
    return {"1": (START,), "12": (START, *QUANTITIES)}.get(figure, QUANTITIES)
