"""The size of the traced graph, from what the tracer noted in each process."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.graph import graph_size
from harness.analyse.spans import Process, read_process
from tests.analyse.span_files import span, write_process


def process(folder: Path, pid: int, *sizes: tuple[int, int]) -> Process:
    spans = [
        span(f"graph{number}", 10 + number, 11 + number, graph_nodes=nodes, graph_code_bytes=code)
        for number, (nodes, code) in enumerate(sizes)
    ]
    return read_process(write_process(folder, pid, "worker", 0, 1, [span("load", 2, 3), *spans]))


def test_a_start_that_traced_no_graph_has_no_size(tmp_path: Path) -> None:
    assert graph_size([process(tmp_path, 7)]) is None
    assert graph_size([]) is None


def test_graphs_of_one_process_are_added_and_only_the_rank_with_the_largest_counts(tmp_path: Path) -> None:
    ranks = [process(tmp_path, 7, (100, 9000), (3, 50)), process(tmp_path, 8, (101, 9100)), process(tmp_path, 9)]
    assert graph_size(ranks) == {"nodes": 103, "code_bytes": 9050}


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**7)), min_size=1, max_size=4), st.integers(1, 4))
def test_more_ranks_that_trace_the_same_graphs_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, int]], ranks: int
) -> None:
    folder = tmp_path_factory.mktemp("spans")
    expected = {"nodes": sum(nodes for nodes, _ in sizes), "code_bytes": sum(code for _, code in sizes)}
    assert graph_size([process(folder, 7 + rank, *sizes) for rank in range(ranks)]) == expected


def test_a_size_that_cannot_be_costs_its_line(tmp_path: Path) -> None:
    damaged = process(tmp_path, 7, (-5, 10), (4, 20))
    assert damaged.malformed_lines == 2  # begin and end of the span
    assert graph_size([damaged]) == {"nodes": 4, "code_bytes": 20}
