"""When a start counts as ready, for servers and programs of every kind: real processes of the fake engine."""

import json
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.engine import process_tree
from harness.errors import HarnessError
from harness.measure import start as start_module
from harness.measure.address import Address, free_port
from harness.measure.start import ProgramStart, ServerStart, _Health, _Signs
from tests.measure.fake_engine import FakeEngine, end_for_certain
from tests.measure.fake_server import serving_engine
from tests.processes import is_gone


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeEngine]:
    with serving_engine(tmp_path_factory.mktemp("engine")) as fake:
        yield fake


@pytest.fixture
def fake(engine: FakeEngine) -> Iterator[FakeEngine]:
    engine.behave("ok")
    yield engine
    end_for_certain([entry["pid"] for entry in engine.journal("hanging")])


def server(fake: FakeEngine, *options: str, prompt: str | None = None, **where: str) -> ServerStart:
    address = Address(**{"port": free_port(), **where})  # type: ignore[arg-type]
    said = ("--uds", address.uds) if address.uds else ("--host", address.host, "--port", str(address.port))
    return ServerStart(
        (str(fake.engine.folder / "bin" / "vllm"), "serve", "tiny", *said, *options), address, None, prompt
    )


def program(fake: FakeEngine, folder: Path, text: str) -> ProgramStart:
    (folder / "program.py").write_text(f"from vllm import LLM\n\nif __name__ == '__main__':\n    {text}\n")
    return ProgramStart((str(fake.engine.python), "program.py"), folder)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_server_is_ready_when_it_says_that_it_is_healthy(fake: FakeEngine, host: str) -> None:
    if host == "::1" and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    run = fake.start(start=server(fake, host=host))
    assert (run.status, run.counts, run.first_token_s, run.exit_code) == ("ok", True, None, None)
    assert sum(run.phases.values()) == pytest.approx(run.ready_s)
    assert run.phases_by_process["main"]["server_start"] > 0
    assert run.resources["leftover_processes"] == 0
    assert is_gone(fake.starts()[-1]["pid"])


def test_a_server_behind_a_unix_socket_is_asked_there(fake: FakeEngine, tmp_path: Path) -> None:
    assert fake.start(start=server(fake, uds=str(tmp_path / "s"))).counts


def test_a_server_with_a_prompt_also_answers_it(fake: FakeEngine) -> None:
    run = fake.start(start=server(fake, prompt="Say something."))
    assert run.counts
    assert run.first_token_s is not None
    assert run.first_token_s > 0


def test_a_server_that_became_ready_while_the_harness_was_held_up_does_not_count(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_module, "HELD_UP_S", 0.05)
    ask = _Health.ask

    def ask_and_be_held_up(health: _Health) -> bool:
        answer = ask(health)
        time.sleep(0 if answer else 0.1)
        return answer

    monkeypatch.setattr(_Health, "ask", ask_and_be_held_up)
    run = fake.start(start=server(fake, prompt="Say something."))
    assert (run.status, run.ready_s, run.first_token_s) == ("failed", None, None)
    assert "the harness itself was held up for 0.1 s, so readiness was not seen in time" in str(run.reason)


@pytest.mark.parametrize(("pause_ns", "told"), [(2_000_000, False), (1_000_000_000, False), (1_500_000_000, True)])
def test_only_a_long_pause_between_two_questions_hides_when_a_server_became_ready(
    monkeypatch: pytest.MonkeyPatch, pause_ns: int, told: bool
) -> None:
    clock = iter([10, 7 * 10**9, 7 * 10**9 + pause_ns])  # a question that itself takes long is no pause
    monkeypatch.setattr(start_module, "time", SimpleNamespace(monotonic_ns=lambda: next(clock)))
    answers = iter([False, True])
    health = _Health(lambda: next(answers), 0)
    assert (health.ask(), health.ask()) == (False, True)
    assert health.problem == (
        "the harness itself was held up for 1.5 s, so readiness was not seen in time" if told else None
    )


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("mute", "the server is healthy but does not answer: HTTPStatusError"),
        ("no_token", "the server is healthy but generated no token"),
    ],
)
def test_a_healthy_server_that_generates_nothing_failed(fake: FakeEngine, mode: str, reason: str) -> None:
    fake.behave(mode)
    run = fake.start(start=server(fake, prompt="Say something."))
    assert run.status == "failed"
    assert reason in str(run.reason)
    assert run.ready_s is None
    assert fake.start(start=server(fake)).status == "ok"  # which nobody asked


def test_a_server_that_is_never_healthy_is_given_up_and_ended(fake: FakeEngine) -> None:
    fake.behave("never_healthy")
    start = server(fake)
    run = fake.start(start=start, timeout_s=0.4)
    assert (run.status, run.reason) == (
        "timeout",
        f"waited 0 s for /health at {start.address} to answer 200, in vain; the process tree was ended",
    )
    assert is_gone(fake.starts()[-1]["pid"])


