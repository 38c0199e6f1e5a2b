from dataclasses import replace

import pytest
from matplotlib.patches import Rectangle

from harness.analyse.dataset import CaseData, Side
from harness.analyse.startup import PAPER_STEPS
from harness.record.slot import Slot
from harness.show.paper_steps import draw, share, steps, total
from tests.recorded_sides import recorded_side
from tests.show.column_sides import data, printed
from tests.show.test_startup_figure import assert_readable, words
from tests.synthetic_slot import synthetic

# Claim f2-total.
CLAIMED = {
    "detect_platform": 0.0154,
    "llm_imports": 1.3846,
    "get_model_info": 4.8426,
    "worker_init": 1.7168,
    "tokenizer_init": 0.29,
    "model_init": 0.138,
    "load_weights": 0.78,
    "dynamo_transform_time": 4.814,
    "graph_compile_cached": 4.2442,
    "kv_cache_profiling": 1.6878,
    "graph_capturing": 1.038,
}


@pytest.fixture(scope="module")
def paper() -> Side:
    return recorded_side("figure-2")


@pytest.fixture
def recorded(paper: Side) -> CaseData:
    (case,) = paper.cases
    return case


def own(**options: object) -> Slot:
    rows, manifest = synthetic(**options)  # type: ignore[arg-type]
    return Slot(tuple(rows), manifest)


def test_the_recorded_steps_and_their_sum_are_the_papers(recorded: CaseData) -> None:
    assert {step.name: round(step.seconds.mean, 4) for step in steps(recorded)} == CLAIMED
    sums = total(recorded)
    assert sums is not None
    assert (round(sums.mean, 3), sums.n) == (20.951, 5)


def test_cpu_dominated_steps_make_up_most_of_the_papers_start(recorded: CaseData) -> None:
    assert round(share(recorded, "CPU"), 2) == 0.87
    assert [step.name for step in steps(recorded) if step.mark == "GPU"] == ["kv_cache_profiling", "graph_capturing"]


def test_the_papers_bar_has_a_block_per_step_its_total_above_and_the_marks_below(paper: Side) -> None:
    figure, notes = draw(data("2", paper))
    assert_readable(figure)
    said = words(figure)
    assert "20.95 ± 0.14 s" in said
    assert "CPU-dominant, 87 %" in said
    assert "GPU-dominant, 13 %" in said
    (bars,) = (axes for axes in figure.axes if axes.get_xlabel())
    widths = [patch.get_width() for patch in bars.patches if isinstance(patch, Rectangle)]
    assert sum(widths) == pytest.approx(20.951, abs=1e-3)
    assert len(widths) == len(PAPER_STEPS)
    table = printed(notes)
    assert "20.951" in table
    assert "…" not in table


def test_own_starts_and_the_papers_share_one_scale_and_one_page(paper: Side) -> None:
    figure, notes = draw(data("2", paper, slots=[own()]))
    assert_readable(figure)
    said = words(figure)
    assert "this machine: llama3-3b on vLLM 0.32.0" in said
    assert "paper: llama3-3b on vLLM 0.10.1.1" in said
    assert len({axes.get_xlim() for axes in figure.axes if axes.get_xlabel()}) == 1
    assert len(notes) == 2


def test_without_the_papers_data_only_own_starts_are_drawn() -> None:
    figure, _ = draw(data("2", slots=[own(), own(slot="node1", seed=1)]))
    assert_readable(figure)
    assert "paper:" not in words(figure)
    assert "node0, this machine: llama3-3b" in words(figure)


def test_a_merged_slot_is_named_so_with_what_does_not_fit() -> None:
    told = data("2", slots=[own()])
    (side,) = told.own
    figure, _ = draw(replace(told, sides=(replace(side, whose="merged", notes=("engines differ",)),)))
    assert_readable(figure)
    assert "merged: llama3-3b on vLLM 0.32.0" in words(figure)
    assert "engines differ." in words(figure)


def test_a_start_that_lacks_a_step_is_in_no_sum_of_the_steps(recorded: CaseData) -> None:
    *others, last = [repeat for repeat in recorded.repeats if repeat.kind == "measured"]
    lacking = replace(last, log={name: s for name, s in last.log.items() if name != "load_weights"})
    sums = total(replace(recorded, repeats=(*others, lacking, replace(last, log={}))))
    assert sums == total(replace(recorded, repeats=tuple(others)))
    assert total(replace(recorded, repeats=(replace(last, log={}),))) is None
