import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.record import folder as folder_module
from harness.record.slot import find_slots, read_slot, write_slot
from harness.record.slotcheck import ForeignSlotError, SlotError
from tests.sampled_slot import sampled
from tests.synthetic_slot import synthetic


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def slot(tmp_path: Path) -> Path:
    write_slot(tmp_path / "node0", *synthetic(measured=2))
    return tmp_path / "node0"


def reseal(slot: Path, data: bytes) -> None:
    """Other data with a manifest that vouches for it."""
    (slot / "data.csv").write_bytes(data)
    edit(slot, lambda manifest: manifest["files"][0].update(sha256=hashlib.sha256(data).hexdigest()))


def edit(slot: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((slot / "manifest.json").read_text())
    change(manifest)
    (slot / "manifest.json").write_text(json.dumps(manifest))


def refused(slot: Path) -> str:
    with pytest.raises(SlotError) as caught:
        read_slot(slot)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 4), st.booleans(), st.lists(st.sampled_from(["failed", "timeout", "killed"]), max_size=2))
def test_what_was_read_writes_the_same_bytes_again(
    tmp_path_factory: pytest.TempPathFactory, measured: int, warmup: bool, bad: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("slots")
    rows, manifest = synthetic(measured, warmup, bad)
    write_slot(folder / "a", rows, manifest)
    back = read_slot(folder / "a")
    assert sorted(map(repr, back.rows)) == sorted(map(repr, rows))
    write_slot(folder / "b", back.rows, back.manifest)
    assert contents(folder / "a") == contents(folder / "b")


def test_the_order_of_rows_does_not_change_the_slot(tmp_path: Path) -> None:
    rows, manifest = synthetic()
    write_slot(tmp_path / "a", rows, manifest)
    write_slot(tmp_path / "b", rows[::-1], manifest)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_the_manifest_counts_every_outcome_and_describes_its_file(tmp_path: Path) -> None:
    write_slot(tmp_path / "node0", *synthetic(measured=3, bad=["failed", "timeout"]))
    manifest = json.loads((tmp_path / "node0" / "manifest.json").read_text())
    assert next(iter(manifest)) == "schema_version"
    assert manifest["outcomes"] == {"ok": 4, "failed": 1, "timeout": 1, "killed": 0}
    (file,) = manifest["files"]
    assert file["sha256"] == hashlib.sha256((tmp_path / "node0" / "data.csv").read_bytes()).hexdigest()
    assert file["units"] == {"seconds": "s"}


def test_of_paths_only_base_names_leave_the_machine(tmp_path: Path) -> None:
    rows, manifest = synthetic()
    manifest["cases"][0]["parameters"] = {"model": "/home/somebody/models/x", "args": ["--a=/mnt/b", "meta/c"]}
    write_slot(tmp_path / "node0", rows, manifest)
    parameters = read_slot(tmp_path / "node0").manifest["cases"][0]["parameters"]
    assert parameters == {"model": "x", "args": ["--a=b", "meta/c"]}


def test_a_slot_of_the_same_node_is_replaced_and_nothing_else_stays(slot: Path) -> None:
    write_slot(slot, *synthetic(measured=5, seed=1))
    assert len({row.run for row in read_slot(slot).rows}) == 6
    assert [path.name for path in slot.parent.iterdir()] == ["node0"]


def test_a_slot_is_replaced_where_folders_cannot_be_exchanged(slot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "_exchange", lambda *_: False)
    write_slot(slot, *synthetic(measured=5, seed=1))
    assert len({row.run for row in read_slot(slot).rows}) == 6
    assert [path.name for path in slot.parent.iterdir()] == ["node0"]


def test_a_slot_of_another_node_is_refused_and_left_alone(slot: Path) -> None:
    before = contents(slot)
    rows, manifest = synthetic()
    manifest["node"]["id"] = "another"
    with pytest.raises(ForeignSlotError, match="holds a slot of node-0f0f0f0f0f0f, this machine is another"):
        write_slot(slot, rows, manifest)
    assert contents(slot) == before


def test_a_folder_that_is_no_slot_is_not_deleted(tmp_path: Path) -> None:
    precious = tmp_path / "node0" / "thesis.tex"
    precious.parent.mkdir()
    precious.write_text("years of work")
    with pytest.raises(SlotError, match=r"manifest\.json: no such file"):
        write_slot(tmp_path / "node0", *synthetic())
    assert precious.read_text() == "years of work"


def test_an_interrupted_write_leaves_the_old_slot(slot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(slot)

    def crash(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.record.folder.replace_folder", crash)
    with pytest.raises(SlotError, match="cannot write the slot: No space left on device"):
        write_slot(slot, *synthetic(seed=1))
    assert contents(slot) == before
    assert [path.name for path in slot.parent.iterdir()] == ["node0"]


def test_a_place_that_cannot_hold_a_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "figure-2").write_text("a file")
    with pytest.raises(SlotError, match="cannot write the slot: File exists"):
        write_slot(tmp_path / "figure-2" / "node0", *synthetic())


def test_a_linked_slot_is_written_where_the_link_points(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    os.symlink(tmp_path / "store", tmp_path / "node0")
    write_slot(tmp_path / "node0", *synthetic())
    assert (tmp_path / "node0").is_symlink()
    assert read_slot(tmp_path / "store").rows


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda m: m.pop("node"), "node must be dict (got nothing)"),
        (lambda m: m["node"].pop("id"), "node: id must be str (got nothing)"),
        (lambda m: m.update(schema_version=2), "schema_version 2 is newer"),
        (lambda m: m.update(schema_version=0), "schema_version must be 1"),
        (lambda m: m["files"][0].update(name="../data.csv"), "not a plain CSV name"),
        (lambda m: m["files"][0].update(name="/etc/data.csv"), "not a plain CSV name"),
        (lambda m: m.update(files=[]), "does not list data.csv"),
        (lambda m: m["files"].append({**m["files"][0], "name": "more.csv"}), "more.csv: no such file"),
        (lambda m: m["files"][0].update(sha256="0" * 64), "changed since it was written"),
        (lambda m: m["runs"][0].update(status="fine"), "runs[0].status is unknown"),
        (lambda m: m["runs"][0].update(case="other"), "runs[0].case is unknown"),
        (lambda m: m["runs"].append(m["runs"][0]), "lists a run twice"),
        (lambda m: m["runs"].pop(), "has no measured run 2 (ok)"),
        (lambda m: m["runs"][1].update(status="failed"), "has no measured run 1 (ok)"),
        (lambda m: m["cases"][0].update(session="s2"), "session s1, but the case is of s2"),
        (lambda m: m.update(slot="node1"), "is of figure 2 node1"),
    ],
)
def test_a_manifest_outside_the_contract_is_refused(
    slot: Path, change: Callable[[dict[str, Any]], object], complaint: str
) -> None:
    edit(slot, change)
    assert complaint in refused(slot)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": NaN}', "[" * 100_000, "\udcff"])
def test_a_manifest_that_is_no_json_object_is_refused(slot: Path, text: str) -> None:
    (slot / "manifest.json").write_bytes(text.encode(errors="surrogateescape"))
    assert "manifest.json" in refused(slot)


def test_a_number_stated_twice_is_refused(slot: Path) -> None:
    data = (slot / "data.csv").read_bytes()
    reseal(slot, data + data.splitlines(keepends=True)[-1])
    assert "is stated twice" in refused(slot)


def test_a_changed_byte_is_noticed(slot: Path) -> None:
    data = (slot / "data.csv").read_bytes()
    (slot / "data.csv").write_bytes(data.replace(b"llama3", b"llama4", 1))
    assert "changed since it was written" in refused(slot)


def test_a_truncated_file_is_noticed(slot: Path) -> None:
    data = (slot / "data.csv").read_bytes()
    (slot / "data.csv").write_bytes(data[: len(data) // 2])
    assert "changed since it was written" in refused(slot)


def test_a_link_in_a_slot_is_not_followed(slot: Path, tmp_path: Path) -> None:
    (slot / "data.csv").rename(tmp_path / "elsewhere.csv")
    os.symlink(tmp_path / "elsewhere.csv", slot / "data.csv")
    assert "not a regular file" in refused(slot)


def test_a_huge_file_is_refused_unread(slot: Path) -> None:
    with (slot / "data.csv").open("r+b") as file:
        file.truncate(1 << 40)
    assert "it may have at most" in refused(slot)


def test_no_slot_at_all_is_one_clear_line(tmp_path: Path) -> None:
    assert "a slot folder holds data.csv and manifest.json" in refused(tmp_path / "node0")


def test_slots_are_found_by_name_and_unfinished_ones_are_not(tmp_path: Path) -> None:
    for name in ("node1", "node0", ".node0.123.tmp"):
        write_slot(tmp_path / name, *synthetic())
    (tmp_path / "other").mkdir()
    assert [path.name for path in find_slots(tmp_path)] == ["node0", "node1"]
    assert find_slots(tmp_path / "node1") == [tmp_path / "node1"]
    assert find_slots(tmp_path / "other") == find_slots(tmp_path / "absent") == []


@pytest.mark.parametrize("lacking", ["manifest.json", "data.csv"])
def test_a_half_copied_slot_is_found_and_refused(tmp_path: Path, lacking: str) -> None:
    write_slot(tmp_path / "node0", *synthetic())
    (tmp_path / "node0" / lacking).unlink()
    assert find_slots(tmp_path) == find_slots(tmp_path / "node0") == [tmp_path / "node0"]
    assert "no such file; a slot folder holds data.csv and manifest.json" in refused(tmp_path / "node0")


def test_further_tables_travel_with_the_slot_and_read_back_equal(tmp_path: Path) -> None:
    rows, manifest, tables = sampled()
    write_slot(tmp_path / "node0", rows, manifest, tables)
    assert read_slot(tmp_path / "node0").tables == tables
    assert sorted(path.name for path in (tmp_path / "node0").iterdir()) == [
        "cores.csv",
        "data.csv",
        "manifest.json",
        "timeline.csv",
    ]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b",2,measured,", b",9,measured,", "has no measured run 9"),
        (b",2,measured,", b",2,warmup,", "has no warmup run 2"),
        (b"9.1", b"nan", "percent must be a number"),
        (b"time_s", b"time", "cores.csv:1: columns must be case,run,kind,time_s,core,percent"),
    ],
)
def test_a_table_that_is_not_of_the_slots_runs_is_refused_even_if_the_manifest_vouches_for_it(
    tmp_path: Path, old: bytes, new: bytes, complaint: str
) -> None:
    rows, manifest, tables = sampled()
    write_slot(tmp_path / "node0", rows, manifest, tables)
    content = tables["cores.csv"].replace(old, new)
    (tmp_path / "node0" / "cores.csv").write_bytes(content)
    assert "changed since it was written" in refused(tmp_path / "node0")
    digest = hashlib.sha256(content).hexdigest()
    edit(tmp_path / "node0", lambda m: next(f for f in m["files"] if f["name"] == "cores.csv").update(sha256=digest))
    assert complaint in refused(tmp_path / "node0")
    with pytest.raises(SlotError):
        write_slot(tmp_path / "node1", rows, manifest, {**tables, "cores.csv": content})
    assert not (tmp_path / "node1").exists()


def test_a_table_of_a_later_version_is_kept_unread(slot: Path) -> None:
    (slot / "later.csv").write_bytes(b"whatever")
    entry = {"name": "later.csv", "columns": [], "units": {}, "sha256": hashlib.sha256(b"whatever").hexdigest()}
    edit(slot, lambda manifest: manifest["files"].append(entry))
    assert read_slot(slot).tables == {"later.csv": b"whatever"}
    edit(slot, lambda manifest: manifest["files"].append(entry))
    assert "lists a file twice" in refused(slot)
