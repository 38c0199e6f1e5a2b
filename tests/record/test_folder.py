"""Folders that are replaced in one step: on the disk before that, and nothing left of attempts that were killed."""

import os
import subprocess
from pathlib import Path

import pytest

from harness.record import folder as replacing
from harness.record.atomic import sync_folder
from harness.record.folder import write_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def ended_pid() -> int:
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def test_what_a_killed_attempt_left_is_removed_and_a_living_one_s_is_not(tmp_path: Path) -> None:
    killed, living = ended_pid(), os.getppid()
    left = [f".node0.{killed}.tmp", f".node0.{killed}.tmp.old"]
    kept = [f".node0.{living}.tmp", f".node1.{killed}.tmp", f".node0.{killed}.other"]
    for name in (*left, *kept):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.csv").write_text("half")
    write_folder(tmp_path / "node0", {"data.csv": b"whole"})
    assert names(tmp_path) == sorted([*kept, "node0"])
    assert (tmp_path / "node0" / "data.csv").read_bytes() == b"whole"


def test_nothing_is_removed_where_the_folder_could_not_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = f".node0.{ended_pid()}.tmp.old"  # of a file system that cannot exchange: it may be the only one there is
    (tmp_path / old).mkdir()

    def refuse(_new: Path, _folder: Path) -> None:
        raise OSError(28, "full")

    monkeypatch.setattr(replacing, "replace_folder", refuse)
    with pytest.raises(OSError, match="full"):
        write_folder(tmp_path / "node0", {"data.csv": b"whole"})
    assert names(tmp_path) == [old]


def test_files_and_folder_are_on_the_disk_before_they_take_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    replace, fsync = replacing.replace_folder, os.fsync

    def note(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    def replaced(new: Path, folder: Path) -> None:
        assert sorted(synced) == sorted(["data.csv", "manifest.json", new.name])
        replace(new, folder)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(replacing, "replace_folder", replaced)
    write_folder(tmp_path / "node0", {"data.csv": b"a", "manifest.json": b"{}"})
    assert names(tmp_path) == ["node0"]


def test_folders_below_are_synced_and_links_and_sockets_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spans").mkdir()
    (tmp_path / "spans" / "main-1.jsonl").write_text("{}")
    (tmp_path / "link").symlink_to("/nowhere")
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(Path(os.readlink(f"/proc/self/fd/{file}")).name))
    sync_folder(tmp_path)
    assert sorted(synced) == sorted([tmp_path.name, "main-1.jsonl", "spans"])
