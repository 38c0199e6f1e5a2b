"""What a person types becomes the starts that count, of one session, or a line that says why not."""

from pathlib import Path

import pytest

from harness.record.collect import CaseRuns, collect
from harness.record.select import SelectError
from harness.record.sides import Side, find_side
from harness.record.slot import write_slot
from harness.record.store import CaseStore
from tests.synthetic_run import certificate, make_run, put
from tests.synthetic_slot import synthetic

CASE = "tiny_fake_compiled-00000001"


@pytest.fixture
def store(tmp_path: Path) -> CaseStore:
    return CaseStore.of(tmp_path / "runs", "node-1", "cold_start", CASE)


@pytest.fixture
def two_sessions(store: CaseStore, tmp_path: Path) -> Path:
    """A case whose newest session holds a warm-up and nothing else; returns the store's root."""
    put(store, make_run("warmup-0"), make_run("1"), make_run("2"))
    put(store, make_run("warmup-0", session="s2"), make_run("1", session="s2"))
    put(store, make_run("warmup-0", session="s3"))
    return tmp_path / "runs"


def runs(side: Side) -> list[str]:
    return [start.run for start in side.starts]


def test_a_case_means_its_newest_session_with_a_run_to_use(two_sessions: Path) -> None:
    side = find_side(two_sessions, "tiny_fake", "measured")
    assert (side.label, runs(side), side.kind) == (f"{CASE}@s2", ["1"], "measured")
    assert find_side(two_sessions, CASE, "warmup").label == f"{CASE}@s3"


def test_a_session_can_be_named_and_is_never_mixed_with_another(two_sessions: Path, store: CaseStore) -> None:
    for text in ("tiny@s1", f"{CASE}@s1", f"{store.folder}@s1"):
        assert runs(find_side(two_sessions, text, "measured")) == ["1", "2"]


def test_a_single_run_brings_its_own_kind(two_sessions: Path, store: CaseStore) -> None:
    for text in ("tiny/warmup-0", str(store.folder / "warmup-0")):
        side = find_side(two_sessions, text, "measured")
        assert (side.label, side.kind, runs(side)) == (f"{CASE}/warmup-0", "warmup", ["warmup-0"])


def test_runs_that_do_not_count_are_left_out_and_counted(store: CaseStore, tmp_path: Path) -> None:
    bad = [
        make_run("2", status="failed"),
        make_run("3", status="failed"),
        make_run("4", certificate=certificate(False)),
    ]
    put(store, make_run("warmup-0", status="killed"), make_run("1"), *bad)
    side = find_side(tmp_path / "runs", CASE, "measured")
    assert runs(side) == ["1"]
    assert side.left_out == {"failed": 2, "compile cache was not as declared": 1}


def test_a_start_keeps_its_round_and_takes_as_long_as_its_phases(store: CaseStore, tmp_path: Path) -> None:
    put(store, make_run("1", round="call:1"))
    (start,) = find_side(tmp_path / "runs", CASE, "measured").starts
    assert (start.round, start.ready_s) == ("call:1", 3.0)


def test_the_facts_of_a_case_are_grouped_and_flat(store: CaseStore, tmp_path: Path) -> None:
    put(store, make_run("1", environment={"OMP_NUM_THREADS": "2"}, node={"id": "n", "storage": {"device": "vda"}}))
    facts = find_side(tmp_path / "runs", CASE, "measured").facts
    assert facts["versions"]["version"] == "1.2.3"
    assert facts["versions"]["harness.version"] == "0.1.0"
    assert facts["flags"] == {"max_model_len": 64, "eager": False, "OMP_NUM_THREADS": "2"}
    assert facts["machine"] == {"id": "n", "storage.device": "vda"}
    assert facts["state"] == {"compile_cache": "filled"}
    assert facts["model"]["name"] == "tiny"


def test_a_fact_that_changed_within_a_session_is_stated_with_all_its_values(store: CaseStore, tmp_path: Path) -> None:
    put(store, make_run("1"), make_run("2", harness={"version": "0.2.0"}))
    assert find_side(tmp_path / "runs", CASE, "measured").facts["versions"]["harness.version"] == "0.1.0 / 0.2.0"


