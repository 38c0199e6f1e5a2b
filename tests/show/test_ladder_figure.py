import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import Rectangle

from harness.analyse.ladder import INTERACTION, Ladder, ladder
from harness.analyse.rungs import EVERYTHING, NOTHING, rungs_of
from harness.errors import HarnessError
from harness.record.slot import Slot, write_slot
from harness.show.command import figure_data, plot_command
from harness.show.ladder import draw
from harness.show.ladder_text import each_alone, first, saved_printed, starts_printed, sum_line
from harness.spec.figure import load_figure
from tests.ladder_slot import STATES, ladder_slot
from tests.show.column_sides import NODE, WORKSPACE, data, flat, printed
from tests.show.test_startup_figure import assert_readable, words

PLOT = WORKSPACE.figure("ladder") / "plot.py"
RUNGS = rungs_of(load_figure("ladder", WORKSPACE))


def slot(**options: Any) -> Slot:
    rows, manifest = ladder_slot(**options)
    return Slot(tuple(rows), manifest)


def found(**options: Any) -> Ladder:
    (side,) = data("ladder", slots=[slot(**options)]).own
    return ladder(RUNGS, RUNGS.cases(side.cases))


def drawn(one: Slot) -> str:
    """Everything that its figure says."""
    return flat(words(draw(data("ladder", slots=[one]))[0]))


@pytest.fixture(scope="module")
def said() -> str:
    return drawn(slot())


SITUATIONS: dict[str, dict[str, Any]] = {
    "five starts in rounds": {},
    "one start each": {"starts": 1},
    "starts that scatter more than anything saves": {"noise": 0.5, "rounds": False},
    "a rung is missing": {"without": ["weights"]},
    "the bottom is missing": {"without": ["nothing"]},
    "no start counts": {"without": STATES},
}


@pytest.mark.parametrize("options", SITUATIONS.values(), ids=SITUATIONS)
def test_the_figure_is_readable_in_one_column_and_the_tables_in_80(options: dict[str, Any]) -> None:
    figure, notes = draw(data("ladder", slots=[slot(**options)]))
    assert figure.get_size_inches()[0] == 3.5
    assert_readable(figure)
    assert "…" not in printed(notes)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), noise=st.floats(0, 0.5))
def test_the_printed_sum_adds_up_to_the_last_digit(seed: int, noise: float) -> None:
    line = sum_line(found(seed=seed, noise=noise, starts=2))
    whole = re.fullmatch(r"nothing (\S+) − everything (\S+) = (\S+) s = (.*)", line)
    assert whole
    nothing, everything, total = (float(text.replace("−", "-")) for text in whole.groups()[:3])
    signed = re.findall(r"([+−]?) ?(\d+\.\d\d) \(", whole[4])
    terms = [float(text) * (-1 if sign == "−" else 1) for sign, text in signed]
    assert len(terms) == len(RUNGS.kinds) + 1
    assert round(nothing - everything, 2) == total == round(sum(terms), 2)


def test_what_is_printed_is_what_was_computed_up_to_rounding() -> None:
    ladder = found()
    for key, saved in ladder.saved.items():
        worst = 0.005 * (2 * len(ladder.kinds) if key == INTERACTION else 2)
        assert saved_printed(ladder)[key] / 100 == pytest.approx(saved.start.seconds, abs=worst + 1e-9)
    assert starts_printed(ladder)[NOTHING] / 100 == pytest.approx(ladder.starts[NOTHING].ready.mean, abs=0.0051)


def test_the_operator_is_told_what_to_keep_first_with_seconds_interval_and_share(said: str) -> None:
    ladder = found()
    assert first(ladder) == "Keep first: compile cache."
    assert re.search(r"save: compile cache 3\d\.\d\d ± \d\.\d\d s \(4\d %\), libraries 1\d\.\d\d ±", each_alone(ladder))
    assert "Keep first: compile cache" in said
    assert flat(each_alone(ladder)) in said
    assert f"N{sum_line(ladder)[1:]}." in said


def test_what_the_intervals_do_not_tell_is_not_said() -> None:
    assert first(found(starts=1)) == "Keep first: compile cache, as far as single starts tell."
    assert first(found(noise=3, starts=2)) == "No kind alone shortens the start by more than its interval."
    rows, manifest = ladder_slot(rounds=False)
    like = {run["run"]: run for run in manifest["runs"] if "compile_cache" in run["case"]}
    shown = [row for row in rows if "libraries" not in row.case or row.run not in like]
    shown += [
        type(row)(**{**vars(row), "case": row.case.replace("compile_cache", "libraries")})
        for row in rows
        if "compile_cache" in row.case and row.kind == "measured"
    ]
    (side,) = data("ladder", slots=[Slot(tuple(shown), manifest)]).own
    alike = ladder(RUNGS, RUNGS.cases(side.cases))
    assert first(alike).endswith("(their difference is within its interval).")


