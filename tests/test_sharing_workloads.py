"""The folder of a seed's traces is named after all that decides their bytes, and after nothing else."""

from pathlib import Path

import pytest

from harness.commands.sharing import workloads as sharing_workloads
from harness.commands.sharing.workloads import dialogue_folders
from harness.spec.sharing import load_sharing
from harness.workspace import Workspace

DECIDES = (
    "harness/traces/generator.py",
    "experiments/prefix_sharing/worker_tokenize.py",
    "experiments/prefix_sharing/shapes/words.txt",
)
OTHERS = ("study.py", "LOG.md", "worker_real_engine.py", "worker_recording_scheduler.py", "make_shape.py")


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (*DECIDES, *(f"experiments/prefix_sharing/{other}" for other in OTHERS)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    monkeypatch.setattr(sharing_workloads, "ROOT", tmp_path)
    return tmp_path


def names() -> list[str]:
    dialogues = load_sharing("sharing", Workspace()).smoke.dialogues
    return [each.folder.name for each in dialogue_folders(dialogues, None, Workspace())]


@pytest.mark.parametrize("name", DECIDES)
def test_what_makes_traces_counts(sources: Path, name: str) -> None:
    before = names()
    (sources / name).write_text("2")
    assert set(before).isdisjoint(names())


def test_the_python_that_the_tokenizer_is_trained_with_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = names()
    monkeypatch.setattr("platform.python_version", lambda: "3.99.0")
    assert set(before).isdisjoint(names())


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_of_the_study_do_not_count(sources: Path, name: str) -> None:
    before = names()
    (sources / "experiments" / "prefix_sharing" / name).write_text("2")
    assert names() == before
