"""``paper-cores.csv`` beside figure 12's plot.py: how busy each core was while the paper's recorded start ran."""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path

from harness.record.bounded import UnreadableError, parse_json, read_bounded
from harness.record.paper import read_lines
from harness.record.runcheck import MAX_SECONDS
from harness.record.slotcheck import SlotError

PAPER_CORES_CSV = "paper-cores.csv"
INTERVAL_S = 0.1  # between two samples of the recording
_COLUMNS = ("time_s", "core", "percent")
_MAX_BYTES = 8 << 20

CoreSample = tuple[float, int, float]  # seconds since the first sample, core, percent of it that was busy


def recorded_cores(folder: Path) -> list[CoreSample]:
    """The samples that are not zero, and the last, of a recording's ``cpu_usage.json``: one list of percents per time.

    Raises:
        SlotError: it is absent or damaged; names the file.
    """
    path = folder / "cpu_usage.json"
    try:
        times = parse_json(read_bounded(Path(os.path.realpath(path)), _MAX_BYTES))
        last = (len(times) - 1, len(times[-1]) - 1)  # kept even if idle: how long was sampled, and how many cores
        samples = [
            (round(number * INTERVAL_S, 1), core, float(percent))
            for number, cores in enumerate(times)
            for core, percent in enumerate(cores)
            if percent or (number, core) == last
        ]
    except OSError as error:
        raise SlotError(f"{path}: cannot read: {error.strerror}") from None
    except (UnreadableError, TypeError, ValueError, LookupError) as error:
        raise SlotError(f"{path}: not a list of lists of percents: {error}") from None
    if any(not 0 <= percent <= 100 for _, _, percent in samples):
        raise SlotError(f"{path}: a core is busy for less than 0 or more than 100 %")
    if not samples:
        raise SlotError(f"{path}: no sample in it; copy it again")
    return samples


def paper_cores_csv(samples: Iterable[CoreSample]) -> bytes:
    """The samples as CSV, in an order that depends on nothing but them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(sorted(samples))
    return text.getvalue().encode()


def read_paper_cores(path: Path) -> list[CoreSample]:
    """The samples of one paper-cores.csv. A time and core that it does not name was not busy.

    Raises:
        SlotError: one line that names the file, the line and what is wrong.
    """
    samples = []
    for number, line in read_lines(path, _COLUMNS, _MAX_BYTES):
        try:
            time_s, core, percent = line
            sample = (float(time_s), int(core), float(percent))
        except ValueError:
            raise SlotError(f"{path}:{number}: not a time, a core and a percentage") from None
        if not (0 <= sample[0] <= MAX_SECONDS and sample[1] >= 0 and 0 <= sample[2] <= 100):
            raise SlotError(f"{path}:{number}: a time and a core from 0 on, a percentage from 0 to 100")
        samples.append(sample)
    if not samples:
        raise SlotError(f"{path}: no sample in it; get the file from the repository again")
    return samples
