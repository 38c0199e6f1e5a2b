"""An engine's log is read within bounds, and of a long one the beginning and the end."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.record.bounded import UnreadableError
from harness.record.logtext import MAX_LINE, read_log


def test_a_log_that_fits_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "engine.log").write_bytes("erste Zeile ü\r\nzweite\n".encode() + b"\xff")
    log = read_log(tmp_path / "engine.log")
    assert log.text == "erste Zeile ü\nzweite\n\ufffd"
    assert log.tail(2) == ["zweite", "\ufffd"]


@settings(deadline=None)
@given(lines=st.lists(st.text("abc", max_size=9), max_size=60), end_bytes=st.integers(20, 60))
def test_of_a_long_log_whole_lines_of_both_ends_are_read_and_the_rest_is_counted(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("logs") / "engine.log"
    content = "".join(line + "\n" for line in lines)
    path.write_text(content)
    log = read_log(path, end_bytes)
    if len(content) <= 2 * end_bytes:
        assert log.text == content
        return
    head, omitted, tail = re.split(r"\[(\d+) bytes of this log were not read\]\n", log.text)
    assert len(head) + len(tail) + int(omitted) == len(content)
    assert content.startswith(head)
    assert content.endswith(tail)
    assert head.endswith("\n")
    assert content[: len(content) - len(tail)].endswith("\n")
    assert max(len(head), len(tail)) <= end_bytes


def test_an_endless_line_is_quoted_in_part(tmp_path: Path) -> None:
    (tmp_path / "engine.log").write_text("begin\n" + "x" * 100_000 + "\nend\n")
    assert read_log(tmp_path / "engine.log").tail(2) == ["x" * MAX_LINE, "end"]
    log = read_log(tmp_path / "engine.log", 1000)
    assert log.text.startswith("begin\n[10")
    assert log.text.endswith("end\n")


def test_a_log_of_a_terabyte_is_read_in_a_moment(tmp_path: Path) -> None:
    with (tmp_path / "engine.log").open("wb") as file:
        file.write(b"first line\n")
        file.seek(1 << 40)
        file.write(b"\nlast line\n")
    log = read_log(tmp_path / "engine.log", 1 << 10)
    assert len(log.text) < (1 << 11) + 100
    assert log.tail(1) == ["last line"]


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "engine.log").symlink_to("/dev/zero")
    with pytest.raises(UnreadableError, match="not a regular file"):
        read_log(tmp_path / "engine.log")
