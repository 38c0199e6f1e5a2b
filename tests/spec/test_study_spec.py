"""Figures of starts and those of other studies are told apart by their declaration's study line."""

from pathlib import Path

import pytest

from harness.commands.figure.studies import STUDIES
from harness.errors import HarnessError
from harness.spec.figure import figure_numbers, load_figure
from harness.spec.sharing import load_sharing
from harness.spec.study import OTHERS, declared_figures, other_studies, study_of
from harness.workspace import Workspace


@pytest.mark.parametrize(
    ("text", "study"),
    [
        ("figure: x\nstudy: prefix_sharing\n", "prefix_sharing"),
        ("study: 'prefix_sharing' # quoted\n", "prefix_sharing"),
        ("study: warm_start\n", "cold_start"),  # whose loader names the field
        ("study: cold_start\n", "cold_start"),
        ("", "cold_start"),
        ("study: [cold\n", "cold_start"),
        ("question: study: prefix_sharing\n", "cold_start"),
    ],
)
def test_the_study_line_says_who_reads_a_declaration(tmp_path: Path, text: str, study: str) -> None:
    path = tmp_path / "figure.yaml"
    path.write_text(text)
    assert study_of(path) == study


def test_every_declared_figure_is_of_starts_or_of_a_study_that_has_a_command() -> None:
    declared = declared_figures(Workspace())
    assert declared["sharing"] == "prefix_sharing"
    assert [name for name, study in declared.items() if study == "cold_start"] == figure_numbers(Workspace())
    assert set(other_studies(Workspace()).values()) == STUDIES.keys() == set(OTHERS)


def test_a_figure_of_another_study_is_not_taken_for_one_of_starts() -> None:
    with pytest.raises(HarnessError, match="figure sharing is of the study prefix_sharing, not of starts"):
        load_figure("sharing", Workspace())


def test_the_sharing_figure_is_declared_and_its_smoke_is_smaller() -> None:
    figure = load_sharing("sharing", Workspace())
    assert figure.full.dialogues.block_sizes == (16, 32, 64, 128, 256, 512)
    assert set(figure.full.dialogues.policies) == {"lru", "fifo", "lfu", "oracle"}
    assert len(figure.full.dialogues.seeds) >= 3 <= len(figure.smoke.dialogues.seeds)
    assert figure.smoke.dialogues.conversations < figure.full.dialogues.conversations


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("policies: [lru, oracle]", "policies: [mru]", "field 'smoke.dialogues.policies.0'"),
        ("base_s: 0.005", "bass_s: 0.005", "step_time names 'bass_s'"),
        ("block_size: 512", "block_size: 500", "must divide 512"),
        ("    block_size: 16\n", "    block_size: 32\n", "must be the smallest of block_sizes"),
        ("figure: sharing", "figure: 2", "field 'figure'"),
    ],
)
def test_a_bad_field_is_named_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    good = (Workspace().figure("sharing") / "figure.yaml").read_text()
    assert old in good
    folder = tmp_path / "figures" / "figure-sharing"
    folder.mkdir(parents=True)
    (folder / "figure.yaml").write_text(good.replace(old, new))
    with pytest.raises(HarnessError) as refused:
        load_sharing("sharing", Workspace(tmp_path))
    assert str(refused.value).startswith(f"{folder}/figure.yaml:")
    assert message in str(refused.value)