@pytest.mark.alone
def test_a_server_that_hangs_before_it_listens_is_given_up_in_the_phase_it_hangs_in(fake: FakeEngine) -> None:
    fake.behave("hang")
    run = fake.start(start=server(fake), timeout_s=3.0)
    assert (run.status, run.failed_in, run.failed_process) == ("timeout", "load_weights", "engine")


def test_a_server_that_ends_itself_failed(fake: FakeEngine) -> None:
    fake.behave("ends")
    run = fake.start(start=server(fake))
    assert (run.status, run.exit_code) == ("failed", 0)


def test_a_server_that_ignores_sigterm_is_killed_and_its_start_counts(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_tree, "TERMINATE_GRACE_S", 0.1)
    fake.behave("deaf")
    assert fake.start(start=server(fake)).counts
    assert is_gone(fake.starts()[-1]["pid"])


@pytest.mark.parametrize("uds", [False, True])
def test_an_address_at_which_something_listens_is_refused_and_named(
    fake: FakeEngine, tmp_path: Path, uds: bool
) -> None:
    before = len(fake.starts())
    start = server(fake, uds=str(tmp_path / "s")) if uds else server(fake)
    with socket.socket(socket.AF_UNIX) if uds else socket.create_server(("127.0.0.1", start.address.port)) as other:
        if uds:
            other.bind(str(start.address.uds))
            other.listen()
        with pytest.raises(HarnessError) as refused:
            fake.start(start=start)
    said = f"{start.address}: something listens there already"
    assert str(refused.value).startswith(said)
    assert str(refused.value).endswith("another --uds" if uds else "another --port")
    assert len(fake.starts()) == before


def test_a_listener_that_says_nothing_does_not_hide_the_end_of_the_server(fake: FakeEngine) -> None:
    # Something else takes the port after it was looked at, and never answers.
    fake.behave("ends")
    start = server(fake)
    fell_silent = threading.Event()

    def take() -> None:
        with socket.create_server(("127.0.0.1", start.address.port)) as other:
            connections = [other.accept()[0] for _ in range(2)]  # the look whether it listens, and the question
            fell_silent.wait(5)
            for connection in connections:
                connection.close()

    thread = threading.Thread(target=take, daemon=True)
    object.__setattr__(start, "check", thread.start)
    threading.Timer(0.5, fell_silent.set).start()
    assert fake.start(start=start).status == "failed"
    thread.join()


def test_a_program_is_ready_when_its_llm_has_returned(fake: FakeEngine, tmp_path: Path) -> None:
    run = fake.start(start=program(fake, tmp_path, "LLM(model='tiny'); import time; time.sleep(60)"))
    assert (run.counts, run.exit_code) == (True, None)
    assert fake.starts()[-1]["cwd"] == str(tmp_path)


def test_a_program_that_ends_after_its_llm_is_read_to_the_end(fake: FakeEngine, tmp_path: Path) -> None:
    run = fake.start(start=program(fake, tmp_path, "LLM(model='tiny')"))
    assert (run.counts, run.ready_s is not None) == (True, True)


def test_a_program_without_an_llm_failed(fake: FakeEngine, tmp_path: Path) -> None:
    run = fake.start(start=program(fake, tmp_path, "pass"))
    assert run.status == "failed"
    assert run.reason is not None
    assert run.reason.startswith("ended (exit code 0) without a sign of an LLM() of the command to return")


def test_of_several_main_processes_the_one_that_was_ready_first_counts(tmp_path: Path) -> None:
    for name, ready_ns in (("main-10", 900), ("main-7", 300), ("main-9", 500)):
        line = f'{{"name":"tracer disarmed","begin_ns":{ready_ns},"end_ns":{ready_ns}}}\n'
        (tmp_path / f"{name}.jsonl").write_text(line)
    signs = _Signs(tmp_path)
    assert (signs.ready_ns(), signs.ready_ns()) == (300, 300)


@settings(deadline=None, max_examples=30)
@given(st.data(), st.integers(0, 10**18))
def test_the_sign_is_found_however_the_file_grows(data: st.DataObject, ready_ns: int) -> None:
    text = (
        json.dumps({"schema": 1, "pid": 7})
        + '\n{"name":"import a","begin_ns":1,"end_ns":2}\n'
        + f'{{"name":"tracer disarmed","begin_ns":{ready_ns},"end_ns":{ready_ns},"attrs":{{}}}}\n'
        + '{"name":"tracer exit","begin_ns":5}\n'
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    end_of_line = text.index("\n", text.index("tracer disarmed")) + 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        signs = _Signs(folder)
        assert signs.ready_ns() is None
        path = folder / "main-7.jsonl"
        (folder / "engine-8.jsonl").write_text(text)  # another process's readiness is not the program's
        path.write_text("")
        for at in (*cuts, len(text)):
            path.write_text(text[:at])
            assert signs.ready_ns() == (ready_ns if at >= end_of_line else None)
        path.unlink()
        assert signs.ready_ns() == ready_ns
