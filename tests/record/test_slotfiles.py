"""Slots as files: all are put in place or none, nothing is overwritten, and nothing private travels."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from harness.record import slotfiles
from harness.record.private import Names
from harness.record.slot import read_slot, write_slot
from harness.record.slotcheck import SlotError
from harness.record.slotfiles import place, refuse_private, slot_files, write_slot_files
from tests.synthetic_slot import synthetic

NAMES = Names(frozenset({"build-box-7"}), frozenset({"aliceb"}), frozenset({"/data/people/aliceb"}))


@pytest.fixture
def slot(tmp_path: Path) -> Path:
    write_slot(tmp_path / "node0", *synthetic(measured=1))
    return tmp_path / "node0"


def staged(folder: Path, *names: str) -> dict[Path, Path]:
    for name in names:
        write_slot_files(folder / f".{name}", {"data.csv": name.encode()})
    return {folder / name: folder / f".{name}" for name in names}


def test_the_files_of_a_slot_are_those_its_manifest_lists(slot: Path) -> None:
    (slot / "notes of mine.txt").write_text("private")
    files = slot_files(slot)
    assert set(files) == {"manifest.json", "data.csv"}
    write_slot_files(slot.with_name("node1"), files)
    assert read_slot(slot.with_name("node1")) == read_slot(slot)


def test_every_folder_gets_its_place_also_where_an_empty_one_is(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    place(staged(tmp_path, "a", "b"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert (tmp_path / "b" / "data.csv").read_bytes() == b"b"


@pytest.mark.parametrize("kind", ["folder", "link", "broken link", "file"])
def test_if_one_place_is_taken_meanwhile_nothing_is_placed(tmp_path: Path, kind: str) -> None:
    folders = staged(tmp_path, "a", "b")
    taken = tmp_path / "b"
    if kind == "folder":
        write_slot_files(taken, {"data.csv": b"mine"})
    elif kind == "file":
        taken.write_text("mine")
    else:
        (tmp_path / "elsewhere").mkdir()
        taken.symlink_to(tmp_path / "elsewhere" if kind == "link" else tmp_path / "nowhere")
    with pytest.raises(OSError):  # noqa: PT011 — each kind has its own
        place(folders)
    assert not (tmp_path / "a").exists()
    assert (tmp_path / ".a" / "data.csv").read_bytes() == b"a"
    assert taken.is_symlink() or kind in ("file", "folder")


def test_an_interrupted_placing_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = staged(tmp_path, "a", "b")
    real = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if self.name == ".b":
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        place(folders)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a", ".b"]


def test_what_was_written_here_may_travel(slot: Path) -> None:
    files = slot_files(slot)
    refuse_private(read_slot(slot), files, "node0")
    assert files == slot_files(slot)  # judged, not changed


@pytest.mark.parametrize("text", ["on build-box-7", "/data/people/aliceb/models", "/mnt/x", "aliceb@somewhere"])
def test_a_manifest_that_names_somebody_does_not_travel(slot: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(slotfiles, "names_here", lambda: NAMES)
    document = json.loads((slot / "manifest.json").read_text())
    document["certificates"]["1"] = {"trace": {"reason": text}}
    (slot / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(SlotError) as caught:
        refuse_private(read_slot(slot), slot_files(slot), "node0")
    assert str(caught.value) == f"node0: names this machine, its user or a place on it: '{text}'"


def test_nor_does_a_table(slot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slotfiles, "names_here", lambda: NAMES)
    data = (slot / "data.csv").read_bytes().replace(b"tokenizer_init", b"build-box-7")
    (slot / "data.csv").write_bytes(data)
    document = json.loads((slot / "manifest.json").read_text())
    document["files"][0]["sha256"] = hashlib.sha256(data).hexdigest()
    (slot / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(SlotError, match="'build-box-7'"):
        refuse_private(read_slot(slot), slot_files(slot), "node0")


def test_names_that_tie_a_slot_together_stay_even_if_the_machine_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(frozenset({"compiled", "node0", os.uname().nodename}), frozenset({"s1"}), frozenset())
    monkeypatch.setattr(slotfiles, "names_here", lambda: names)
    write_slot(tmp_path / "node0", *synthetic(measured=1))
    slot = read_slot(tmp_path / "node0")
    refuse_private(slot, slot_files(tmp_path / "node0"), "node0")
    assert slot.manifest["slot"] == "node0"
