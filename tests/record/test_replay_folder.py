"""A replay folder reads back as it was written; one that was damaged is named in one line."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.record.replay import ReplayError, read_counters, read_facts, read_replay
from tests.replay_folder import replay_facts, small_toy, toy_counters, toy_tables, write_replay


@pytest.mark.parametrize(("blocks", "caching"), [(40, True), (12, True), (10, True), (12, False)])
def test_a_folder_reads_back_as_it_was_written(tmp_path: Path, blocks: int, caching: bool):
    toy = write_replay(tmp_path / "replay", small_toy(blocks, caching))
    read = read_replay(tmp_path / "replay")
    assert read.facts == replay_facts(toy)
    for rows in (read.requests, read.gaps, read.hits, read.occupancy):
        written = toy_tables(toy)[type(rows[0])] if rows else []
        assert len(rows) == len(written)
    assert [row.request_id for row in read.requests] == ["a-1", "b-1", "a-2", "b-2", "c"]
    assert [row.session_id for row in read.requests] == ["a", "b", "a", "b", None]
    assert {row.turn for row in read.requests} == {None}
    assert [row.scheduled_s for row in read.requests] == [each.row["scheduled_s"] for each in toy.requests]


def test_the_schema_version_comes_first(tmp_path: Path):
    write_replay(tmp_path / "replay")
    assert (tmp_path / "replay" / "replay.json").read_text().startswith('{\n "schema_version": 2,')


def lines_changed(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / name
        path.write_text(change(path.read_text()))

    return damage


def document_changed(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "replay.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return damage


def linked(folder: Path) -> None:
    (folder / "requests.csv").rename(folder / "elsewhere")
    (folder / "requests.csv").symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "replay.json").unlink(), "replay.json: not readable (No such file or directory)"),
        (lambda folder: (folder / "occupancy.csv").unlink(), "occupancy.csv: not readable (No such file or directory)"),
        (linked, "requests.csv: not readable (not a regular file)"),
        (lines_changed("replay.json", lambda text: text[:40]), "replay.json: not readable (not JSON: "),
        (lines_changed("replay.json", lambda _: "[]"), "replay.json: not a JSON object"),
        (document_changed(lambda it: it.update(schema_version=3)), "schema_version is 3, this harness reads 2"),
        (document_changed(lambda it: it.pop("counters")), "missing or unknown keys: counters"),
        (document_changed(lambda it: it["counters"].pop("steps")), "counters: missing or unknown keys: steps"),
        (document_changed(lambda it: it["counters"].update(steps=-1)), "counters: steps has a value that cannot be"),
        (document_changed(lambda it: it["counters"].update(steps=1.5)), "counters: steps has a value that cannot be"),
        (document_changed(lambda it: it["parameters"].update(num_blocks="inf")), "num_blocks has a value that cannot"),
        (document_changed(lambda it: it["parameters"]["step_time"].update(x=1)), "step_time: missing or unknown keys"),
        (document_changed(lambda it: it["counters"].update(hit_tokens=1)), "hit tokens of its tables are "),
        (lines_changed("requests.csv", lambda _: ""), "requests.csv: empty"),
        (lines_changed("requests.csv", lambda text: text.replace("turn", "round")), "requests.csv:1: columns must be"),
        (
            lines_changed("requests.csv", lambda text: text.replace(",21.5,", ",-21.5,")),
            "requests.csv:5: arrival_s must",
        ),
        (lines_changed("requests.csv", lambda text: text.replace(",21.5,", ",nan,")), "requests.csv:5: arrival_s must"),
        (lines_changed("requests.csv", lambda text: text.replace("b-2", "b\x1b[2J")), "requests.csv:5: request_id "),
        (lines_changed("requests.csv", lambda text: text[:-5]), "requests.csv:6: "),
        (lines_changed("requests.csv", lambda text: text.rsplit("\n", 2)[0] + "\n"), "requests of its tables are 4"),
        (lines_changed("reuse_gaps.csv", lambda text: text.replace(",1,", ",True,")), "within_session must be 0 or 1"),
        (lines_changed("reuse_gaps.csv", lambda text: text + "1.0,0,1\n"), "reuse gaps of its tables are "),
        (lines_changed("block_hits.csv", lambda text: text + "0,9\n"), "unique blocks of its tables are "),
        (lines_changed("block_hits.csv", lambda text: text + '"0,9\n'), "not CSV: "),
        (lambda folder: (folder / "block_hits.csv").write_bytes(b"\xff"), "block_hits.csv: not readable ('utf-8'"),
    ],
)
def test_a_damaged_folder_is_one_line(tmp_path: Path, damage: Callable[[Path], None], message: str):
    write_replay(tmp_path / "replay")
    damage(tmp_path / "replay")
    with pytest.raises(ReplayError) as error:
        read_replay(tmp_path / "replay")
    assert message in str(error.value)
    assert str(error.value).isprintable()


def test_counters_are_read_as_a_worker_writes_them(tmp_path: Path):
    counters = toy_counters(small_toy())
    path = tmp_path / "counters.json"
    path.write_text(json.dumps(vars(counters)))
    assert read_counters(path) == counters
    path.write_text(json.dumps(vars(replace(counters, wall_s=float("nan")))))
    with pytest.raises(ReplayError, match="not JSON"):
        read_counters(path)


def test_the_facts_are_read_without_the_tables(tmp_path: Path):
    toy = write_replay(tmp_path / "replay")
    (tmp_path / "replay" / "requests.csv").unlink()
    assert read_facts(tmp_path / "replay").counters == toy_counters(toy)
