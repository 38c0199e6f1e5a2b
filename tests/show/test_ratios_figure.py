from dataclasses import replace
from typing import Any

import pytest
from matplotlib.patches import Rectangle

from harness.analyse.dataset import Side
from harness.record.slot import Slot
from harness.record.slotfacts import AT_ONCE
from harness.show.ratios import draw
from tests.recorded_sides import recorded_side
from tests.show.column_sides import LONG, case, data, flat, printed, side
from tests.show.test_startup_figure import assert_readable, words
from tests.storage_slot import storage_slot

CPU0 = side(case("qwen-0.5b"), case("llama3-3b"), case("yi-6b"), slot="cpu0")
CPU1 = side(case("llama3-3b", 0.8), case("yi-6b", 0.7), slot="cpu1", whose="merged", notes=("engines differ",))


def paper(figure: str, *slots: str) -> list[Side]:
    return [recorded_side(f"figure-{figure}/{slot}", figure, slot) for slot in slots]


SITUATIONS = {
    "two slots": [CPU0, CPU1],
    "one slot": [CPU0],
    "one model, one start": [side(case("yi-6b", n=1), slot="cpu0"), side(case("yi-6b", 30, n=1), slot="cpu1")],
    "no common model": [side(case("yi-6b"), slot="cpu0"), side(case("yi-9b"), slot="cpu1")],
    "a long name": [side(case(LONG), slot="cpu0"), side(slot="cpu1")],
}


@pytest.mark.parametrize("sides", SITUATIONS.values(), ids=SITUATIONS)
def test_no_text_overlaps_another_or_leaves_the_page(sides: list[Side]) -> None:
    assert_readable(draw(data("11", *sides))[0])


def test_the_papers_pair_is_drawn_beside_the_own_one_and_never_instead_of_it() -> None:
    figure, notes = draw(data("11", CPU0, CPU1, *paper("11", "cpu0", "cpu1")))
    assert_readable(figure)
    said = words(figure)
    assert "cpu1 / cpu0, this machine and merged" in said
    assert "cpu1 / cpu0, paper" in said
    assert "n3: 2× Xeon 8568Y+, H100 80 GB" in said
    assert printed(notes).count("framework_bootstrap  ") == 2


def test_a_slot_that_is_missing_is_asked_for_and_the_papers_is_drawn() -> None:
    figure, notes = draw(data("11", CPU0, *paper("11", "cpu0", "cpu1")))
    said = words(figure)
    assert "cpu1 missing: run bash run_figure.sh 11 1 on the other machine" in flat(printed(notes))
    assert "cpu1 / cpu0, paper" in said
    assert "this machine" not in said


def test_what_a_side_lacks_is_named_and_has_no_bar() -> None:
    figure, _ = draw(data("11", CPU0, CPU1))
    names = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "graph_capturing" not in names
    said = words(figure)
    assert "not drawn: graph_capturing" in said
    assert "qwen-0.5b (not in cpu1)" in said
    assert "engines differ" in said


