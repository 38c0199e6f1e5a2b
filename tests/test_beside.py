"""Where tests look for what is no part of the checkout, and what they say where it is not."""

from pathlib import Path

import pytest

from harness.workspace import ROOT
from tests.beside import RECORDED, TRACES, Beside


@pytest.mark.parametrize("beside", [RECORDED, TRACES])
def test_a_variable_says_where_recorded_files_are(
    beside: Beside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").touch()
    monkeypatch.setenv(beside.variable, str(tmp_path))
    assert beside.need() == tmp_path
    assert beside.need("here") == tmp_path / "here"
    monkeypatch.delenv(beside.variable)
    assert beside.folder == (ROOT.parent / "shared" / beside.name).resolve()


@pytest.mark.parametrize("beside", [RECORDED, TRACES])
def test_a_test_without_its_recorded_file_is_skipped_and_says_which_variable_to_set(
    beside: Beside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(beside.variable, str(tmp_path))
    assert beside.find("absent") is None
    with pytest.raises(pytest.skip.Exception, match=f"set {beside.variable}=DIR to its folder with absent"):
        beside.need("absent")


def test_no_other_test_looks_for_recorded_files_by_itself() -> None:
    words = ('/ "shared"', "/paper-data", '"paper-data"')
    found = {
        path.name
        for path in (ROOT / "tests").rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in words)
    }
    assert found == {"beside.py", "test_beside.py"}
