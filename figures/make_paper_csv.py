"""Make every figure's paper.csv (and figure 12's paper-cores.csv) from the paper's recorded logs.

    python3 figures/make_paper_csv.py DIR [--out figures]

DIR is the folder that holds the recordings figure-1, figure-2, …, figure-rest. Only numbers derived from the logs are
written, with model names and engine options: no log line, host, user or path.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from harness.analyse.recorded import recorded_rows, recording_of  # noqa: E402
from harness.errors import HarnessError  # noqa: E402
from harness.record.atomic import write_text  # noqa: E402
from harness.record.paper import PAPER_CSV, paper_csv  # noqa: E402
from harness.record.paper_cores import PAPER_CORES_CSV, paper_cores_csv, recorded_cores  # noqa: E402
from harness.record.plain import printable  # noqa: E402
from harness.record.slotcheck import SlotError  # noqa: E402

FIGURES = [str(number) for number in range(1, 18) if number != 16]  # 16 is a drawing without data


def paper_files(recordings: Path) -> dict[str, bytes]:
    """Path below ``figures/`` → content.

    Raises:
        HarnessError, SlotError: a recording is absent or damaged; names the file.
    """
    files = {
        f"figure-{figure}/{PAPER_CSV}": paper_csv(recorded_rows(recordings / recording_of(figure), figure))
        for figure in FIGURES
    }
    files[f"figure-12/{PAPER_CORES_CSV}"] = paper_cores_csv(recorded_cores(recordings / recording_of("12")))
    return files


def main(arguments: list[str] | None = None) -> int:
    """Write the files; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make_paper_csv.py", description="Recorded logs → figures/figure-N/paper.csv")
    parser.add_argument("recordings", metavar="DIR", type=Path, help="holds figure-1, figure-2, …, figure-rest")
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path(__file__).resolve().parent)
    options = parser.parse_args(arguments)
    try:
        files = paper_files(options.recordings)
    except (HarnessError, SlotError) as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return HarnessError.exit_code
    try:
        for name, content in files.items():
            path = options.out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, content.decode())
    except OSError as error:
        print(f"error: {printable(str(error.filename or options.out))}: {error.strerror}", file=sys.stderr)
        return HarnessError.exit_code
    print(f"{len(files)} files, {sum(map(len, files.values())) / 1e6:.2f} MB, below {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
