"""A log of any size is read in pieces of whole lines."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.record import log_pieces as module
from harness.record.bounded import UnreadableError
from harness.record.log_pieces import log_pieces


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(max_size=30) | st.just(b"x" * 200), max_size=30), st.integers(1, 40))
def test_pieces_are_the_text_cut_at_line_ends_unless_a_line_is_endless(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], size: int
) -> None:
    path = tmp_path_factory.mktemp("logs") / "x.txt"
    path.write_bytes(b"\r\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PIECE", size)
        patch.setattr(module, "_LONGEST_LINE", 100)
        pieces = list(log_pieces(path))
    assert "".join(pieces) == path.read_text(encoding="utf-8", errors="replace")
    assert all(piece.endswith("\n") or len(piece) > 100 for piece in pieces[:-1])
    assert max(map(len, pieces)) <= 100 + 2 * size


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_what_is_no_regular_file_is_not_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.txt"
    {"link": lambda: path.symlink_to("/dev/zero"), "folder": path.mkdir, "pipe": lambda: os.mkfifo(path)}[kind]()
    with pytest.raises(UnreadableError, match="not a regular file"):
        list(log_pieces(path))
