"""A study's slot: written in one step, checked before anything in it is believed, and nobody's."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.record.slotcheck import ForeignSlotError, SlotError
from harness.record.study_slot import read_study_slot, write_study_slot
from harness.record.tables import Table

TABLE = Table("data.csv", {"case": str, "value": float}, {"value": "s"})
ROWS = [("a", 0.5), ("b", 2.0)]


def manifest(**changes: Any) -> dict[str, Any]:
    return {
        "figure": "sharing",
        "slot": "node0",
        "study": "prefix_sharing",
        "node": {"id": "node-1"},
        "cases": [{"case": "a"}, {"case": "b"}],
    } | changes


@pytest.fixture
def slot(tmp_path: Path) -> Path:
    write_study_slot(tmp_path / "node0", [(TABLE, ROWS)], manifest())
    return tmp_path / "node0"


def test_a_slot_reads_back_as_it_was_written(slot: Path) -> None:
    read = read_study_slot(slot, [TABLE], "prefix_sharing")
    assert read.tables["data.csv"] == ROWS
    assert read.manifest["files"][0]["columns"] == ["case", "value"]
    before = {path.name: path.read_bytes() for path in slot.iterdir()}
    write_study_slot(slot, [(TABLE, ROWS)], manifest())
    assert {path.name: path.read_bytes() for path in slot.iterdir()} == before
    assert [path.name for path in slot.parent.iterdir()] == ["node0"]


def test_no_host_user_or_place_gets_into_a_slot(tmp_path: Path) -> None:
    told = {"file": f"{Path.home()}/talks/mine.json", "note": f"on {os.uname().nodename}"}
    write_study_slot(tmp_path / "node0", [(TABLE, ROWS)], manifest(source=told))
    text = (tmp_path / "node0" / "manifest.json").read_text()
    assert "mine.json" in text
    assert "talks" not in text
    assert os.uname().nodename not in text


def tampered(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        document = json.loads((folder / "manifest.json").read_text())
        change(document)
        (folder / "manifest.json").write_text(json.dumps(document))

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda folder: (folder / "data.csv").write_text("case,value\na,1.0\n"),
            "data.csv: changed since it was written",
        ),
        (lambda folder: (folder / "data.csv").unlink(), "data.csv"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json: not JSON"),
        (tampered(lambda document: document.update(schema_version=2)), "no manifest of schema 1"),
        (tampered(lambda document: document.update(study="routing")), "of the study routing, not of prefix_sharing"),
        (tampered(lambda document: document.update(cases=[{"case": "a"}])), "data.csv: manifest.json has no case 'b'"),
        (tampered(lambda document: document.update(cases=["a"])), "an entry of node, cases or files lacks case"),
        (tampered(lambda document: document.update(node={"id": "a\n"})), "figure, slot, study or node is no name"),
        (tampered(lambda document: document.pop("files")), "files is missing"),
    ],
)
def test_a_damaged_slot_is_named_in_one_line(slot: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(slot)
    with pytest.raises(SlotError) as refused:
        read_study_slot(slot, [TABLE], "prefix_sharing")
    assert str(refused.value).startswith(str(slot))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_another_machines_slot_is_not_replaced(slot: Path) -> None:
    with pytest.raises(ForeignSlotError, match="holds a slot of node-1, this machine is node-2"):
        write_study_slot(slot, [(TABLE, ROWS)], manifest(node={"id": "node-2"}))
    assert read_study_slot(slot, [TABLE], "prefix_sharing").manifest["node"] == {"id": "node-1"}


@pytest.mark.parametrize("rows", [[("c", 1.0)], [("a", float("nan"))], [("a", -1.0)], [("a\n", 1.0)]])
def test_rows_that_cannot_be_are_not_written(slot: Path, rows: list[tuple[str, float]]) -> None:
    before = (slot / "data.csv").read_bytes()
    with pytest.raises(SlotError):
        write_study_slot(slot, [(TABLE, rows)], manifest())
    assert (slot / "data.csv").read_bytes() == before


def test_files_for_other_programs_come_and_go_with_the_slot(tmp_path: Path) -> None:
    content = b"a,b\n1,2\n"
    write_study_slot(tmp_path / "node0", [(TABLE, ROWS)], manifest(), {"sweep.csv": content})
    assert (tmp_path / "node0" / "sweep.csv").read_bytes() == content
    listed = read_study_slot(tmp_path / "node0", [TABLE], "prefix_sharing").manifest["files"][1]
    assert listed == {
        "name": "sweep.csv",
        "columns": ["a", "b"],
        "units": {},
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    write_study_slot(tmp_path / "node0", [(TABLE, ROWS)], manifest())
    assert not (tmp_path / "node0" / "sweep.csv").exists()
