"""Wheelhouses in pieces: what was cut comes together again, from however many deliveries, or says what is missing."""

import hashlib
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.record.pieces import _alone, join, split
from harness.record.wheelhouse import MANIFEST, File, Wheelhouse, WheelhouseError, problems, read_wheelhouse

CONTENTS = st.lists(st.binary(max_size=40), min_size=1, max_size=5)


def wheels(folder: Path, contents: list[bytes]) -> Wheelhouse:
    """A wheelhouse whose wheels hold these bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, content in enumerate(contents):
        name = f"tiny{number}-1.0-py3-none-any.whl"
        (folder / name).write_bytes(content)
        files.append(File(name, hashlib.sha256(content).hexdigest(), len(content), ("engine",)))
    return Wheelhouse("fake", "0" * 64, None, "3.12", "manylinux_2_28_x86_64", "2.28", {}, tuple(files))


def in_pieces(root: Path, contents: list[bytes], limit: int) -> Wheelhouse:
    """``root/wheels`` cut into ``root/pieces``."""
    (root / "pieces").mkdir()
    house = split(root / "wheels", wheels(root / "wheels", contents), limit, root / "pieces")
    (root / "pieces" / MANIFEST).write_text(house.text())
    return house


@pytest.fixture
def cut(tmp_path: Path) -> Wheelhouse:
    """Two wheels of 10 and 7 bytes in pieces of 4."""
    return in_pieces(tmp_path, [b"abcdefghij", b"klmnopq"], 4)


@settings(max_examples=60, deadline=None)
@given(contents=CONTENTS, limit=st.integers(1, 50), data=st.data())
def test_pieces_come_together_again_whatever_their_size_and_order_of_delivery(
    contents: list[bytes], limit: int, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        house = in_pieces(root, contents, limit)
        assert all(0 < piece.bytes <= limit for piece in house.pieces)
        assert b"".join((root / "pieces" / piece.name).read_bytes() for piece in house.pieces) == b"".join(contents)
        order = data.draw(st.permutations([piece.name for piece in house.pieces]))
        done = None
        for number, name in enumerate(order):
            delivery = root / f"delivery-{number}"
            delivery.mkdir()
            (root / "pieces" / name).rename(delivery / name)
            (delivery / MANIFEST).write_text(house.text())
            done = join([delivery], root / "joined")
            assert sorted(done.missing) == sorted(order[number + 1 :])
            (delivery / name).unlink()  # a delivery is no longer needed once it has been taken
        if done is None:  # empty wheels have no pieces
            return
        assert done.complete
        assert read_wheelhouse(root / "joined") == replace(house, pieces=())
        assert [(root / "joined" / file.name).read_bytes() for file in house.files] == contents
        assert {path.name for path in (root / "joined").iterdir()} == {MANIFEST, *(file.name for file in house.files)}


@given(content=st.binary(min_size=1, max_size=60), limit=st.integers(1, 20), data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_changed_byte_is_found_and_its_piece_named(content: bytes, limit: int, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        house = in_pieces(root, [content], limit)
        piece = root / "pieces" / data.draw(st.sampled_from([piece.name for piece in house.pieces]))
        whole = piece.read_bytes()
        at = data.draw(st.integers(0, len(whole) - 1))
        piece.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert join([root / "pieces"], root / "joined").damaged == (piece.name,)
        assert not (root / "joined").exists()
        piece.write_bytes(whole)
        assert join([root / "pieces"], root / "joined").complete


@pytest.mark.usefixtures("cut")
def test_all_that_is_missing_or_damaged_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "pieces" / "part-001").unlink()
    (tmp_path / "pieces" / "part-002").write_bytes(b"ij")  # cut off
    (tmp_path / "pieces" / "part-004").unlink()
    done = join([tmp_path / "pieces"], tmp_path / "joined")
    assert (done.missing, done.damaged) == (("part-001", "part-004"), ("part-002",))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("joined")] == []


@pytest.mark.usefixtures("cut")
def test_a_damaged_piece_is_taken_from_the_folder_that_has_it_whole(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "part-001").write_bytes((tmp_path / "pieces" / "part-001").read_bytes())
    (tmp_path / "pieces" / "part-001").write_bytes(b"no")
    assert join([tmp_path / "pieces", tmp_path / "again"], tmp_path / "joined").complete


@pytest.mark.usefixtures("cut")
def test_what_is_joined_already_is_left_as_it_is_and_other_folders_are_refused(tmp_path: Path) -> None:
    assert join([tmp_path / "pieces"], tmp_path / "joined").complete
    assert join([tmp_path / "pieces"], tmp_path / "joined").complete
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a file").touch()
    with pytest.raises(WheelhouseError, match="is not this wheelhouse; name a new folder"):
        join([tmp_path / "pieces"], tmp_path / "other")


@pytest.mark.usefixtures("cut")
def test_pieces_of_two_wheelhouses_are_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    in_pieces(tmp_path / "two", [b"other"], 4)
    with pytest.raises(WheelhouseError, match="of different wheelhouses"):
        join([tmp_path / "pieces", tmp_path / "two" / "pieces"], tmp_path / "joined")
    (tmp_path / "pieces" / "part-000").unlink()
    join([tmp_path / "pieces"], tmp_path / "joined")  # begun
    with pytest.raises(
        WheelhouseError, match=r"/\.joined\.joining holds pieces of another .*; delete it, or name another"
    ):
        join([tmp_path / "two" / "pieces"], tmp_path / "joined")


def test_pieces_without_their_manifest_and_whole_wheels_are_refused(cut: Wheelhouse, tmp_path: Path) -> None:
    (tmp_path / "wheels" / MANIFEST).write_text(replace(cut, pieces=()).text())
    with pytest.raises(WheelhouseError, match="were not split; use it as it is"):
        join([tmp_path / "wheels"], tmp_path / "joined")
    (tmp_path / "pieces" / MANIFEST).unlink()
    with pytest.raises(WheelhouseError, match=r"wheelhouse\.json is in none of"):
        join([tmp_path / "pieces"], tmp_path / "joined")


def test_a_manifest_whose_wheels_are_not_what_its_pieces_make_is_told(cut: Wheelhouse, tmp_path: Path) -> None:
    wrong = replace(cut, files=(replace(cut.files[0], sha256="f" * 64), cut.files[1]))
    (tmp_path / "pieces" / MANIFEST).write_text(wrong.text())
    with pytest.raises(
        WheelhouseError, match=r"tiny0-1.0-py3-none-any.whl is not as listed; .*build the wheelhouse again"
    ):
        join([tmp_path / "pieces"], tmp_path / "joined")
    assert not (tmp_path / "joined").exists()


@pytest.mark.usefixtures("cut")
def test_only_the_pieces_of_a_wheel_that_was_damaged_meanwhile_are_needed_again(tmp_path: Path) -> None:
    (tmp_path / "later").mkdir()
    (tmp_path / "pieces" / "part-004").rename(tmp_path / "later" / "part-004")  # the end of the second wheel
    join([tmp_path / "pieces"], tmp_path / "joined")
    (tmp_path / ".joined.joining" / "tiny0-1.0-py3-none-any.whl").write_bytes(b"abcdefghi-")
    with pytest.raises(
        WheelhouseError, match=r"tiny0-1.0.* is not as listed; repeat with part-000, part-001, part-002,"
    ):
        join([tmp_path / "later", tmp_path / "pieces"], tmp_path / "joined")
    for name in ("part-003", "part-004"):
        shutil.rmtree(tmp_path / "later", ignore_errors=True)
        (tmp_path / "pieces" / name).unlink(missing_ok=True)
    assert join([tmp_path / "pieces"], tmp_path / "joined").complete


@pytest.mark.usefixtures("cut")
def test_two_processes_do_not_join_into_one_folder(tmp_path: Path) -> None:
    with _alone(tmp_path / "joined"), pytest.raises(WheelhouseError, match="another process is joining it"):
        join([tmp_path / "pieces"], tmp_path / "joined")
    assert join([tmp_path / "pieces"], tmp_path / "joined").complete
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"schema_version": 1', '"schema_version": 2'),
        ("tiny0-1.0", "../tiny0-1.0"),
        ('"part-000"', '"/etc/passwd"'),
        ('"bytes": 10', '"bytes": -10'),
        ('"bytes": 10', '"bytes": "10"'),
        ('"engine"', '"something"'),
        ('"pin"', '"pins"'),
        ("{", "["),
        ("tiny1", "tiny0"),
    ],
)
@pytest.mark.usefixtures("cut")
def test_a_manifest_made_by_anybody_is_checked(tmp_path: Path, old: str, new: str) -> None:
    manifest = tmp_path / "pieces" / MANIFEST
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new, 1))
    with pytest.raises(WheelhouseError, match=r"not a wheelhouse \(.*; build or copy it again$"):
        read_wheelhouse(tmp_path / "pieces")


def test_missing_damaged_and_surplus_wheels_are_told_apart(tmp_path: Path) -> None:
    house = wheels(tmp_path, [b"one", b"two", b"three"])
    (tmp_path / house.files[0].name).unlink()
    (tmp_path / house.files[1].name).write_bytes(b"2wo")
    (tmp_path / "more-1.0-py3-none-any.whl").touch()
    found = problems(tmp_path, house.files)
    assert found.lines() == [
        "missing: tiny0-1.0-py3-none-any.whl",
        "damaged: tiny1-1.0-py3-none-any.whl",
        "surplus, not installed: more-1.0-py3-none-any.whl",
    ]
    assert found.stop
    assert not problems(tmp_path, house.files[2:], house.files).stop
