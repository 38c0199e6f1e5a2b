"""The run store: names, sessions, and that nothing is ever overwritten."""

import hashlib
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.record.run import STATUSES, RunFileError, last_warm_up
from harness.record.store import CaseStore, canonical_sha256, case_id
from tests.synthetic_run import certificate, make_run, put


@pytest.fixture
def store(tmp_path: Path) -> CaseStore:
    return CaseStore.of(tmp_path, "node-1", "cold_start", "tiny-00000000")


def contents(store: CaseStore) -> dict[str, bytes]:
    return {str(path.relative_to(store.folder)): path.read_bytes() for path in store.folder.rglob("*.json")}


def test_a_case_lies_under_node_and_study(store: CaseStore, tmp_path: Path) -> None:
    assert store.folder == tmp_path / "node-1" / "cold_start" / "tiny-00000000"


def test_an_empty_case_begins_with_session_1_warmup_0_and_run_1(store: CaseStore) -> None:
    assert (store.runs(), store.last_session(), store.next_session()) == ([], None, "s1")
    assert store.last_session_runs() == []
    assert (store.next_run("s1", "warmup"), store.next_run("s1", "measured")) == ("warmup-0", "1")


def test_a_second_session_has_its_own_numbers_under_its_own_names(store: CaseStore) -> None:
    put(store, make_run("warmup-0"), make_run("1"))
    assert store.next_session() == "s2"
    assert store.next_run("s2", "measured") == "1"
    assert store.run_folder("s1", "1").name == "1"
    assert store.run_folder("s2", "1").name == "s2-1"
    assert store.run_folder("s2", "warmup-0").name == "s2-warmup-0"


def test_sessions_are_ordered_by_number_not_by_text(store: CaseStore) -> None:
    put(store, make_run(session="s9"), make_run(session="s10"))
    assert (store.last_session(), store.next_session()) == ("s10", "s11")
    assert [run.session for run in store.last_session_runs()] == ["s10"]


def test_runs_are_listed_in_the_order_in_which_they_were_made(store: CaseStore) -> None:
    order = ["warmup-0", "1", "2", "10", "warmup-1", "3"]
    put(store, *(make_run(name) for name in order))
    assert [run.run for run in store.runs()] == order


@pytest.mark.parametrize(
    ("wanted", "shown"), [(1, "s3"), (2, "s2"), (3, "s1"), (9, "s1")], ids=["one", "two", "three", "more than any has"]
)
def test_the_newest_session_with_enough_runs_that_count_is_shown_else_the_largest(
    store: CaseStore, wanted: int, shown: str
) -> None:
    assert store.newest_usable_session(wanted) is None
    put(store, *(make_run(str(number)) for number in (1, 2, 3)))
    put(store, *(make_run(str(number), "s2") for number in (1, 2)))
    put(store, make_run("1", "s3"), make_run("2", "s3", status="failed"), make_run("warmup-0", "s3"))
    put(store, make_run("1", "s4", status="failed"))
    assert store.newest_usable_session(wanted) == shown


def test_of_two_sessions_that_lack_runs_the_newer_of_the_larger_ones_is_shown(store: CaseStore) -> None:
    put(store, make_run("1"), make_run("2"), make_run("1", "s10"), make_run("2", "s10"), make_run("1", "s11"))
    assert store.newest_usable_session(5) == "s10"


def test_a_complete_run_is_on_the_disk_before_it_has_its_name(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = store.open_run("s1", "1")
    (working / "spans").mkdir()
    for name in ("parts.csv", "engine.log", "spans/main-1.jsonl"):
        (working / name).write_text("x")
    synced: list[str] = []

    def note(descriptor: int) -> None:
        assert working.is_dir()
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)

    monkeypatch.setattr(os, "fsync", note)
    store.close_run(working, make_run("1"))
    assert {"parts.csv", "engine.log", "main-1.jsonl", "spans", "run.json", working.name} <= set(synced)


def test_the_last_warm_up_is_that_of_the_last_attempt_whatever_the_wall_clock_said() -> None:
    late, early = "2099-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"
    names = ("warmup-9", "warmup-10", "warmup-11", "1")
    first, second, lost, measured = (make_run(name, started_at=early) for name in names)
    runs = [second, replace(lost, certificate=certificate(holds=False)), measured, replace(first, started_at=late)]
    assert last_warm_up(runs) is second
    assert last_warm_up([measured]) is None


