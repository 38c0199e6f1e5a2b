"""Reading within bounds: only regular files of a possible size, only JSON whose values can be kept."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.record.bounded import MAX_DEPTH, UnreadableError, parse_json, read_bounded


def refused(content: bytes) -> str:
    with pytest.raises(UnreadableError) as caught:
        parse_json(content)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_a_file_of_exactly_the_bound_is_read_and_a_larger_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_bounded(tmp_path / "file", 5) == b"12345"
    with pytest.raises(UnreadableError, match="5 bytes, it may have at most 4"):
        read_bounded(tmp_path / "file", 4)


def test_links_pipes_devices_and_folders_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")  # to open it would wait for a writer
    for path in (tmp_path / "link", tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(UnreadableError, match="not a regular file"):
            read_bounded(path, 100)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"NaN", "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (b"1e999", "too large for a number"),
        (b"123456789012345678901", "a number of 21 digits"),
        (b"1" * 5000, "a number of 5000 digits"),
        (b'"\\ud800"', "half of a character pair"),
        (b'{"\\udfff": 1}', "half of a character pair"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "nested deeper than 32"),
        (b"[" * 100_000, "nested deeper than 32"),
        (b"\xff\xfe", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"", "not JSON"),
        (b"{'a': 1}", "not JSON"),
    ],
)
def test_what_no_record_could_hold_is_refused_in_one_line(content: bytes, complaint: str) -> None:
    assert complaint in refused(content)


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(-1e300, 1e300) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(DOCUMENTS)
def test_every_document_that_can_be_kept_is_read_as_it_was_written(document: object) -> None:
    assert parse_json(json.dumps(document).encode()) == document


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    complaint = ""
    try:
        json.dumps(parse_json(content), allow_nan=False).encode()
    except UnreadableError as error:
        complaint = str(error)
    assert complaint.isprintable()
