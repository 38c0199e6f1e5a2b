"""Where the repeats of a case lie, and that none is overwritten."""

from pathlib import Path

import pytest

from harness.record.case_folder import CaseFolderError
from harness.record.repeats import Repeats


def place(root: Path, **definition: int) -> Repeats:
    return Repeats.of(root, "node", "prefix_routing", "prefix_2xm", {"a": 1, **definition})


def test_other_definitions_have_other_places_and_the_same_one_is_found_again(tmp_path: Path):
    assert place(tmp_path) == place(tmp_path)
    assert place(tmp_path, b=2).case != place(tmp_path).case
    assert place(tmp_path).case.startswith("prefix_2xm-")


def test_a_failed_attempt_keeps_its_files_and_leaves_its_repeat_to_the_next_one(tmp_path: Path):
    stored = place(tmp_path)
    for number in (1, 2):
        working = stored.begin(3)
        (working / "log").write_text(str(number))
        stored.close(3, working, is_ok=False)
    stored.close(3, stored.begin(3), is_ok=True)
    assert [path.name for path in stored.failed(3)] == ["3.failed-1", "3.failed-2"]
    assert [(path / "log").read_text() for path in stored.failed(3)] == ["1", "2"]
    assert stored.run(3).is_dir()
    assert stored.shown(3) == stored.run(3)


def test_the_last_failed_attempt_is_shown_and_its_number_is_never_given_again(tmp_path: Path):
    stored = place(tmp_path)
    assert stored.shown(1) is None
    for _ in range(2):
        stored.close(1, stored.begin(1), is_ok=False)
    (tmp_path / "node" / "prefix_routing" / stored.case / "1.failed-1").rmdir()
    assert stored.close(1, stored.begin(1), is_ok=False).name == "1.failed-3"
    assert stored.shown(1) == stored.folder / "1.failed-3"


def test_an_ok_run_is_never_overwritten(tmp_path: Path):
    stored = place(tmp_path)
    stored.close(1, stored.begin(1), is_ok=True)
    with pytest.raises(FileExistsError, match="never overwritten"):
        stored.close(1, stored.begin(1), is_ok=True)


def test_what_a_killed_call_left_is_no_run_and_is_removed_by_the_next(tmp_path: Path):
    stored = place(tmp_path)
    (stored.begin(1) / "half").touch()
    assert not stored.run(1).exists()
    assert list(stored.begin(1).iterdir()) == []


def test_a_folder_of_another_case_is_refused(tmp_path: Path):
    stored = place(tmp_path)
    (stored.folder / "case.json").write_text('{"a": 2}')
    with pytest.raises(CaseFolderError, match="of another case"):
        place(tmp_path)
