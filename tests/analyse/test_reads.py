"""What a start read from block devices while it loaded weights."""

from typing import Any

import pytest

from harness.analyse.reads import load_read_bytes
from harness.analyse.spans import Process, Span


def process(*attrs: dict[str, Any]) -> Process:
    spans = [Span("load", 2, 3, 1, "work", each) for each in attrs]
    return Process(pid=1, parent_pid=0, role="worker", exec_ns=0, traced_ns=1, spans=spans)


LOAD = {"phase": "load_weights"}


@pytest.mark.parametrize(
    ("processes", "read"),
    [
        ([], None),
        ([process(LOAD)], None),  # a hook table without it
        ([process({**LOAD, "read_bytes": 0})], 0),  # nothing is not unknown
        ([process({**LOAD, "read_bytes": 7}, {"phase": "config", "read_bytes": 90}), process(LOAD)], 7),
        ([process({**LOAD, "read_bytes": 7}), process({**LOAD, "read_bytes": 8})], 15),  # two ranks
        ([process({**LOAD, "read_bytes": "7"})], None),
    ],
)
def test_only_loading_spans_count_and_every_process_does(processes: list[Process], read: int | None) -> None:
    assert load_read_bytes(processes) == read