def test_failed_attempts_keep_their_number(store: CaseStore) -> None:
    put(store, make_run("warmup-0", status="failed"), make_run("1", status="killed"), make_run("2", status="timeout"))
    assert (store.next_run("s1", "warmup"), store.next_run("s1", "measured")) == ("warmup-1", "3")


def test_an_existing_run_is_never_overwritten(store: CaseStore) -> None:
    put(store, make_run("1"))
    before = contents(store)
    working = store.open_run("s1", "1")
    with pytest.raises(FileExistsError, match="runs are never overwritten"):
        store.close_run(working, make_run("1", status="failed"))
    assert contents(store) == before


attempts = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["warmup", "measured"]), st.sampled_from(STATUSES)))


@settings(max_examples=25, deadline=None)
@given(attempts=attempts)
def test_every_attempt_of_any_history_gets_a_name_that_no_other_has(attempts: list[tuple[int, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = CaseStore(Path(folder) / "case")
        stored: dict[str, bytes] = {}
        for number, kind, status in attempts:
            session = f"s{number}"
            name = store.next_run(session, kind)
            assert not store.run_folder(session, name).exists()
            put(store, make_run(name, session, status=status))
            now = contents(store)
            assert stored.items() < now.items()  # all of before, unchanged, and one more
            stored = now
            assert store.session_runs(session)[-1].run == name
            assert store.next_session() == f"s{max(number for number, _, _ in attempts[: len(now)]) + 1}"
        for session in ("s1", "s2", "s3"):
            of_kind = {k: [r.run for r in store.session_runs(session) if r.kind == k] for k in ("warmup", "measured")}
            assert of_kind["warmup"] == [f"warmup-{n}" for n in range(len(of_kind["warmup"]))]
            assert of_kind["measured"] == [str(n + 1) for n in range(len(of_kind["measured"]))]


def test_a_run_that_is_being_made_is_invisible_until_it_is_complete(store: CaseStore) -> None:
    working = store.open_run("s1", "warmup-0")
    (working / "engine.log").write_text("a line")
    assert store.runs() == []
    assert store.next_run("s1", "warmup") == "warmup-0"
    final = store.close_run(working, make_run("warmup-0"))
    assert (final.name, (final / "engine.log").read_text()) == ("warmup-0", "a line")
    assert not working.exists()
    assert len(store.runs()) == 1


def test_leftovers_of_a_killed_attempt_do_not_get_into_the_next(store: CaseStore) -> None:
    (store.open_run("s1", "1") / "spans-of-the-killed.jsonl").write_text("{}")
    assert list(store.open_run("s1", "1").iterdir()) == []


def test_a_corrupt_record_is_an_error_that_names_the_file(store: CaseStore) -> None:
    put(store, make_run("1"), make_run("2"))
    path = store.folder / "1" / "run.json"
    path.write_text(path.read_text()[:-20])
    for question in (store.runs, store.last_session, store.next_session):
        with pytest.raises(RunFileError, match=str(path)):
            question()


def test_a_visible_folder_without_a_record_is_named_not_skipped(store: CaseStore) -> None:
    put(store, make_run("1"))
    (store.folder / "copy of 1").mkdir()
    with pytest.raises(RunFileError, match=r"copy of 1/run\.json"):
        store.runs()


json_documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(definition=st.dictionaries(st.text(), json_documents, max_size=5), data=st.data())
def test_a_case_id_depends_on_the_definition_and_not_on_its_order(
    definition: dict[str, object], data: st.DataObject
) -> None:
    shuffled = dict(data.draw(st.permutations(list(definition.items()))))
    assert case_id("tiny", definition) == case_id("tiny", shuffled)
    assert canonical_sha256(definition) != canonical_sha256({**definition, "one more key": 1, "and another": 2})
    name, _, digest = case_id("tiny", definition).rpartition("-")
    assert (name, digest) == ("tiny", canonical_sha256(definition)[:8])


def test_a_definition_with_nan_has_no_identity() -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        canonical_sha256({"x": float("nan")})


def test_the_canonical_form_stays_what_stored_names_were_made_with() -> None:
    text = '{"a":"\\u00fc","b":[1,2.5,null]}'
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert case_id("tiny", {"b": [1, 2.5, None], "a": "ü"}) == f"tiny-{digest[:8]}" == "tiny-703dceec"
