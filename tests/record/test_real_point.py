"""A real engine's point reads back as it was written; a folder that was damaged is named in one line."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.record.real_point import COUNTED, read_counted, read_real_point, read_steps
from harness.record.replay_rows import ReplayError
from tests.mutations import mutated
from tests.real_point_folder import SECONDS, counters_of, facts_of, steps_of, write_point, write_tables
from tests.replay_folder import small_toy

FACTS = json.loads(json.dumps({"schema_version": 1} | asdict(facts_of(small_toy(10)))))


@pytest.mark.parametrize(("blocks", "caching"), [(40, True), (10, True), (12, False)])
def test_a_folder_reads_back_as_it_was_written(tmp_path: Path, blocks: int, caching: bool):
    toy = write_point(tmp_path / "1", small_toy(blocks, caching))
    point = read_real_point(tmp_path / "1")
    assert point.facts == facts_of(toy)
    assert list(point.steps) == steps_of(toy)
    assert [row.request_id for row in point.requests] == ["a-1", "b-1", "a-2", "b-2", "c"]
    assert max(row.max_blocks_in_use for row in point.occupancy) <= blocks


def test_what_a_worker_counted_is_read_before_real_json_is_there(tmp_path: Path):
    toy = small_toy(10)
    write_tables(tmp_path / "1", toy)
    assert read_counted(tmp_path / "1") == (counters_of(toy), SECONDS)
    (tmp_path / "1" / COUNTED).write_text('{"counters": {}}')
    with pytest.raises(ReplayError, match="does not say what was counted"):
        read_counted(tmp_path / "1")


def text_changed(name: str, change: Callable[[str], str]) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(change((folder / name).read_text()))


def facts_changed(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        document = json.loads((folder / "real.json").read_text())
        change(document)
        (folder / "real.json").write_text(json.dumps(document))

    return damage


def without_line(number: int) -> Callable[[str], str]:
    return lambda text: "".join(line for n, line in enumerate(text.splitlines(keepends=True)) if n != number)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "real.json").unlink(), "real.json: not readable (No such file or directory)"),
        (lambda folder: (folder / "steps.csv").unlink(), "steps.csv: not readable (No such file or directory)"),
        (text_changed("real.json", lambda text: text[:50]), "real.json: not readable (not JSON: "),
        (facts_changed(lambda it: it.update(schema_version=7)), "schema_version is 7, this harness reads 1"),
        (facts_changed(lambda it: it.update(more=1)), "real.json: missing or unknown keys: more"),
        (facts_changed(lambda it: it["seconds"].pop("idle_s")), "seconds: missing or unknown keys: idle_s"),
        (facts_changed(lambda it: it["seconds"].update(wall_s=-1.0)), "seconds: wall_s has a value that cannot be"),
        (
            facts_changed(lambda it: it["parameters"].update(arrivals="days")),
            "arrivals are by days, not steps",
        ),
        (facts_changed(lambda it: it["parameters"]["engine"].update(num_blocks="9")), "engine: num_blocks has a value"),
        (facts_changed(lambda it: it["counters"].update(preemptions=77)), "preemptions of requests of its tables are"),
        (facts_changed(lambda it: it["counters"].update(output_tokens=1)), "output tokens of its tables are"),
        (text_changed("steps.csv", without_line(3)), "steps.csv:4: step 3 does not follow the one before it"),
        (text_changed("steps.csv", lambda text: text + "0,0.0,0.1,1,1,1,0\n"), "does not follow the one before it"),
        (text_changed("steps.csv", lambda text: text.rsplit("\n", 2)[0] + "\n"), "steps of its tables are"),
        (text_changed("steps.csv", lambda text: text.replace("0.009", "nan", 1)), "steps.csv:2: seconds must be a num"),
        (
            text_changed("steps.csv", lambda text: text.replace("seconds", "s")),
            "steps.csv:1: columns must be step",
        ),
        (text_changed("steps.csv", lambda _: ""), "steps.csv: empty"),
        (lambda folder: (folder / "steps.csv").write_bytes(b"\xff\xfe"), "steps.csv: not readable ('utf-8'"),
    ],
)
def test_a_damaged_folder_is_one_line(tmp_path: Path, damage: Callable[[Path], object], message: str):
    write_point(tmp_path / "1")
    damage(tmp_path / "1")
    with pytest.raises(ReplayError) as error:
        read_real_point(tmp_path / "1")
    assert message in str(error.value)
    assert str(error.value).isprintable()


def test_steps_may_not_overlap(tmp_path: Path):
    write_point(tmp_path / "1")
    text_changed("steps.csv", lambda text: text.replace("0.009", "0.02", 1))(tmp_path / "1")
    with pytest.raises(ReplayError, match="step 1 does not follow"):
        read_steps(tmp_path / "1")


def said_of(folder: Path) -> str:
    """Why it cannot be read, if so; any other exception is one too many."""
    try:
        read_real_point(folder)
    except ReplayError as error:
        return str(error)
    return ""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(text=mutated(FACTS))
def test_whatever_real_json_says_is_read_or_refused_in_one_line(tmp_path: Path, text: str):
    folder = tmp_path / "1"
    if not folder.exists():
        write_point(folder)
    (folder / "real.json").write_text(text, encoding="utf-8")
    assert said_of(folder).isprintable()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(place=st.integers(0, 10**6), byte=st.integers(0, 255), cut=st.booleans())
def test_a_byte_of_the_steps_that_changed_is_read_or_refused(tmp_path: Path, place: int, byte: int, cut: bool):
    folder = tmp_path / "1"
    if not folder.exists():
        write_point(folder)
        (tmp_path / "whole").write_bytes((folder / "steps.csv").read_bytes())
    data = bytearray((tmp_path / "whole").read_bytes())
    place %= len(data)
    data[place] = byte
    (folder / "steps.csv").write_bytes(bytes(data[: place if cut else None]))
    assert said_of(folder).isprintable()
