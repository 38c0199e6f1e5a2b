"""Further tables: what is written reads back equal, and what a stranger wrote is refused in one line that names it."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.record.slotcheck import SlotError
from harness.record.tables import CORES, SLOT_TABLES, TIMELINE, parse_table, read_table, table_csv

core_rows = st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 65_535), st.floats(0, 100)), max_size=20)


def refused(content: bytes) -> str:
    with pytest.raises(SlotError) as caught:
        parse_table(CORES, content, "cores.csv")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@given(core_rows)
def test_a_table_reads_back_equal_to_the_bit(rows: list[tuple[float, int, float]]) -> None:
    assert parse_table(CORES, table_csv(CORES, rows), "cores.csv") == rows


def test_a_slots_table_has_case_run_and_kind_in_front() -> None:
    assert list(SLOT_TABLES["timeline.csv"].columns) == ["case", "run", "kind", *TIMELINE.columns]
    rows = [("a-1", "warmup-0", "warmup", 0.0, 1.5, "imports:main", "main")]
    assert parse_table(SLOT_TABLES["timeline.csv"], table_csv(SLOT_TABLES["timeline.csv"], rows), "x") == rows


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("nan,0,1", "time_s must be a number from 0 to 1000000000 (got 'nan')"),
        ("inf,0,1", "time_s"),
        ("1e999,0,1", "time_s"),
        ("-0.1,0,1", "time_s"),
        ("1_0,0,1", "time_s"),
        ("٣,0,1", "time_s"),
        ("0.1,1.5,1", "core must be a whole number from 0 to 65535 (got '1.5')"),
        ("0.1," + "9" * 5000 + ",1", "core must be"),
        ("0.1,70000,1", "core must be a whole number from 0 to 65535"),
        ("0.1,0,100.1", "percent must be a number from 0 to 100"),
        ("0.1,0,", "''"),
        ("0.1,0", "2 fields, the header has 3"),
        ('0.1,0,"1', "not CSV"),
    ],
)
def test_a_cell_that_cannot_be_is_refused_with_its_line(line: str, complaint: str) -> None:
    told = refused(b"time_s,core,percent\n0.1,0,5.0\n" + line.encode() + b"\n")
    assert complaint in told
    assert told.startswith("cores.csv")


@pytest.mark.parametrize("content", [b"", b"time_s,core\n", b"core,time_s,percent\n", b"\xff\xfe"])
def test_another_header_is_refused(content: bytes) -> None:
    assert "cores.csv" in refused(content)


@pytest.mark.parametrize("cell", ["", "a\x1b[2J", "x" * 301])
def test_text_that_cannot_be_printed_is_refused(cell: str) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([TIMELINE.columns, [0.0, 1.0, cell, "main"]])
    with pytest.raises(SlotError, match="phase must be printable text"):
        parse_table(TIMELINE, text.getvalue().encode(), "timeline.csv")


def test_a_file_that_is_absent_a_link_or_huge_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "cores.csv"
    with pytest.raises(SlotError, match=r"cores\.csv: cannot read: No such file"):
        read_table(CORES, path)
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(SlotError, match="it may have at most"):
        read_table(CORES, path)
    path.rename(tmp_path / "other")
    path.symlink_to(tmp_path / "other")
    with pytest.raises(SlotError, match="not a regular file"):
        read_table(CORES, path)
