"""A stranger's store: whatever its run.json say, they are read as runs or refused by name, and nothing else happens."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.record.collect import CaseRuns, collect
from harness.record.facts import facts_of_runs
from harness.record.run import Run, RunFileError, read_run
from harness.record.slotcheck import SlotError
from harness.record.store import CaseStore
from tests.mutations import mutated
from tests.record.test_example_runs import VERSIONS, store_of
from tests.synthetic_run import make_run, put

DOCUMENTS: list[dict[str, Any]] = [
    json.loads(path.read_text()) for version in VERSIONS for path in sorted(store_of(version).folder.glob("*/run.json"))
]
DOCUMENTS.append(
    asdict(make_run("2", status="failed", failed_in="load_weights", failed_process="worker", exit_code=-9))
)
fuzz = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def refused(store: CaseStore) -> str:
    with pytest.raises(RunFileError) as caught:
        store.runs()
    assert str(caught.value).isprintable()
    return str(caught.value)


def use(run: Run, folder: Path) -> None:
    """What is done with a run that was believed: it is written, compared and collected."""
    assert run.counts in (True, False)
    (folder / "again").mkdir(exist_ok=True)
    run.write(folder / "again")
    assert read_run(folder / "again") == run
    facts_of_runs([run])


@fuzz
@given(text=st.integers(0, len(DOCUMENTS) - 1).flatmap(lambda number: mutated(DOCUMENTS[number])))
def test_a_mutated_record_is_a_run_or_one_line_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    try:
        run = read_run(tmp_path)
    except RunFileError as error:
        complaint = str(error)
    else:
        use(run, tmp_path)
        return
    assert complaint.startswith(f"{tmp_path}/run.json: ")
    assert complaint.isprintable()
    assert len(complaint) < 600


@settings(fuzz, max_examples=40)
@given(text=mutated(DOCUMENTS[0]))
def test_what_is_collected_from_mutated_records_is_a_slot_or_one_line(tmp_path: Path, text: str) -> None:
    store = CaseStore(tmp_path / "case-00000000")
    place = store.folder / DOCUMENTS[0]["run"]
    place.mkdir(parents=True, exist_ok=True)
    (place / "run.json").write_text(text)
    complaint = ""
    try:
        collect("2", "node0", tmp_path / "node0", [CaseRuns(store.folder.name, store, "s1")])
    except (RunFileError, SlotError) as error:
        complaint = str(error)
    except ValueError as error:
        complaint = str(error)
        assert complaint == "no runs to collect for figure 2"
    assert complaint.isprintable()


def test_a_run_in_another_runs_place_is_named(tmp_path: Path) -> None:
    store = CaseStore(tmp_path)
    put(store, make_run("1"))
    (tmp_path / "1").rename(tmp_path / "2")
    assert refused(store) == f"{tmp_path}/2/run.json: it is of run s1/1, whose folder is '1'"


def test_a_copied_run_does_not_count_twice(tmp_path: Path) -> None:
    store = CaseStore(tmp_path)
    put(store, make_run("1"))
    (tmp_path / "s2-1").mkdir()
    (tmp_path / "s2-1" / "run.json").write_bytes((tmp_path / "1" / "run.json").read_bytes())
    assert "s2-1/run.json: it is of run s1/1" in refused(store)


def test_a_linked_run_is_named_and_not_followed(tmp_path: Path) -> None:
    put(CaseStore(tmp_path / "elsewhere"), make_run("1"))
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "1").symlink_to(tmp_path / "elsewhere" / "1")
    assert refused(CaseStore(tmp_path / "case")) == f"{tmp_path}/case/1: a link; every run is a folder of its own"


def test_a_linked_record_is_named_and_not_followed(tmp_path: Path) -> None:
    put(CaseStore(tmp_path / "elsewhere"), make_run("1"))
    (tmp_path / "case" / "1").mkdir(parents=True)
    (tmp_path / "case" / "1" / "run.json").symlink_to(tmp_path / "elsewhere" / "1" / "run.json")
    assert "1/run.json: not readable (not a regular file)" in refused(CaseStore(tmp_path / "case"))


def test_a_store_that_is_linked_as_a_whole_is_read(tmp_path: Path) -> None:
    put(CaseStore(tmp_path / "disk" / "case"), make_run("1"))
    (tmp_path / "runs").symlink_to(tmp_path / "disk")
    assert [run.run_id for run in CaseStore(tmp_path / "runs" / "case").runs()] == ["s1/1"]


def test_a_huge_record_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    with (tmp_path / "1" / "run.json").open("wb") as file:
        file.truncate(1 << 40)
    assert "it may have at most" in refused(CaseStore(tmp_path))


def test_a_pipe_in_the_place_of_a_record_does_not_make_the_reader_wait(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    os.mkfifo(tmp_path / "1" / "run.json")
    assert "not a regular file" in refused(CaseStore(tmp_path))


def test_a_folders_name_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "1\x1b[2J\n2").mkdir()
    assert "1\\x1b[2J\\n2/run.json: not readable" in refused(CaseStore(tmp_path))
