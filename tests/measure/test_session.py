"""Sessions of the fake engine: what a call measures, what the next one continues, and what it gives up."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.measure import session as session_module
from harness.measure.preparation import Surroundings
from harness.measure.session import SPARE_ATTEMPTS, CaseSession, Progress, measure
from harness.record.run import Run
from harness.spec.state import StartState
from harness.state.filesystem import FileSystem, filesystem_of
from tests.measure.fake_engine import NODE, FakeEngine


@pytest.fixture
def fake(fake: FakeEngine) -> FakeEngine:
    """The fake engine in its fast form: what one start does inside does not matter here."""
    fake = replace(fake, processes=1)
    fake.behave("ok")
    return fake


def names(runs: list[Run]) -> list[str]:
    return [run.run for run in runs]


def folders(fake: FakeEngine) -> list[str]:
    return sorted(path.name for path in fake.store().folder.iterdir())


def test_a_session_is_one_warmup_and_the_asked_measured_runs(fake: FakeEngine) -> None:
    assert names(fake.measure(fake.session(2))) == ["warmup-0", "1", "2"]
    assert folders(fake) == ["1", "2", "warmup-0"]
    assert all(run.counts for run in fake.store().runs())


def test_measured_starts_of_cases_with_and_without_a_warm_up_are_in_the_same_rounds(fake: FakeEngine) -> None:
    cold = fake.case(name="cold-00000000", state=StartState(compile_cache="empty", model_info="empty"))
    runs = fake.measure(fake.session(2, cold), fake.session(2))
    assert names(runs) == ["warmup-0", "1", "1", "2", "2"]
    rounds = [run.round for run in runs]
    assert rounds[1] == rounds[2] != rounds[3] == rounds[4]


def test_a_repeated_call_measures_nothing(fake: FakeEngine) -> None:
    fake.measure(fake.session(1))
    before = {path: path.read_bytes() for path in fake.store().folder.rglob("*") if path.is_file()}
    assert fake.session(1).missing() == []
    assert fake.measure(fake.session(1)) == []
    assert len(fake.starts()) == 2
    assert {path: path.read_bytes() for path in fake.store().folder.rglob("*") if path.is_file()} == before


def test_more_iterations_measure_only_what_is_missing(fake: FakeEngine) -> None:
    fake.measure(fake.session(1))
    assert names(fake.measure(fake.session(3))) == ["2", "3"]
    assert {run.session for run in fake.store().runs()} == {"s1"}


def test_fewer_iterations_measure_nothing_and_remove_nothing(fake: FakeEngine) -> None:
    fake.measure(fake.session(2))
    assert fake.measure(fake.session(1)) == []
    assert folders(fake) == ["1", "2", "warmup-0"]


def test_again_opens_a_session_of_its_own_from_empty_caches(fake: FakeEngine) -> None:
    fake.measure(fake.session(1))
    runs = fake.measure(fake.session(1, again=True))
    assert [run.run_id for run in runs] == ["s2/warmup-0", "s2/1"]
    assert folders(fake) == ["1", "s2-1", "s2-warmup-0", "warmup-0"]
    assert [any(start["caches"].values()) for start in fake.starts()] == [False, True, False, True]
    assert fake.measure(fake.session(1)) == []  # without --again, the new session is the one that is continued


def test_a_call_that_was_stopped_is_continued_by_the_next(fake: FakeEngine) -> None:
    def stop_after_the_second(_session: CaseSession, run: Run) -> None:
        if run.run == "1":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure([fake.session(3)], NODE, Progress(lambda *_: None, stop_after_the_second, print))
    assert folders(fake) == ["1", "warmup-0"]
    assert names(fake.measure(fake.session(3))) == ["2", "3"]
    assert len(fake.starts()) == 4


def test_lost_caches_are_warmed_up_again_before_the_next_measured_run(fake: FakeEngine) -> None:
    fake.measure(fake.session(1))
    shutil.rmtree(fake.workspace.caches)
    runs = fake.measure(fake.session(2))
    assert names(runs) == ["warmup-1", "2"]
    assert all(run.counts for run in runs)


def test_caches_that_were_emptied_by_hand_are_warmed_up_again(fake: FakeEngine) -> None:
    fake.measure(fake.session(1))
    for path in fake.session(1).sandbox.folder.rglob("*"):
        if path.is_file():
            path.unlink()
    assert names(fake.measure(fake.session(2))) == ["warmup-1", "2"]


def test_caches_that_were_changed_at_equal_size_are_warmed_up_again(fake: FakeEngine) -> None:
    fake.measure(fake.session(1))
    changed = next(path for path in fake.session(1).sandbox.warm_up.rglob("*.so") if path.is_file())
    changed.write_bytes(bytes(byte ^ 1 for byte in changed.read_bytes()))
    runs = fake.measure(fake.session(2))
    assert names(runs) == ["warmup-1", "2"]
    assert all(run.counts for run in runs)


def test_a_session_is_not_continued_where_the_machine_is_not_as_it_was(fake: FakeEngine) -> None:
    here = {**NODE, "driver_version": "550.54", "storage": {"device_model": "Disk A"}}
    moved = {**here, "storage": {"device_model": "Disk B"}}
    measure([fake.session(2, node=here)], here, Progress(*[lambda *_: None] * 3))
    assert fake.session(2, node=moved).missing() == []  # complete: nothing is averaged with it
    other = fake.session(3, node=moved)
    assert (other.session, other.changed) == ("s2", "the disk of the results was Disk A, is Disk B")
    assert other.missing() == ["warmup", *["measured"] * 3]
    measure([other], moved, Progress(*[lambda *_: None] * 3))
    again = fake.session(5, node=moved)
    assert (again.session, again.changed, again.missing()) == ("s2", None, ["measured", "measured"])


def test_a_session_whose_model_moved_to_another_disk_is_not_continued(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    case = fake.case(around=Surroundings(tmp_path / "model", ()), state=StartState(storage="as found"))
    fake.measure(fake.session(1, case))
    assert fake.session(2, case).changed is None
    kind = filesystem_of(tmp_path).kind
    monkeypatch.setattr(session_module, "filesystem_of", lambda _: FileSystem("beegfs", "0:1"))
    assert fake.session(2, case).changed == f"the file system of the model was {kind}, is beegfs"


def test_lost_caches_do_not_matter_when_nothing_is_missing(fake: FakeEngine) -> None:
    fake.measure(fake.session(1))
    shutil.rmtree(fake.workspace.caches)
    assert fake.measure(fake.session(1)) == []


def test_a_failed_run_is_kept_and_ends_its_case_in_this_call(fake: FakeEngine) -> None:
    fake.behave("ok", "ok", "crash", "ok")
    runs = fake.measure(fake.session(3))
    assert [(run.run, run.status) for run in runs] == [("warmup-0", "ok"), ("1", "ok"), ("2", "failed")]
    assert folders(fake) == ["1", "2", "warmup-0"]


def test_the_next_call_replaces_a_failed_run_under_a_new_number(fake: FakeEngine) -> None:
    fake.behave("ok", "crash", "ok")
    fake.measure(fake.session(2))
    failed = (fake.store().folder / "1" / "run.json").read_bytes()
    assert names(fake.measure(fake.session(2))) == ["2", "3"]
    assert (fake.store().folder / "1" / "run.json").read_bytes() == failed
    assert fake.session(2).missing() == []


def test_a_failed_warmup_is_made_again_from_empty_caches(fake: FakeEngine) -> None:
    fake.behave("no_token", "ok")  # it fails after it has filled the caches
    fake.measure(fake.session(1))
    assert names(fake.measure(fake.session(1))) == ["warmup-1", "1"]
    assert not any(fake.starts()[1]["caches"].values())


def test_a_run_that_compiled_again_is_kept_not_counted_and_replaced(fake: FakeEngine) -> None:
    fake.behave("ok", compiles="always")

    def from_now_on_cached(_session: CaseSession, run: Run) -> None:
        if run.run == "1":
            fake.behave("ok")

    session = fake.session(2)
    runs = measure([session], NODE, Progress(lambda *_: None, from_now_on_cached, print))
    assert [(run.run, run.counts) for run in runs] == [("warmup-0", True), ("1", False), ("2", True), ("3", True)]
    assert session.missing() == []


def test_a_case_that_always_compiles_is_given_up_after_the_spare_attempts(fake: FakeEngine) -> None:
    fake.behave("ok", compiles="always")
    session = fake.session(2)
    runs = fake.measure(session)
    assert names(runs) == ["warmup-0", "1", "2", "3", "4"]
    assert len(runs) == 1 + 2 + SPARE_ATTEMPTS
    assert [run.counts for run in runs] == [True, False, False, False, False]
    assert session.missing() == ["measured", "measured"]


def test_two_cases_are_interleaved_iteration_by_iteration(fake: FakeEngine) -> None:
    cases = [fake.case("a-00000000"), fake.case("b-00000000")]
    order: list[tuple[str, str, int, int]] = []
    progress = Progress(lambda s, kind, n, of: order.append((s.case.name[0], kind, n, of)), lambda *_: None, print)
    measure([fake.session(2, case) for case in cases], NODE, progress)
    assert [(name, kind) for name, kind, _, _ in order] == [
        *(("a", "warmup"), ("b", "warmup")),
        *(("a", "measured"), ("b", "measured")),
        *(("a", "measured"), ("b", "measured")),
    ]
    assert [(number, of) for *_, number, of in order] == [(n, 6) for n in range(1, 7)]


def test_a_case_that_fails_does_not_stop_the_other(fake: FakeEngine) -> None:
    fake.behave("ok", "ok", "crash", "ok")
    cases = [fake.case("a-00000000"), fake.case("b-00000000")]
    sessions = [fake.session(2, case) for case in cases]
    runs = fake.measure(*sessions)
    assert [run.case["name"][0] for run in runs] == ["a", "b", "a", "b", "b"]
    assert sessions[0].missing() == ["measured", "measured"]
    assert sessions[1].missing() == []


def test_each_case_has_caches_of_its_own(fake: FakeEngine) -> None:
    cases = [fake.case("a-00000000"), fake.case("b-00000000")]
    fake.measure(*(fake.session(1, case) for case in cases))
    assert [any(start["caches"].values()) for start in fake.starts()] == [False, False, True, True]


def test_leftovers_of_a_killed_call_are_discarded(fake: FakeEngine) -> None:
    leftover = fake.store().open_run("s1", "7")
    (leftover / "engine.log").write_text("half")
    assert fake.session(1).missing() == ["warmup", "measured"]
    fake.measure(fake.session(1))
    assert not leftover.exists()


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(modes=st.lists(st.sampled_from(["ok", "ok", "silent", "sigkill"]), max_size=4), iterations=st.integers(1, 2))
def test_calls_repeated_often_enough_complete_any_session(fake: FakeEngine, modes: list[str], iterations: int) -> None:
    fake.behave(*modes, "ok")
    first = len(fake.starts())
    session = fake.session(iterations, again=True)
    made: list[Run] = []
    for _ in range(len(modes) + 1):
        made += fake.measure(fake.session(iterations) if made else session)
    assert session.missing() == []
    stored = fake.store().session_runs(session.session)
    assert stored == made  # every attempt is kept
    assert len(made) == len(fake.starts()) - first  # and each was one start
    assert len({run.run for run in stored}) == len(stored)
    assert [run.kind for run in stored if run.counts] == ["warmup", *["measured"] * iterations]
