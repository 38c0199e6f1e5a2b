"""Timed copies are written whole and read back; what is no list of copies is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.record.gpu_check import TRANSFERS, Copy, GpuCheckError, Transfers, copies_of, read_transfers

MADE = Transfers("a GPU", "2026-11-30T00:00:00+00:00", (Copy("pinned", 1 << 20, 0.001),))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    MADE.write(tmp_path)
    assert read_transfers(tmp_path) == MADE


@pytest.mark.parametrize(
    "changed",
    [
        {"schema_version": 2},
        {"device": None},
        {"copies": [{"memory": "pinned", "bytes": 0, "seconds": 1.0}]},
        {"copies": [{"memory": "pinned", "bytes": 1, "seconds": -1.0}]},
        {"copies": [{"memory": "pinned", "bytes": 1}]},
        {"copies": "none"},
    ],
)
def test_a_damaged_file_is_one_line_with_its_name(tmp_path: Path, changed: dict[str, Any]) -> None:
    MADE.write(tmp_path)
    path = tmp_path / TRANSFERS
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    with pytest.raises(GpuCheckError, match=TRANSFERS) as caught:
        read_transfers(tmp_path)
    assert "\n" not in str(caught.value)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_whatever_a_worker_says_is_copies_or_refused(said: Any) -> None:
    try:
        found = copies_of(said)
    except ValueError:
        return
    assert found == ()
    assert said == []
