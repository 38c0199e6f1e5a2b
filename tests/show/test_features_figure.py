"""The feature matrix as it is drawn and printed: every case is there, refusals with their reason, twins said."""

import io
from typing import Any

import pytest
from matplotlib.text import Text
from rich.console import Console

from harness.record import feature_tables as names
from harness.record.study_slot import StudySlot
from harness.record.tables import Cell
from harness.show.features import feature_notes, feature_pages
from harness.show.study_command import StudySide
from harness.show.study_page import PAGE_IN
from harness.show.style import SMALLEST_PT, style

REASON = "AssertionError: Synthetic acceptance not supported with CPU sampling"
MODEL = "qwen2.5-0.5b-instruct (twin)"
MANIFEST: dict[str, Any] = {"slot": "node0", "node": {"id": "n", "cpu_model": "a CPU", "memory_bytes": 1 << 34}}

Rows = dict[str, list[tuple[Cell, ...]]]


def rows(repeats: int = 3, different: int = 0, largest: float = 3e-6, hours: float = 0.2, unlike: float = 0.0) -> Rows:
    """A baseline, a case that was measured and compared, and one that was refused."""
    runs: list[tuple[Cell, ...]] = []
    for repeat in range(1, repeats + 1):
        for feature in ("plain", "eagle"):
            what = (f"feature-{feature}-00000000", feature, repeat)
            runs += [(*what, names.CPU, 1.0 + repeat / 100, "s"), (*what, names.TOKENS_PER_STEP, 20.0, "tokens/step")]
        eagle = ("feature-eagle-00000000", "eagle", repeat)
        runs += [(*eagle, names.DRAFTS, 100.0, "drafts"), (*eagle, names.ACCEPTANCE, 0.25, "share"),
                 (*eagle, names.UNLIKE_FIRST, unlike, "answers")]  # fmt: skip
        runs += [(*eagle, f"{names.ACCEPTANCE_AT}{at}", share, "share") for at, share in ((1, 0.5), (2, 0.2))]
    compared: list[tuple[Cell, ...]] = []
    for metric in names.COMPARED:
        statistics = {names.SPEEDUP: 0.4, names.N: float(repeats), names.HOURS_APART: hours}
        if repeats > 1:
            statistics |= {names.SPEEDUP_LOW: 0.3, names.SPEEDUP_HIGH: 0.53}
        compared += [("eagle", "plain", metric, name, value) for name, value in statistics.items()]
    cases: list[tuple[Cell, ...]] = [
        ("plain", names.NOTHING, "as it is", MODEL, "short", names.OK, names.NOTHING, repeats, 0),
        ("eagle", "plain", "faster?", MODEL, "short", names.OK, names.NOTHING, repeats, 0),
        ("synthetic", "plain", "chosen?", MODEL, "short", names.REFUSED, REASON, 0, 1),
    ]
    counted = {names.ANSWERS: 200, names.IDENTICAL: 199 - different, names.NEAR_TIES: 1, names.DIFFERENT: different}
    told = counted | {names.NEAR_TIE: 0.001, names.LARGEST_DIFFERENCE: largest}
    outputs: list[tuple[Cell, ...]] = [("eagle", "plain", name, float(value)) for name, value in told.items()]
    tables = (cases, runs, compared, outputs)
    return {table.name: found for table, found in zip(names.FEATURE_TABLES, tables, strict=True)}


def side(tables: Rows) -> StudySide:
    return StudySide(StudySlot(MANIFEST, tables), "mine", "a CPU")


def printed(tables: Rows) -> str:
    out = Console(file=io.StringIO(), width=200)
    for note in feature_notes(side(tables)):
        out.print(note)
    return " ".join(out.file.getvalue().split())  # type: ignore[attr-defined]


@pytest.mark.parametrize("repeats", [1, 3])
def test_the_page_shows_every_case_and_is_readable(repeats: int):
    with style():
        (page,) = feature_pages(side(rows(repeats)))
        figure = page.draw()
        figure.canvas.draw()
        box = figure.get_tightbbox()
        assert 0 <= box.x0 < box.x1 <= PAGE_IN
        assert 0 <= box.y0 < box.y1 <= figure.get_figheight()
        shown = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
        assert min(text.get_fontsize() for text in shown) >= SMALLEST_PT
    words = " ".join(" ".join(text.get_text() for text in shown).split())
    for said in ("eagle", "synthetic", f"refused: {REASON}"[:60], "twin", f"n={repeats}", "95 %", "199 of 200"):
        assert said in words, said


def test_what_is_printed_says_how_answers_agree():
    said = printed(rows())
    assert "199/200 +1 ties" in said
    assert "0.40 [0.30, 0.53]" in said
    assert f"synthetic: refused, as declared: {REASON}" in said
    assert (
        "200 answers of 1 features were compared with their baseline's: 1 of them first differ at a near tie;" in said
    )


def test_answers_that_really_differ_are_said():
    assert "Answers differ from the baseline's where no near tie explains it: eagle 3." in printed(rows(different=3))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"largest": 6e-4}, "Log-probabilities differ by more than half of the near tie's tolerance: eagle 0.0006."),
        ({"hours": 30.0}, "Paired runs that started more than an hour apart (largest distance): eagle 30.0 h."),
        ({"unlike": 1.0}, "Answers were not the same in every repeat: eagle."),
    ],
)
def test_what_makes_a_comparison_doubtful_is_printed_and_drawn(changed: dict[str, float], said: str):
    assert said in printed(rows(**changed))  # type: ignore[arg-type]
    assert said.partition(":")[0] not in printed(rows())
    (page,) = feature_pages(side(rows(**changed)))  # type: ignore[arg-type]
    assert said in " ".join(page.caption)
    with style():
        figure = page.draw()
        figure.canvas.draw()
        assert figure.get_tightbbox().x1 <= PAGE_IN


def test_the_largest_difference_of_log_probabilities_is_printed():
    assert "log-probabilities differ by at most 3e-06 nats." in printed(rows())


def test_a_slot_without_features_has_no_page_and_no_note():
    empty: Rows = {table.name: [] for table in names.FEATURE_TABLES}
    assert feature_pages(side(empty)) == []
    assert feature_notes(side(empty)) == []
