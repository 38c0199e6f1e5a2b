"""The prefix-sharing figure: drawn from slots alone, readable, and saying whose data it shows and how it was made."""

import io
import shutil
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from rich.console import Console

from harness.show.sharing import PAGE_IN, PLOT, draw
from harness.show.study_command import study_plot_command, study_sides
from harness.show.style import SMALLEST_PT
from harness.workspace import Workspace
from tests.sharing_slot import made_slot

PLOT_FILE = Workspace().figure("sharing") / "plot.py"


def page(folder: Path) -> tuple[Figure, str, str]:
    """The figure, all its words, and what is printed."""
    figure, notes = draw(study_sides(PLOT, PLOT_FILE.parent, [folder]))
    words = [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]
    out = Console(file=io.StringIO(), width=80)
    for note in notes:
        out.print(note)
    return figure, " ".join(" ".join(words).split()), out.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_slot(tmp_path_factory.mktemp("figure") / "node0")


def test_it_says_whose_data_tokenizer_clock_n_and_intervals(slot: Path) -> None:
    figure, said, _ = page(slot)
    for part in (
        "on another machine (2 cores",
        "vllm-0.32.0-cpu",
        "300 generated dialogues",
        "arrivals Poisson at 2.0 dialogues/s",
        "Tokenizer: python-library-bpe.",
        "5 ms + 20 µs per prefill token",
        "not calibrated",
        "n=3 seeds",
        "95 % t interval",
        "Mooncake: conversation.jsonl",
        "of another, earlier trace",
    ):
        assert part in said, part
    assert figure.get_figwidth() == PAGE_IN
    assert len([axes for axes in figure.axes if axes.has_data()]) == 9


def test_no_text_is_smaller_than_print_can_carry_and_no_mark_up_is_shown(slot: Path) -> None:
    figure, said, _ = page(slot)
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= SMALLEST_PT
    figure.canvas.draw()
    labels = [label.get_text() for axes in figure.axes for label in axes.get_xticklabels() + axes.get_yticklabels()]
    assert not [label for label in [*labels, said] if "$" in label]


def test_without_mooncakes_trace_the_figure_says_how_to_get_it(tmp_path: Path) -> None:
    figure, said, printed = page(made_slot(tmp_path / "node0", mooncake=False))
    assert len(figure.axes) == 6
    assert "traces/mooncake_conversation_trace.jsonl, or name it with --trace" in said
    assert "published" not in printed


def test_somebodys_dialogues_are_named(tmp_path: Path) -> None:
    _, said, _ = page(made_slot(tmp_path / "node0", mooncake=False, file="talk.json"))
    assert "300 dialogues of talk.json" in said
    assert "n=3 seeds of arrivals" in said


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    _, said, printed = page(made_slot(tmp_path / "node0", repeats=1, mooncake=False))
    assert "n=1 seed: a replay is exact, so no interval." in said
    assert "±" not in printed


def test_the_printed_tables_compare_turns_and_published_ratios(slot: Path) -> None:
    _, _, printed = page(slot)
    assert "multi-turn against single-turn, unlimited cache, n=3 seeds" in printed
    rows = {line.split()[0]: line for line in printed.splitlines() if line.split()}
    assert "±" in rows["hit_ratio"]
    assert "0.51" in printed
    for source in ("published", "one pool", "vLLM"):
        assert source in printed
    assert "…" not in printed


def test_the_same_slot_gives_the_same_bytes(slot: Path, tmp_path: Path) -> None:
    drawn = []
    for name in ("a", "b"):
        assert study_plot_command(str(PLOT_FILE), PLOT, ["--data", str(slot), "--out", str(tmp_path / name)]) == 0
        drawn.append([(tmp_path / name / f"figure-sharing.{kind}").read_bytes() for kind in ("pdf", "png")])
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda slot: shutil.rmtree(slot), "no slot folder (data.csv, manifest.json) here; bash run_figure.sh sharing"),
        (lambda slot: (slot / "occupancy.csv").unlink(), "occupancy.csv"),
        (lambda slot: (slot / "manifest.json").write_text("[]"), "no manifest of schema 1; copy the slot again"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: object, message: str
) -> None:
    slot = made_slot(tmp_path / "data" / "node0", mooncake=False, repeats=1)
    spoil(slot)  # type: ignore[operator]
    out = tmp_path / "out"
    assert study_plot_command(str(PLOT_FILE), PLOT, ["--data", str(slot.parent), "--out", str(out)]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("error: ")
    assert message in said.err
    assert not out.exists()
