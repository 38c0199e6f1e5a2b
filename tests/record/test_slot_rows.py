import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.record.rows import COLUMNS, Row, from_csv, to_csv
from harness.record.slotcheck import KINDS, SOURCES, STATUSES, SlotError

ROW = Row("2", "node0", "case-1", "model", "1", "measured", "imports:main", 1.5, "span", "s1")
TEXT = st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), min_size=1, max_size=20)
ROWS = st.builds(
    Row,
    figure=TEXT,
    slot=TEXT,
    case=TEXT,
    model=TEXT,
    run=TEXT,
    kind=st.sampled_from(KINDS),
    phase=TEXT,
    seconds=st.floats(0, 1e9),
    source=st.sampled_from(SOURCES),
    session=TEXT | st.just(""),
    status=st.sampled_from(STATUSES),
)


@given(st.lists(ROWS, max_size=20))
def test_rows_read_back_equal_and_write_the_same_bytes_again(rows: list[Row]) -> None:
    content = to_csv(rows)
    back = from_csv(content, "data.csv")
    assert sorted(map(repr, back)) == sorted(map(repr, rows))
    assert to_csv(back) == content


@given(st.lists(ROWS, max_size=20), st.randoms())
def test_the_order_in_which_rows_come_does_not_change_the_file(rows: list[Row], rng: random.Random) -> None:
    shuffled = list(rows)
    rng.shuffle(shuffled)
    assert to_csv(shuffled) == to_csv(rows)


def test_the_header_begins_with_the_contracts_columns() -> None:
    header = to_csv([]).decode().strip()
    assert header.startswith("figure,slot,case,model,run,kind,phase,seconds,source")
    assert header.split(",") == list(COLUMNS)


def test_the_warm_up_comes_first_and_run_2_before_run_10() -> None:
    rows = [replace(ROW, run="10"), replace(ROW, run="2"), replace(ROW, run="warmup-0", kind="warmup")]
    assert [row.run for row in from_csv(to_csv(rows), "data.csv")] == ["warmup-0", "2", "10"]


def test_a_column_of_a_later_version_is_ignored() -> None:
    lines = to_csv([ROW]).decode().splitlines()
    later = f"{lines[0]},joules\n{lines[1]},7\n".encode()
    assert from_csv(later, "data.csv") == [ROW]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seconds", float("nan")),
        ("seconds", float("inf")),
        ("seconds", -0.5),
        ("seconds", 1e10),
        ("kind", "cold"),
        ("source", "guess"),
        ("status", "fine"),
        ("phase", ""),
        ("case", "two\nlines"),
    ],
)
def test_a_row_outside_the_contract_is_not_written(field: str, value: object) -> None:
    with pytest.raises(SlotError, match=field) as caught:
        to_csv([replace(ROW, **{field: value})])  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


GOOD = to_csv([ROW]).decode()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", ":1: columns must begin with figure,slot"),
        (b"a,b,c\n1,2,3\n", ":1: columns must begin with figure,slot"),
        (GOOD.replace("seconds,", "ms,").encode(), ":1: columns must begin with"),
        (GOOD.replace("status", "session").encode(), ":1: columns must begin with"),
        (GOOD.replace("1.5", "fast").encode(), ":2: seconds is not a number"),
        (GOOD.replace("1.5", "nan").encode(), ":2: seconds must be finite"),
        (GOOD.replace("1.5", "").encode(), ":2: seconds is not a number"),
        (GOOD.replace(",1.5", "").encode(), ":2: 10 fields, the header has 11"),
        (GOOD.replace("case-1", '"case\n1"').encode(), ":2: case must be printable"),
        (GOOD.replace("case-1", '"case').encode(), "not CSV"),
        (GOOD.encode() + b"\xff\xfe", "not CSV"),
    ],
)
def test_a_corrupt_file_is_refused_in_one_line_that_names_the_place(content: bytes, complaint: str) -> None:
    with pytest.raises(SlotError) as caught:
        from_csv(content, "data.csv")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_one_line_or_read(content: bytes) -> None:
    message = ""
    try:
        from_csv(content, "data.csv")
    except SlotError as error:
        message = str(error)
    assert len(message.splitlines()) <= 1
