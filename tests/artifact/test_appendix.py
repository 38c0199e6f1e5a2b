"""The artifact appendix is what the declarations say, on every machine, and has every head that committees ask for."""

import dataclasses
import re
import runpy
from pathlib import Path

import pytest

from harness.artifact import figures
from harness.artifact.appendix import APPENDIX, appendix
from harness.spec.claims import load_claims
from harness.spec.figure import figure_numbers
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin, pin_names
from harness.spec.study import other_studies
from harness.state.machine import this_node
from harness.workspace import ROOT, Workspace
from tests.doctor.conftest import set_gpus

HEADS = (
    *("A.1 Abstract", "A.2 Artifact check-list (meta-information)", "A.3 Description", "A.3.1 How to access"),
    *("A.3.2 Hardware dependencies", "A.3.3 Software dependencies", "A.3.4 Data sets", "A.3.5 Models"),
    *("A.4 Installation", "A.5 Experiment workflow", "A.6 Evaluation and expected results"),
    *("A.7 Experiment customization", "A.8 Notes", "A.9 Methodology"),
)
CHECK_LIST = (
    *("Algorithm", "Program", "Compilation", "Model", "Data set", "Run-time environment", "Hardware", "Execution"),
    *("Metrics", "Output", "Experiments", "Workflow framework", "Publicly available", "Code licence"),
)


@pytest.fixture(scope="module")
def text() -> str:
    return appendix(Workspace())


def test_the_committed_appendix_is_what_the_declarations_say(text: str) -> None:
    committed = (ROOT / APPENDIX).read_text(encoding="utf-8")
    assert committed == text, "stale: python3 artifact/make_appendix.py"


def test_it_has_every_head_and_item_of_the_form_in_order(text: str) -> None:
    assert [head for head in re.findall(r"^##+ (A\..+)$", text, re.MULTILINE)] == list(HEADS)
    for item in CHECK_LIST:
        assert re.search(rf"^- \*\*{item}\??:?\*\*", text, re.MULTILINE), item


def test_every_figure_and_every_claim_is_in_it_once(text: str) -> None:
    for number in figure_numbers(Workspace()):
        assert len(re.findall(rf"^bash run_figure\.sh {number}( \d.*)?$", text, re.MULTILINE)) in (1, 2)
    for claim in load_claims():
        assert text.count(f"| **{claim.id}** ") == 1


def test_it_is_the_same_on_a_machine_with_gpus_and_another_shell(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_gpus(monkeypatch, "NVIDIA H100", "NVIDIA L40S")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("HARNESS_ITERATIONS", "9")
    monkeypatch.setenv("COLUMNS", "40")
    assert appendix(Workspace()) == text


def test_no_path_node_or_date_of_the_machine_that_made_it_is_in_it(text: str) -> None:
    assert str(ROOT) not in text
    assert this_node(ROOT)["id"] not in text
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b", text)


def test_a_change_of_a_claim_changes_it(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *rest = load_claims()
    changed = first.model_copy(update={"statement": "Another statement.", "rests_on": ()})
    monkeypatch.setattr(figures, "load_claims", lambda: (changed, *rest))
    other = appendix(Workspace())
    assert "Another statement." in other
    assert first.statement not in other
    assert other != text


def test_what_a_machine_cannot_say_is_not_expected_of_it() -> None:
    rows = {claim.id: claim for figure in entries() for claim in figure.claims}
    for claim in load_claims():
        if claim.id not in rows:
            continue
        row = rows[claim.id]
        assert "reproduced" not in row.on_cpu_twin  # at most the shape
        if {"gpu", "graphs"} & set(claim.rests_on):
            assert row.on_cpu_twin == "not run"
        if "weights" in claim.rests_on:
            assert row.on_gpu_twin == "not run"
    for figure in entries():
        if figure.minutes is None:
            assert {claim.on_cpu_twin for claim in figure.claims} <= {"not run"}


def test_readmes_minutes_are_the_appendixs() -> None:
    """Of each slot of figures that compare nodes or states; one minute, or a tenth, is rounding."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    cells = {row[1].strip(): row[-2].strip() for line in lines if len(row := line.split("|")) == 7}
    for figure in entries():
        told = cells[figure.number]
        if figure.minutes is None:
            assert told == "paper's data", figure.number
        else:
            slots = len(figure.commands) if figure.other_node is None else 1
            minutes = float(told.removesuffix(" each"))
            assert minutes == pytest.approx(figure.minutes / slots, rel=0.1, abs=1), figure.number
            assert told.endswith(" each") == (len(figure.commands) > 1), figure.number


def test_every_engine_pin_is_named_and_none_is_said_to_have_run_on_a_gpu(text: str) -> None:
    for name in pin_names():
        assert f"| {name} | " in text
    cuda = [name for name in pin_names() if load_pin(name).device == "cuda"]
    (said,) = re.findall(r"\*\*(.+) have not run on a GPU yet\.\*\*", text)
    assert sorted(said.split(" and ")) == sorted(cuda)


def test_every_other_study_has_its_question_its_command_and_its_document(text: str) -> None:
    for name in other_studies(Workspace()):
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `bash run_figure.sh {name}` | ")]
        document = row.split("|")[3].strip().strip("`")
        assert (ROOT / document).is_file()


def test_its_options_tell_the_defaults_that_help_shows(text: str) -> None:
    assert "| `--mode MODE` | LLM(), or vllm serve. [default: offline] |" in text
    assert "; 0: do not look. [default: 60.0] |" in text


def test_the_papers_files_are_counted_once_each(text: str) -> None:
    files = list(ROOT.glob("figures/figure-*/paper.csv"))
    assert f"its recorded logs: {len(files)} files,\n" in text
    megabytes = f"{sum(path.stat().st_size for path in files) / 1e6:.1f} MB"
    assert megabytes in text
    assert megabytes in (ROOT / "docs" / "paper-data.md").read_text(encoding="utf-8")


def entries() -> tuple[figures.FigureEntry, ...]:
    return figures.figure_entries(load_pin(DEFAULT_CPU_PIN), Workspace())


def test_the_check_tells_a_stale_file_and_the_command_that_mends_it(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = runpy.run_path(str(ROOT / "artifact" / "make_appendix.py"))
    other = dataclasses.replace(Workspace(), root=tmp_path)
    monkeypatch.setitem(script["main"].__globals__, "Workspace", lambda: other)
    monkeypatch.setitem(script["main"].__globals__, "appendix", lambda _: text)
    (tmp_path / "artifact").mkdir()
    assert script["main"](["--check"]) == 1
    assert "stale; python3 artifact/make_appendix.py" in capsys.readouterr().out
    assert list((tmp_path / "artifact").iterdir()) == []
    assert script["main"]([]) == 0
    assert (tmp_path / APPENDIX).read_text(encoding="utf-8") == text
    assert script["main"](["--check"]) == 0
