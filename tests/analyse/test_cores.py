"""Core use: the paper's numbers, which start is shown, and what is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse import cores
from harness.analyse.cores import core_use, load_of, nearest_to_median, paper_core_use, sampled_starts
from harness.record.paper_cores import PAPER_CORES_CSV, read_paper_cores
from harness.record.slot import Slot, read_slot, write_slot
from harness.record.slotcheck import SlotError
from harness.record.tables import SLOT_TABLES, table_csv
from tests.sampled_slot import sampled
from tests.synthetic_slot import CACHED, CASE

PAPER = Path(__file__).resolve().parents[2] / "figures" / "figure-12" / PAPER_CORES_CSV


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Slot:
    folder = tmp_path_factory.mktemp("slots") / "node0"
    rows, manifest, tables = sampled()
    write_slot(folder, rows, manifest, tables)
    return read_slot(folder)


def test_the_papers_recording_keeps_one_of_64_threads_busy_and_bursts_three_times() -> None:
    load = load_of(paper_core_use(read_paper_cores(PAPER)))
    assert (load.intervals, load.cores) == (258, 64)
    assert (round(load.median, 3), round(load.mean, 3), round(load.share, 4)) == (1.087, 1.562, 0.0244)
    assert load.bursts_s == (0.3, 0.4, 2.3)
    assert load.median < load.usual < 10  # bursts are none of the usual


@given(
    st.lists(
        st.tuples(st.integers(1, 60), st.integers(0, 5), st.floats(0, 100)),
        min_size=1,
        unique_by=lambda sample: sample[:2],
    )
)
def test_busy_threads_are_the_sum_over_cores_at_each_time_in_any_order(samples: list[tuple[int, int, float]]) -> None:
    use = core_use([(number / 10, core, percent) for number, core, percent in samples])
    for time_s, busy in zip(use.times_s, use.busy, strict=True):
        assert busy == pytest.approx(sum(percent for number, _, percent in samples if number / 10 == time_s) / 100)
    assert use == core_use([(number / 10, core, percent) for number, core, percent in reversed(samples)])
    load = load_of(use)
    assert min(use.busy) <= load.median <= load.usual <= max(use.busy)


def test_the_start_that_is_shown_is_the_one_nearest_to_the_median(slot: Slot) -> None:
    starts = sampled_starts(slot)
    assert [(start.case, start.run, start.kind) for start in starts] == [
        (CASE, "warmup-0", "warmup"),
        (CASE, "1", "measured"),
        (CASE, "2", "measured"),
        (CASE, "3", "measured"),
    ]
    assert nearest_to_median(starts[1:]).run == "2"
    assert nearest_to_median(starts[2:]).run == "2"  # both as near: the earlier
    assert nearest_to_median(starts[3:]).run == "3"
    assert starts[2].ready_s == pytest.approx(sum(CACHED.values()))


def test_a_slot_without_tables_has_no_sampled_starts(slot: Slot) -> None:
    assert sampled_starts(Slot(slot.rows, slot.manifest)) == []
    assert sampled_starts(Slot(slot.rows, slot.manifest, {"cores.csv": slot.tables["cores.csv"]})) == []


def test_pieces_that_overlap_are_refused(slot: Slot) -> None:
    pieces = [(CASE, "1", "measured", *piece, "config", "main") for piece in ((0.0, 2.0), (1.0, 3.0))]
    tables = {**slot.tables, "timeline.csv": table_csv(SLOT_TABLES["timeline.csv"], pieces)}
    with pytest.raises(SlotError, match=f"pieces of {CASE} run 1 do not follow one another"):
        sampled_starts(Slot(slot.rows, slot.manifest, tables))


def test_more_samples_than_a_start_can_have_are_refused_before_memory_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SlotError, match="no start has so many"):
        paper_core_use([(1e9, 0, 5.0)])
    monkeypatch.setattr(cores, "MAX_SAMPLES", 8)
    with pytest.raises(SlotError, match="samples of 3 cores at 3 times"):
        core_use([(0.1, 0, 1.0), (0.2, 1, 1.0), (0.3, 2, 1.0)])
