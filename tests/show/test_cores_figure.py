"""Figure 12's drawing: panels for slots and for the paper, on one scale of time; what cannot be drawn is said."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from rich.console import Console

from harness.analyse.dataset import paper_sides, side_of_slot
from harness.errors import HarnessError
from harness.record.paper import PaperRow
from harness.record.slot import Slot, read_slot, write_slot
from harness.record.slotcheck import SlotError
from harness.show.command import FigureData, assemble
from harness.show.cores import draw
from harness.spec.figure import load_figure
from harness.workspace import Workspace
from tests.sampled_slot import RUNS, sampled
from tests.synthetic_slot import synthetic

FIGURE = load_figure("12", Workspace())
HERE = Workspace().figure("12")
PAPER = [PaperRow("12", "node0", "qwen-4b", "", "measured", 1, "actual_total_time", 27.9)]


def slot_of(folder: Path, name: str = "node0", cores: int = 2) -> Slot:
    rows, manifest, tables = sampled(name, cores, RUNS if cores < 64 else RUNS[2:3])
    write_slot(folder / name, rows, manifest, tables)
    return read_slot(folder / name)


def data_of(*slots: Slot, paper: bool = False, recorded: tuple[Path, ...] = ()) -> FigureData:
    own = [side_of_slot(slot, "mine", "a machine") for slot in slots]
    return FigureData(FIGURE, HERE, (*own, *paper_sides(PAPER if paper else [], {})), slots, recorded)


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for axes in figure.axes for text in axes.texts)


def printed(data: FigureData) -> str:
    console = Console(width=100, file=io.StringIO(), force_terminal=False)
    for note in draw(data)[1]:
        console.print(note)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def image(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=60, metadata={"Software": None})
    return file.getvalue()


def test_a_panel_says_which_start_it_shows_and_how_many_threads_were_busy(tmp_path: Path) -> None:
    data = data_of(slot_of(tmp_path))
    text = texts(draw(data)[0]).replace("\n", " ")
    assert "node0, this machine: llama3-3b twin, cached start, ready after 30.78 s" in text
    assert "run 2, of 3 cached starts the nearest to their median time to ready (30.78 s)" in text
    assert "of 2 (" in text
    assert "imports:worker  4.20 s" in text
    assert "unattributed  0.03 s" in text
    assert "307" in printed(data)  # samples


def test_two_slots_and_the_paper_share_one_scale_of_time(tmp_path: Path) -> None:
    figure, _ = draw(data_of(slot_of(tmp_path), slot_of(tmp_path, "node1", cores=64), paper=True))
    maps = [axes for axes in figure.axes if axes.get_ylabel() == "core"]
    assert [len(axes.collections) for axes in maps] == [1, 1, 1]
    assert len({axes.get_xlim() for axes in figure.axes if axes.get_ylabel()}) == 1
    assert len([axes for axes in figure.axes if axes.get_ylabel() == "phase"]) == 2  # the paper has no spans
    assert [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()] == [
        *["seconds since exec"] * 2,
        "seconds since the recording began",
    ]
    assert texts(figure).count("Grey: after its end.") == 1  # the slots' starts end together
    heights = [axes.get_window_extent().height for axes in maps]
    assert heights[0] < heights[1] == pytest.approx(heights[2])


def test_the_papers_panel_has_the_claims_numbers_and_the_heights_of_its_bursts() -> None:
    text = texts(draw(data_of(paper=True))[0])
    assert "median 1.09, mean 1.56 of 64 (2.4 % of the machine)" in text
    assert "in 3 of 258 samples" in text.replace("\n", " ")
    assert {"41", "49"} <= set(text.splitlines())


def test_a_recording_that_is_named_is_drawn_from_its_own_samples(tmp_path: Path) -> None:
    (tmp_path / "cpu_usage.json").write_text(json.dumps([[0.0, 0.0], [100.0, 0.0], [0.0, 50.0]]))
    assert "of 2 (25.0 % of the machine)" in texts(draw(data_of(paper=True, recorded=(tmp_path,)))[0])


def test_a_recording_without_a_sample_is_never_replaced_by_the_one_that_ships(tmp_path: Path) -> None:
    (tmp_path / "cpu_usage.json").write_text("[[]]")
    with pytest.raises(SlotError, match="no sample in it"):
        draw(data_of(paper=True, recorded=(tmp_path,)))


def gpu_slot(folder: Path, gpus: int = 1, without: tuple[str, ...] = ()) -> Slot:
    rows, manifest, tables = sampled(runs=RUNS[2:3], gpus=gpus)
    lines = tables["gpu.csv"].decode().splitlines(keepends=True)
    kept = [line for line in lines if not any(f",{quantity}," in line for quantity in without)]
    write_slot(folder / "node0", rows, manifest, {**tables, "gpu.csv": "".join(kept).encode()})
    return read_slot(folder / "node0")


def strips(figure: Figure) -> list[str]:
    return [axes.get_ylabel().replace("\n", " ") for axes in figure.axes if axes.get_ylabel()]


def test_the_gpus_of_a_start_lie_below_its_cores_on_the_same_time(tmp_path: Path) -> None:
    figure, _ = draw(data_of(gpu_slot(tmp_path)))
    assert strips(figure) == ["phase", "core", "busy threads", "busy %", "used GiB", "PCIe GB/s", "clock GHz"]
    assert len({axes.get_xlim() for axes in figure.axes if axes.get_ylabel()}) == 1
    (last,) = (axes for axes in figure.axes if axes.get_xlabel())
    assert last.get_ylabel() == "clock\nGHz"
    text = texts(figure).replace("\n", " ")
    told = (
        r"GPU 0 \(NVIDIA H200\): kernels ran 2\d % of the time; memory at most 120.6 GiB; at most 2[45].\d GB/s to it"
    )
    assert re.search(told, text)
    assert "SM clock at most 1980 MHz; held down 7.2 % of the time." in text
    assert image(figure)


def test_where_the_clock_was_held_down_its_strip_is_shaded(tmp_path: Path) -> None:
    (clock,) = (axes for axes in draw(data_of(gpu_slot(tmp_path)))[0].axes if axes.get_ylabel() == "clock\nGHz")
    edges = [patch.get_x() for patch in clock.patches if isinstance(patch, Rectangle)]
    assert min(edges) / 30.7 == pytest.approx(0.93, abs=0.01)


def test_what_the_driver_does_not_tell_has_no_strip_and_is_named(tmp_path: Path) -> None:
    figure, _ = draw(
        data_of(gpu_slot(tmp_path, without=("utilisation_percent", "memory_busy_percent", "sm_clock_mhz")))
    )
    assert strips(figure)[3:] == ["used GiB", "PCIe GB/s"]
    assert "not told: utilisation." in texts(figure).replace("\n", " ")


def test_two_gpus_are_told_apart(tmp_path: Path) -> None:
    figure, _ = draw(data_of(gpu_slot(tmp_path, gpus=2)))
    assert len(strips(figure)) == 3 + 2 * 4
    assert [line for line in texts(figure).splitlines() if line in ("GPU 0", "GPU 1")] == ["GPU 0"] * 4 + ["GPU 1"] * 4


def test_a_gpu_that_tells_nothing_leaves_the_figure_as_it_is_without_one(tmp_path: Path) -> None:
    rows, manifest, tables = sampled(runs=RUNS[2:3], gpus=1)
    head = tables["gpu.csv"].splitlines(keepends=True)[0]
    write_slot(tmp_path / "node0", rows, manifest, {**tables, "gpu.csv": head})
    assert strips(draw(data_of(read_slot(tmp_path / "node0")))[0]) == ["phase", "core", "busy threads"]


def test_a_start_in_which_nothing_was_busy_is_drawn(tmp_path: Path) -> None:
    slot = slot_of(tmp_path)
    head, *rows = slot.tables["cores.csv"].decode().splitlines()
    idle = "\n".join([head, *(f"{row.rpartition(',')[0]},0.0" for row in rows), ""])
    figure, _ = draw(data_of(replace(slot, tables={**slot.tables, "cores.csv": idle.encode()})))
    assert image(figure)  # an axis without extent would be a warning, and so an error here


def test_the_same_slot_makes_the_same_picture(tmp_path: Path) -> None:
    data = data_of(slot_of(tmp_path))
    assert image(draw(data)[0]) == image(draw(data)[0])


def test_a_slot_with_only_a_warm_up_shows_that(tmp_path: Path) -> None:
    rows, manifest, tables = sampled(runs=RUNS[:1])
    write_slot(tmp_path / "node0", rows, manifest, tables)
    text = texts(draw(data_of(read_slot(tmp_path / "node0")))[0])
    assert "uncached start, ready after 61.56 s" in text
    assert "run warmup-0, the only uncached start" in text


def test_a_slot_without_samples_is_named(tmp_path: Path) -> None:
    write_slot(tmp_path / "old", *synthetic(figure="12", slot="node1"))
    old = read_slot(tmp_path / "old")
    with pytest.raises(HarnessError, match="slot node1 has no samples of cores; measure again"):
        draw(data_of(old))
    assert "Slot node1 has no samples of cores and is not drawn." in printed(data_of(slot_of(tmp_path), old))


def test_awkward_names_are_drawn_harmless(tmp_path: Path) -> None:
    slot = slot_of(tmp_path)
    phase = "[red]$x^{2}$ 模型 " + "z" * 200
    tables = {**slot.tables, "timeline.csv": slot.tables["timeline.csv"].replace(b"renderer", phase.encode())}
    figure, _ = draw(data_of(replace(slot, tables=tables)))
    image(figure)  # a missing glyph or a bad formula would be an error here
    assert "模型" not in texts(figure)


def test_a_figure_that_does_not_draw_the_gpus_says_where_they_are(tmp_path: Path) -> None:
    slot = gpu_slot(tmp_path)
    for number, told in (("12", False), ("2", True)):
        figure = load_figure(number, Workspace())
        data = assemble(figure, Workspace().figure(number), [slot], [], (), False)
        assert any("trace RUN --perfetto" in note for note in data.own[0].notes) is told