def test_a_slot_in_the_middle_of_measuring_names_what_is_missing_and_prints_no_sum() -> None:
    figure, notes = draw(data("ladder", slots=[slot(without=["weights", "everything"], starts=3)]))
    said, told = flat(words(figure)), flat(printed(notes))
    for text in (said, told):
        assert "No sum: no measured start counts of weights, everything." in text
        assert "keep first is open: a state is missing" in text
        assert "(interaction)" not in text
    assert said.count("no measured start counts") == 3
    assert said.count("a start that it needs is missing") == 3
    assert re.search(r"libraries 1\d\.\d\d ± ", said)


def test_the_caption_says_machine_engine_starts_and_whether_the_weights_are_real(said: str) -> None:
    for fact in (
        "Measured on this machine (slot node0)",
        NODE,
        "vLLM 0.32.0",
        "Means of n=5 starts ± 95 % t interval",
        "structural twins (random weights)",
        "libraries all warm (in memory) / cold (evicted), weights ram (in memory) / ssd (evicted)",
        "differences within rounds of starts",
    ):
        assert fact in said, fact
    rows, manifest = ladder_slot(rounds=False, starts=2)
    for case in manifest["cases"]:
        case["model"] = {**case["model"], "twin": False}
    real = drawn(Slot(tuple(rows), manifest))
    assert "Welch's, of starts that are not paired" in real
    assert "Original weights." in real
    assert "twin" not in real


def test_bars_are_as_long_as_their_numbers_and_stand_in_the_declared_order() -> None:
    figure, _ = draw(data("ladder", slots=[slot()]))
    ladder = found()
    starts, saved = (axes for axes in figure.axes if axes.get_xlabel())
    for axes, expected in (
        (starts, [ladder.starts[key].ready.mean for key in RUNGS.states]),
        (saved, [ladder.saved[key].start.seconds for key in (*RUNGS.kinds, INTERACTION, EVERYTHING)]),
    ):
        rows: dict[float, float] = {}
        for patch in axes.patches:
            assert isinstance(patch, Rectangle)
            rows[patch.get_y()] = rows.get(patch.get_y(), 0.0) + patch.get_width()
        assert [rows[y] for y in sorted(rows)] == pytest.approx(expected)


def test_several_models_of_one_slot_are_ladders_of_their_own() -> None:
    rows, manifest = ladder_slot(starts=2)
    more, other = ladder_slot(starts=2, seed=1)
    renamed = [
        {**case, "case": f"x{case['case']}", "model": {"name": "yi-6b", "twin": True}} for case in other["cases"]
    ]
    runs = [{**run, "case": f"x{run['case']}", "run_id": f"x{run['run_id']}"} for run in other["runs"]]
    manifest["cases"] += renamed
    manifest["runs"] += runs
    both = (*rows, *(type(row)(**{**vars(row), "case": f"x{row.case}", "model": "yi-6b"}) for row in more))
    figure, notes = draw(data("ladder", slots=[Slot(both, manifest)]))
    assert_readable(figure)
    assert "start of llama3-3b by what is kept" in flat(words(figure))
    assert "start of yi-6b by what is kept" in flat(words(figure))
    assert printed(notes).count("interaction ") == 2


def test_the_figure_needs_no_data_of_the_paper(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not (PLOT.parent / "paper.csv").exists()
    bare = tmp_path / "figures" / "figure-ladder"
    bare.mkdir(parents=True)
    shutil.copy(PLOT.with_name("figure.yaml"), bare)
    with pytest.raises(HarnessError, match=r"no results for figure ladder yet: bash run_figure\.sh ladder"):
        figure_data("ladder", bare, [], allow_mismatch=False)
    write_slot(tmp_path / "node0", *ladder_slot())
    assert plot_command(str(PLOT), "ladder", draw, ["--data", str(tmp_path), "--out", str(tmp_path)]) == 0
    names = ["figure-ladder.pdf", "figure-ladder.png"]
    assert capsys.readouterr().out.splitlines()[-2:] == [str(tmp_path / name) for name in names]
    assert all((tmp_path / name).is_file() for name in names)


def test_a_recording_of_the_papers_is_no_ladder(tmp_path: Path) -> None:
    (tmp_path / "iterations" / "1").mkdir(parents=True)
    (tmp_path / "iterations" / "1" / "output_model_yi-6b.txt").write_text("a log")
    with pytest.raises(HarnessError, match="the paper has no recording for figure ladder"):
        figure_data("ladder", PLOT.parent, [tmp_path], allow_mismatch=False)
    with pytest.raises(HarnessError, match="the paper measured no ladder"):
        draw(data("ladder"))
