import io
import itertools
from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from rich.console import Console

from harness.analyse.phases import LEAVES, UNATTRIBUTED
from harness.analyse.startup import StartUp, startups
from harness.record.rows import Row
from harness.record.slot import Slot
from harness.show.startup import draw
from harness.show.startup_colours import looks
from harness.show.startup_print import tables
from harness.show.startup_text import caption, hardware, title
from harness.show.style import style
from tests.synthetic_slot import synthetic

Cases = list[tuple[Slot, list[StartUp]]]
SECONDS = st.just(0.0) | st.floats(1e-3, 100)


def cases(*options: dict[str, object]) -> Cases:
    out: Cases = []
    for number, option in enumerate(options):
        rows, manifest = synthetic(slot=f"node{number}", **option)  # type: ignore[arg-type]
        slot = Slot(tuple(rows), manifest)
        out.append((slot, startups(slot)))
    return out


def texts(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text() and text.get_visible()]


def words(figure: Figure) -> str:
    return " ".join(text.get_text() for text in texts(figure))


def boxes(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text drawn (keys inside blocks aside) with its place on the page in pixels."""
    figure.set_dpi(600)  # fine enough that rounding to pixels does not matter
    with style():
        renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
        figure.draw_without_rendering()
    not_drawn = {
        tick.label1
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    shown = [text for text in texts(figure) if len(text.get_text()) > 1 and text not in not_drawn]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in shown]


def assert_readable(figure: Figure) -> None:
    page = figure.bbox
    placed = boxes(figure)
    for text, box in placed:
        assert page.x0 <= box.x0, text
        assert box.x1 <= page.x1, text
        assert page.y0 <= box.y0, text
        assert box.y1 <= page.y1, text
    corners = [(text, box.extents.tolist()) for text, box in placed]  # plain numbers: the pairs are 10,000s
    for (one, (left, bottom, right, top)), (two, (left_2, bottom_2, right_2, top_2)) in itertools.combinations(
        corners, 2
    ):
        width = min(right, right_2) - max(left, left_2)
        height = min(top, top_2) - max(bottom, bottom_2)
        assert width < 1 or height < 8, f"{one!r} overlaps {two!r}"


SITUATIONS = {
    "warm-up and five": [{}],
    "only a warm-up": [{"measured": 0}],
    "one measured start": [{"measured": 1}],
    "no warm-up": [{"warmup": False}],
    "failed starts": [{"measured": 3, "bad": ["failed", "timeout"]}],
    "nothing ended ok": [{"measured": 0, "warmup": False, "bad": ["failed"]}],
    "a slot that does not tell the first token": [{"first_token": False}],
    "two nodes": [{}, {"seed": 1}],
    "three nodes": [{}, {"measured": 0}, {"warmup": False, "bad": ["killed"]}],
}


@pytest.mark.parametrize("options", SITUATIONS.values(), ids=SITUATIONS)
def test_no_text_overlaps_another_or_leaves_the_page(options: list[dict[str, object]]) -> None:
    assert_readable(draw(cases(*options)))


@settings(max_examples=15, deadline=None, phases=[Phase.generate])  # shrinking would redraw for minutes
@given(st.dictionaries(st.sampled_from(sorted(LEAVES)), SECONDS, min_size=1), st.floats(0.5, 100))
def test_any_partition_is_drawn_readably(phases: dict[str, float], unattributed: float) -> None:
    rows, manifest = synthetic(measured=2)
    model = {**phases, UNATTRIBUTED: unattributed}
    first = {row.run: row for row in rows}.values()
    mine: list[Row] = [
        replace(row, phase=leaf, seconds=seconds, source="span") for row in first for leaf, seconds in model.items()
    ]
    slot = Slot(tuple(mine), manifest)
    assert_readable(draw([(slot, startups(slot))]))


def test_the_figure_says_what_was_measured() -> None:
    said = words(draw(cases({"measured": 5, "bad": ["failed"]})))
    for fact in (
        "llama3-3b on vLLM 0.32.0",
        "structural twin (random weights)",
        "vllm-0.32.0-cpu",
        "Example CPU @ 2.50GHz, 2 CPUs, 8 GiB",
        "n=5",
        "95 % t interval",
        "1 measured run not averaged",
        "every phase runs on the CPU",
        "uncached, warm-up start",
        "cached, mean of 5 starts",
        "Not logged by this engine: detect_platform, llm_imports",
    ):
        assert fact in said.replace("\n", " "), fact


def test_unattributed_time_is_named_at_its_place_in_both_bars() -> None:
    pointers = [text.get_text() for text in texts(draw(cases({}))) if text.get_text().startswith("unattributed ")]
    assert pointers == ["unattributed 0.05 s", "unattributed 0.03 s"]


def test_the_first_token_comes_after_ready_and_is_in_no_total() -> None:
    ((slot, (startup,)),) = cases({"bad": ["failed"]})
    told = [run for run in slot.manifest["runs"] if run["kind"] == "measured" and run["status"] == "ok"]
    mean_s = sum(run["first_token_s"] for run in told) / len(told)
    summary, total = startup.first_token.by_kind["measured"], startup.total.by_kind["measured"]
    assert summary is not None
    assert total is not None
    assert (summary.n, summary.mean) == (5, pytest.approx(mean_s))
    assert total.mean == pytest.approx(
        sum(leaf.by_kind["measured"].mean for leaf in startup.leaves if leaf.by_kind["measured"])
    )
    figure = draw([(slot, [startup])])
    said = words(figure).replace("\n", " ")
    assert "after ready: first token" in said
    assert "in no block and no total" in said
    bars = next(axes for axes in figure.axes if "exec to ready" in axes.get_xlabel())
    after = [patch for patch in bars.patches if patch.get_hatch() == "...." and patch.get_linestyle() != "solid"]
    assert [round(patch.get_width(), 6) for patch in after][1] == round(mean_s, 6)
    assert after[1].get_x() > total.mean


def test_a_slot_without_first_tokens_is_drawn_without_them() -> None:
    found = cases({"first_token": False})
    assert "first token" not in words(draw(found))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(tables(found[0][0], found[0][1][0]))
    assert "first token" not in console.export_text()


def test_one_measured_start_has_no_interval_and_says_so() -> None:
    said = words(draw(cases({"measured": 1})))
    assert "n=1, so no interval" in said
    assert "±" not in said


def test_a_missing_bar_says_why_it_is_missing() -> None:
    assert "cached: not measured" in words(draw(cases({"measured": 0})))
    assert "cached: none of 2 counts" in words(draw(cases({"measured": 0, "bad": ["failed", "timeout"]})))


def test_several_slots_share_one_scale_and_are_named() -> None:
    figure = draw(cases({}, {"warmup": False}))
    limits = {axes.get_xlim() for axes in figure.axes if axes.get_xlabel()}
    assert len(limits) == 1
    assert "node0: llama3-3b" in words(figure)
    assert "node1: llama3-3b" in words(figure)


def test_a_gpu_engine_has_the_papers_gpu_dominant_steps_marked() -> None:
    rows, manifest = synthetic()
    manifest["cases"][0]["engine"]["pin"] = "vllm-0.10.1.1-cuda"
    manifest["node"]["gpu_uuids"] = ["GPU-1", "GPU-2"]
    slot = Slot(tuple(rows), manifest)
    said = words(draw([(slot, startups(slot))]))
    assert "kv_cache_profiling (GPU)" in said
    assert "load_weights (GPU)" not in said
    assert "2× GPU, Example CPU" in said


def test_a_real_model_is_not_called_a_twin() -> None:
    rows, manifest = synthetic()
    manifest["cases"][0]["model"]["twin"] = False
    slot = Slot(tuple(rows), manifest)
    assert "twin" not in words(draw([(slot, startups(slot))]))


def test_a_machine_without_known_facts_is_named_by_its_id() -> None:
    assert hardware({"id": "abc"}) == "node abc"


def test_no_two_blocks_of_a_full_stack_look_alike() -> None:
    names = [
        "imports:main",
        "imports:inspect",
        "imports:engine",
        "imports:worker",
        *LEAVES,
        "9 smaller phases",
        UNATTRIBUTED,
    ]
    made = looks(names)
    assert len({(look.colour, look.hatch) for look in made}) == len(names)
    assert looks(names) == made
    assert sum(look.colour == (0, 0, 0) for look in made) == 1  # black is unattributed alone


def test_the_printed_table_lists_every_leaf_in_80_columns() -> None:
    ((slot, (startup,)),) = cases({"bad": ["failed"]})
    console = Console(width=80, record=True, highlight=False, file=io.StringIO())
    console.print(tables(slot, startup))
    printed = console.export_text()
    assert "…" not in printed
    for leaf in startup.leaves:
        assert f" {leaf.name} " in printed
    for line in startup.log:
        assert f" {line.name} " in printed


def test_a_caption_calls_an_engine_without_a_pin_unpinned() -> None:
    ((slot, (startup,)),) = cases({})
    own = replace(startup, case={**startup.case, "engine": {"pin": None, "version": None}})
    assert "engine unpinned;" in " ".join(caption(slot, own))
    assert title(own).endswith("on vLLM ?")
