"""Why a server ended, from its log: the error that ended it, not what libraries say when they go."""

from pathlib import Path

import pytest

from harness.measure.cause import said_last

FAREWELL = (
    "/usr/lib/python3.11/multiprocessing/resource_tracker.py:254: UserWarning: There appear to be 1 leaked objects"
)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (f"INFO starting\nValueError: no such model\n{FAREWELL}\n  warnings.warn('…')\n", "ValueError: no such model"),
        (f"ValueError: no\n{FAREWELL}\n  warnings.warn(\n", "ValueError: no"),
        ("(APIServer pid=7) OSError: [Errno 98] in use\n", "OSError: [Errno 98] in use"),
        ("INFO one\nkilled by somebody\n", "killed by somebody"),
        ("", "no message"),
    ],
)
def test_the_last_error_comes_before_the_last_line(tmp_path: Path, log: str, said: str) -> None:
    (tmp_path / "log").write_text(log)
    assert said_last(tmp_path / "log", 300) == said


def test_it_is_one_printable_line_of_so_many_characters(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("ValueError: \x1b[2J" + "x" * 1000)
    said = said_last(tmp_path / "log", 100)
    assert said.startswith("ValueError: \\x1b[2Jxx")
    assert len(said) <= 100


def test_a_log_of_a_terabyte_is_read_within_bounds(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        file.seek(1 << 40)
        file.write(b"\nRuntimeError: it ended\n")
    assert said_last(tmp_path / "log", 100) == "RuntimeError: it ended"


def test_a_log_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    assert said_last(tmp_path / "log", 200).startswith("its log cannot be read: ")
