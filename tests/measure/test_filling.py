"""Folders that a worker fills: what it finished is kept, whoever ended it; what cannot be used is named and removed."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.errors import MeasurementFailed
from harness.measure.filling import Filled, fill, put_in_place
from harness.record.replay_making import Making
from harness.record.replay_rows import ReplayError

COUNTED = "counted.json"


@dataclass(frozen=True)
class Facts:
    """What is known of a toy's folder."""

    number: int

    def write(self, folder: Path) -> None:
        (folder / "facts.json").write_text(json.dumps(self.number))


def facts_of(making: Making) -> Facts:
    assert set(making.begun()) == {"started_at", "harness"}
    number = json.loads((making.working / COUNTED).read_text())
    if number < 0:
        raise ReplayError(f"{making.folder.name} contradicts itself")
    return Facts(number)


@pytest.fixture
def folders(tmp_path: Path) -> list[Filled[Facts]]:
    return [Filled(Making(tmp_path / str(n), lambda _: None, COUNTED), facts_of) for n in (1, 2, 3)]


def finish(folder: Filled[Facts], number: int) -> None:
    folder.making.working.mkdir()
    (folder.making.working / COUNTED).write_text(str(number))


def names(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir())


def test_what_a_worker_finished_is_in_place(folders: list[Filled[Facts]], tmp_path: Path) -> None:
    made = fill(folders, lambda: [finish(each, number) for number, each in enumerate(folders)] and None, "a toy")
    assert made == [Facts(0), Facts(1), Facts(2)]
    assert names(tmp_path) == ["1", "2", "3"]


def test_one_that_cannot_be_used_costs_no_other(folders: list[Filled[Facts]], tmp_path: Path) -> None:
    def work() -> None:
        for each, number in zip(folders, (-1, 1, 2), strict=True):
            finish(each, number)

    with pytest.raises(MeasurementFailed, match=r"^a toy cannot be used: 1 contradicts itself; it was removed"):
        fill(folders, work, "a toy")
    assert names(tmp_path) == ["2", "3"]


@pytest.mark.parametrize("end", [MeasurementFailed("out of memory"), KeyboardInterrupt("out of memory")])
def test_what_ended_the_worker_is_told_whatever_it_left(
    folders: list[Filled[Facts]], tmp_path: Path, end: BaseException
) -> None:
    def work() -> None:
        finish(folders[0], -1)
        finish(folders[1], 5)
        (tmp_path / "..3.partial.7").mkdir()  # where it was writing
        raise end

    with pytest.raises(type(end), match=r"^out of memory$"):
        fill(folders, work, "a toy")
    assert names(tmp_path) == ["2"]


def test_what_a_killed_call_had_finished_is_put_in_place(folders: list[Filled[Facts]], tmp_path: Path) -> None:
    for each in folders:
        each.making.begin("2026-01-01T00:00:00Z", {"version": "of the killed call"})
    finish(folders[0], 4)
    finish(folders[1], -1)
    with pytest.raises(MeasurementFailed, match="2 contradicts itself"):
        put_in_place(folders, "a toy")
    assert [name for name in names(tmp_path) if not name.startswith(".")] == ["1"]
    assert put_in_place(folders, "a toy") == []  # once