def test_a_slot_gives_the_same_starts_as_the_runs_it_was_collected_from(store: CaseStore, tmp_path: Path) -> None:
    put(
        store,
        make_run("warmup-0"),
        make_run("1"),
        make_run("2", phases={"imports:main": 3.0}, phases_by_process={}),
        make_run("3", status="failed"),
    )
    slot = tmp_path / "figures" / "node0"
    collect("2", "node0", slot, [CaseRuns(CASE, store, "s1")])
    ours, theirs = find_side(tmp_path / "runs", CASE, "measured"), find_side(tmp_path, str(slot), "measured")
    assert [(s.run, s.phases) for s in theirs.starts] == [(s.run, s.phases) for s in ours.starts]
    assert (theirs.source, theirs.left_out) == ("slot", {"failed": 1})
    for group, facts in theirs.facts.items():
        assert {name: ours.facts[group].get(name) for name in facts} == facts


def test_of_a_slot_with_several_cases_one_must_be_named(tmp_path: Path) -> None:
    rows, manifest = synthetic(measured=2)
    other = {**manifest["cases"][0], "case": "another-case"}
    write_slot(tmp_path / "node0", rows, {**manifest, "cases": [*manifest["cases"], other]})
    with pytest.raises(SelectError, match="2 of its cases fit ''; it holds llama3-3b-compiled-1a2b3c4d, another-case"):
        find_side(tmp_path, f"{tmp_path}/node0", "measured")
    assert runs(find_side(tmp_path, f"{tmp_path}/node0:llama3", "measured")) == ["1", "2"]
    with pytest.raises(SelectError, match="another-case@s1 has no measured run that can be used"):
        find_side(tmp_path, f"{tmp_path}/node0:another", "measured")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nope", "no case 'nope' in the store; it has tiny_fake_compiled-00000001"),
        ("", "no case '' in the store"),
        ("tiny@s9", f"{CASE} has no session 's9'; it has s1, s2, s3"),
        ("tiny@s3", f"{CASE}@s3 has no measured run that can be used (there is none); measure it again"),
        ("tiny/7", f"{CASE} has no run '7'; it has 1, 2"),
        ("{root}/node-1", "node-1: not a case, a run or a slot"),
    ],
)
def test_what_fits_nothing_is_one_line_that_says_what_there_is(two_sessions: Path, text: str, message: str) -> None:
    with pytest.raises(SelectError) as error:
        find_side(two_sessions, text.replace("{root}", str(two_sessions)), "measured")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_single_run_that_does_not_count_is_refused(store: CaseStore, tmp_path: Path) -> None:
    put(store, make_run("1", status="timeout"))
    with pytest.raises(SelectError, match=r"can be used \(1 timeout\)"):
        find_side(tmp_path / "runs", "tiny/1", "measured")


def test_starts_of_slots_know_the_rounds_in_which_they_were_made(store: CaseStore, tmp_path: Path) -> None:
    put(store, make_run("1", round="a1b2:2"), make_run("2", round="a1b2:3"), make_run("3"))
    collect("2", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s1")])
    rounds = ["a1b2:2", "a1b2:3", None]
    assert [start.round for start in find_side(tmp_path / "runs", CASE, "measured").starts] == rounds
    assert [start.round for start in find_side(tmp_path / "runs", str(tmp_path / "node0"), "measured").starts] == rounds


def test_what_a_killed_run_left_is_no_run(store: CaseStore, tmp_path: Path) -> None:
    make_run("1").write(store.open_run("s1", "1"))
    for text in ("tiny", str(store.folder), str(store.folder / ".1.partial"), "tiny/.1.partial", f"{store.folder}@s1"):
        with pytest.raises(SelectError):
            find_side(tmp_path / "runs", text, "measured")


def test_a_slash_behind_a_case_changes_nothing(store: CaseStore, tmp_path: Path) -> None:
    put(store, make_run("1"))
    for text in ("tiny/", f"{CASE}//", f"{store.folder}/"):
        assert find_side(tmp_path / "runs", text, "measured").label == f"{CASE}@s1"