def test_a_bar_is_as_long_as_the_ratio_that_stands_at_it() -> None:
    figure, notes = draw(data("10", *paper("10", "gpu0", "gpu1")))
    widths = [patch.get_width() for axes in figure.axes[1:] for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [round(width, 3) for width in widths] == [0.965, 1.006, 1.0, 0.999, 1.001, 1.0, 0.934, 1.197, 0.99]
    assert "1.20 ± 0.20" in words(figure)
    table = printed(notes)
    for model in ("falcon-7b", "llama2-13b-hf", "qwen-14b"):
        assert f" {model} " in table
    assert "…" not in table


@pytest.mark.parametrize(("second", "said"), [({"parallel": AT_ONCE}, True), ({}, False)])
def test_slots_that_were_measured_at_once_say_so(second: dict[str, object], said: bool) -> None:
    first = side(case("yi-6b", parallel=AT_ONCE), slot="gpu0")
    figure, _ = draw(data("10", first, side(case("yi-6b", 1.2, **second), slot="gpu1")))
    assert_readable(figure)
    assert ("Measured at once on one machine: each start began beside one" in flat(words(figure))) == said
    assert ("parallel measured at once on one machine / default" in flat(words(figure))) != said


def test_half_of_the_papers_recording_is_no_ratio() -> None:
    figure, notes = draw(data("10", *paper("10", "gpu0")))
    assert_readable(figure)
    assert "Only gpu0 of the paper's two slots is given" in printed(notes)


def test_different_arguments_of_the_papers_sides_are_said_not_refused() -> None:
    figure, notes = draw(data("13", *paper("13", "case0", "case1")))
    assert "qwen-14b: max_model_len 16752 / default" in words(figure)
    assert "not alike: qwen-14b: max_model_len 16752 / default" in printed(notes)


def pair(**case1: Any) -> list[Slot]:
    """Slots of figure 13 on one machine: weights in memory, and on a disk that gives 1 GB/s."""
    models = case1.get("models", ("llama3-3b",))
    made = storage_slot("case0", "ram", models, rate=4e9, disk=None), storage_slot("case1", "ssd", **case1)
    return [Slot(tuple(rows), manifest) for rows, manifest in made]


def test_the_disk_s_own_bandwidth_stands_beside_what_loading_achieves_of_it() -> None:
    figure, notes = draw(data("13", slots=pair()))
    assert_readable(figure)
    _, _, table = printed(notes).partition("weights, case0 and case1")
    (row,) = (line.split() for line in table.splitlines() if line.startswith(" llama3-3b "))
    assert len(row) == 9
    _, gb, memory, from_device, disk, all_from_device, probe, share, interval = row
    assert (gb, from_device, all_from_device) == ("2.00", "0", "100")
    assert (float(memory), float(disk), float(probe)) == pytest.approx((4.0, 0.8, 1.0), rel=0.1)
    low, high = map(float, interval.split("–"))
    assert low <= float(share) <= high
    assert float(share) == pytest.approx(float(disk) / float(probe), abs=0.02)
    said = flat(words(figure))
    assert (
        "Loading in case1 achieves of what the disk gives in a sequential read right before the start: llama3-3b"
        in said
    )
    assert f"llama3-3b {share} ({interval}); in brackets the 95 % t interval of the logarithms" in said


def test_of_many_models_the_caption_has_the_least_and_the_most_and_the_table_all() -> None:
    models = ("qwen-0.5b", "llama3-3b", "yi-6b", LONG)
    figure, notes = draw(data("13", slots=pair(models=models)))
    assert_readable(figure)
    assert "over 4 models" in flat(words(figure))
    _, _, table = printed(notes).partition("weights, case0 and case1")
    assert [line.split()[0][:20] for line in table.splitlines() if " 2.00 " in line] == [name[:20] for name in models]
    assert max(map(len, table.splitlines())) <= 80


def test_each_slot_s_storage_level_is_said_and_whether_it_was_proven() -> None:
    said = flat(words(draw(data("13", slots=pair()))[0]))
    assert "case0: ram (in memory, proven), case1: ssd (evicted, proven)." in said
    assert "storage ram / ssd" not in said  # it is what is compared, not a flaw
    said = flat(words(draw(data("13", slots=pair(holds=False)))[0]))
    assert "case0: ram (in memory, proven), case1: ssd (evicted, not proven)." in said
    rows, manifest = storage_slot("case1", "path:nvme-1a2b3c4d")
    said = flat(words(draw(data("13", slots=[pair()[0], Slot(tuple(rows), manifest)]))[0]))
    assert "case1: path:nvme-1a2b3c4d (evicted, on another disk, proven)." in said


def test_without_a_probe_no_share_is_told_and_without_certificates_no_table() -> None:
    figure, notes = draw(data("13", slots=pair(disk=None)))
    assert "of what the disk gives" not in flat(words(figure))
    assert "weights, case0 and case1" in printed(notes)
    bare = pair()
    for slot in bare:
        slot.manifest["certificates"].clear()
        for declared in slot.manifest["cases"]:
            del declared["state"]
    figure, notes = draw(data("13", slots=bare))
    for text in (words(figure), printed(notes)):
        assert "weights, case0" not in text
        assert "Storage of the weights" not in text


def sides() -> tuple[Side, ...]:
    return data("13", slots=pair()).own


def test_slots_of_other_comparisons_have_no_bandwidth_but_say_where_weights_were() -> None:
    figure, notes = draw(
        data("11", *(replace(each, slot=name) for each, name in zip(sides(), ("cpu0", "cpu1"), strict=True)))
    )
    assert "cpu0: ram (in memory, proven), cpu1: ssd (evicted, proven)." in flat(words(figure))
    assert "of what the disk gives" not in words(figure) + printed(notes)


def test_the_second_storage_can_be_measured_on_the_same_machine() -> None:
    (first, _) = sides()
    said = flat(printed(draw(data("13", first))[1]))
    assert "run bash run_figure.sh 13 1 here (or on another machine, and copy its figures/figure-13/case1 here)" in said
