"""A session that lacks runs after a call is told, whatever its runs say, and takes no complete one's place."""

from pathlib import Path

import pytest

from harness.commands.figure import command as figure_command
from harness.measure.session import CaseSession
from harness.progress import measure_missing, why_incomplete
from harness.record.collect import CaseRuns
from tests.measure.fake_engine import NODE, FakeEngine, make_fake_engine
from tests.synthetic_run import certificate, make_run, put


@pytest.fixture
def fake(tmp_path: Path) -> FakeEngine:
    return make_fake_engine(tmp_path)


def test_a_session_whose_attempts_are_used_up_is_told_although_no_run_was_lost(fake: FakeEngine) -> None:
    case = fake.case()
    put(fake.store(), make_run("warmup-0", case=case.definition), make_run("1", case=case.definition))
    session = fake.session(3)
    assert why_incomplete(session, fake.store().runs(), fake.root) == (
        "fake-00000000: 1 of 3 measured runs of session s1 count, and this call's attempts are used up; "
        "repeat the command to measure what is missing"
    )
    assert why_incomplete(fake.session(1), [], fake.root) is None


def test_the_run_that_keeps_a_session_from_being_complete_is_named(fake: FakeEngine) -> None:
    case = fake.case()
    lost = make_run("1", case=case.definition, certificate=certificate(holds=False))
    put(fake.store(), lost)
    told = why_incomplete(fake.session(1), [lost], fake.root)
    assert told is not None
    assert told.startswith("run s1/1 of fake-00000000 does not count: it compiled; repeat the command")


def test_what_changed_is_told_before_the_new_session_is_measured(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {**NODE, "os": "Debian 12"}
    put(fake.store(), make_run("1", case=fake.case().definition, node=old))
    said: list[str] = []
    monkeypatch.setattr("harness.progress.say", said.append)
    monkeypatch.setattr("harness.progress.measure", lambda *_: [])
    measure_missing([fake.session(2, node={**NODE, "os": "Debian 13"})], NODE)
    assert said == [
        "fake-00000000: the operating system was Debian 12, is Debian 13; its stored runs are not continued, "
        "a new session (s2) is measured"
    ]


def shown_session(
    fake: FakeEngine, session: CaseSession, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[str, str]:
    """Which session a slot would be made of, and what is said about it."""
    found: list[CaseRuns] = []
    monkeypatch.setattr(figure_command, "collect", lambda *arguments: found.extend(arguments[3]))
    asked = type("One", (), {"number": "2", "slot": "node0", "figure": type("F", (), {"engines": "one"})})
    figure_command.collect_slot(asked, [session], fake.workspace)  # type: ignore[arg-type]
    return found[0].session, " ".join(capsys.readouterr().err.split())


def test_a_session_of_one_start_takes_no_place_of_five(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    definition = fake.case().definition
    put(fake.store(), *(make_run(str(number), case=definition) for number in range(1, 6)))
    put(fake.store(), make_run("1", "s2", case=definition), make_run("2", "s2", case=definition, status="failed"))
    shown, said = shown_session(fake, fake.session(5), monkeypatch, capsys)
    assert (shown, said) == ("s1", "fake-00000000: of session s2 1 of 5 runs count; the figure shows s1")
    assert shown_session(fake, fake.session(1), monkeypatch, capsys) == ("s2", "")  # complete, so the newest


def test_a_case_that_is_only_kept_shows_its_newest_start(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    definition = fake.case().definition
    put(
        fake.store(),
        make_run("1", case=definition),
        make_run("2", case=definition),
        make_run("1", "s2", case=definition),
    )
    assert shown_session(fake, fake.session(0), monkeypatch, capsys) == ("s2", "")
