"""A finished file gets its place, or the file that is there stays as it is; with and without hard links."""

import errno
import os
from pathlib import Path

import pytest

from harness.record.atomic import place_new


@pytest.fixture(params=[None, errno.EPERM, errno.EOPNOTSUPP], ids=["links", "not permitted", "not supported"])
def made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param is not None:

        def link(*_: object) -> None:
            raise OSError(request.param, os.strerror(request.param))

        monkeypatch.setattr(os, "link", link)
    (tmp_path / "made").write_text("new")
    (tmp_path / "out").mkdir()
    return tmp_path / "made"


def test_it_is_moved(made: Path, tmp_path: Path) -> None:
    place_new(made, tmp_path / "out" / "file")
    assert (tmp_path / "out" / "file").read_text() == "new"
    assert not made.exists()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["file"]


@pytest.mark.parametrize("is_link", [False, True])
def test_what_is_there_is_not_overwritten(made: Path, tmp_path: Path, is_link: bool) -> None:
    target = tmp_path / "out" / "file"
    target.symlink_to("nowhere") if is_link else target.write_text("old")
    with pytest.raises(FileExistsError):
        place_new(made, target)
    assert os.readlink(target) == "nowhere" if is_link else target.read_text() == "old"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["file"]
