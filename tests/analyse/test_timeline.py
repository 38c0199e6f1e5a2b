"""The timeline of a start: the partition in the order of time, nothing lost."""

import operator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.analyse.partition import Partition, Segment, partition
from harness.analyse.spans import read_processes
from harness.analyse.timeline import RESOLUTION_NS, Piece, coarse, follow_one_another, phase_seconds, timeline
from tests.analyse.span_files import process_trees, write_process

TREES = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def timelines(draw: st.DrawFn) -> list[Piece]:
    """Pieces from 0 on, each up to 3 s long."""
    begin_s, pieces = 0.0, []
    for phase in draw(st.lists(st.sampled_from(["config", "imports:main", "unattributed"]), min_size=1, max_size=12)):
        end_s = begin_s + draw(st.floats(1e-6, 3.0))
        pieces.append(Piece(begin_s, end_s, phase, "main"))
        begin_s = end_s
    return pieces


@TREES
@given(tree=process_trees())
def test_a_timeline_has_no_hole_and_its_phases_are_the_partitions(
    tmp_path_factory: pytest.TempPathFactory, tree: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("spans")
    for process in tree:
        write_process(folder, **process)
    parts = partition(read_processes(folder), tree[0]["pid"], 1_000_000, 1_000_350)
    pieces = timeline(parts)
    assert follow_one_another(pieces)
    assert pieces[-1].end_s == parts.ready_s
    assert phase_seconds(pieces) == pytest.approx({leaf: s for leaf, s in parts.phases.items() if s}, abs=1e-12)
    told = [(piece.phase, piece.process) for piece in pieces]
    assert all(map(operator.ne, told, told[1:]))  # as few pieces as it takes


def alternating(lengths_ns: list[int]) -> Partition:
    """A partition that goes to and fro between two phases."""
    segments, begin_ns = [], 1_000
    for number, length_ns in enumerate(lengths_ns):
        leaf = ("config", "imports:main")[number % 2]
        segments.append(Segment(begin_ns, begin_ns + length_ns, 7, "main", leaf, None, ()))
        begin_ns += length_ns
    return Partition((begin_ns - 1_000) / 1e9, {}, {}, {}, segments, [], [])


@given(lengths_ns=st.lists(st.integers(1, 40_000_000), min_size=1, max_size=60))
def test_phases_that_alternate_faster_than_the_resolution_keep_their_time_and_nearly_their_place(
    lengths_ns: list[int],
) -> None:
    parts = alternating(lengths_ns)
    pieces = timeline(parts)
    assert follow_one_another(pieces)
    assert pieces[-1].end_s == parts.ready_s
    for leaf, seconds in phase_seconds(pieces).items():
        assert seconds == pytest.approx(sum(s.seconds for s in parts.segments if s.leaf == leaf), abs=1e-12)
    for piece in pieces:
        near = [(s.begin_ns - 1_000) / 1e9 - piece.end_s for s in parts.segments if s.leaf == piece.phase]
        assert any(begin_s < RESOLUTION_NS / 1e9 for begin_s in near)
    assert len(pieces) <= 2 * (parts.ready_s / (RESOLUTION_NS / 1e9) + 1)


def test_a_loop_of_thousands_of_imports_is_a_few_pieces() -> None:
    assert len(timeline(alternating([3_000, 7_000] * 3_000))) <= 6


@given(pieces=timelines(), width_s=st.floats(0.01, 2.0))
def test_a_coarse_timeline_covers_the_same_time_with_pieces_that_can_be_seen(
    pieces: list[Piece], width_s: float
) -> None:
    drawn = coarse(pieces, width_s)
    assert follow_one_another(drawn)
    assert drawn[-1].end_s == pytest.approx(pieces[-1].end_s)
    assert {piece.phase for piece in drawn} <= {piece.phase for piece in pieces}
    assert len(drawn) <= pieces[-1].end_s / width_s + 1


@given(pieces=timelines())
def test_a_phase_that_took_most_of_an_interval_is_what_is_drawn_of_it(pieces: list[Piece]) -> None:
    (drawn,) = coarse(pieces, 100.0)
    seconds = phase_seconds(pieces)
    assert seconds[drawn.phase] == max(seconds.values())


@pytest.mark.parametrize("begins_s", [(0.5, 1.0), (0.0, 1.5), (0.0, 0.5)])
def test_a_hole_an_overlap_or_a_late_begin_is_no_timeline(begins_s: tuple[float, float]) -> None:
    first_s, second_s = begins_s
    assert follow_one_another([])
    assert follow_one_another([Piece(0.0, 1.0, "config", "main"), Piece(1.0, 2.0, "config", "main")])
    assert not follow_one_another([Piece(first_s, 1.0, "config", "main"), Piece(second_s, 2.0, "config", "main")])
