"""A process of the engine stands still: at each stage, in each process, and also deaf to SIGTERM as in a debugger."""

import pytest

from harness.engine import process_tree
from harness.engine.process_tree import Tree
from tests.faults.aftermath import cut_short, finish, running, wait_until
from tests.measure.fake_engine import FakeEngine

PLACES = {  # where it hangs → leaf and process that the record names
    "main:imports": ("imports:main", "main"),
    "main:config": ("config", "main"),
    "main:spawn": ("process_spawn", "main"),
    "engine:imports": ("imports:engine", "engine"),
    "engine:kv_cache": ("kv_cache_alloc", "engine"),
    "worker:imports": ("imports:worker", "worker"),
    "worker:load_weights": ("load_weights", "worker"),
    "worker:compile": ("graph_compile_general_shape", "worker"),
    "main:token": (None, None),  # after it was ready
    "worker:token": (None, None),
}
FAULTS = {place: "stop" if place.endswith((":imports", ":kv_cache", ":compile")) else "hang" for place in PLACES}


def cells() -> "list[pytest.ParameterSet]":
    return [
        pytest.param(place, fault, id=f"{fault}-{place.replace(':', '-at-').replace('at-token', 'after-ready')}")
        for place, fault in FAULTS.items()
    ]


@pytest.mark.parametrize(("place", "fault"), cells())
def test_a_hang_is_a_timeout_that_names_phase_and_process(fake: FakeEngine, place: str, fault: str) -> None:
    fake.behave(f"{place}:{fault}")
    (run,) = fake.measure(fake.session(1, fake.case(start=cut_short(fake))))
    assert (run.status, run.exit_code, run.ready_s) == ("timeout", None, None)
    assert (run.failed_in, run.failed_process) == PLACES[place]
    awaited = "more" if place.endswith(":token") else "LLM() to return"
    assert str(run.reason).endswith(f" s for {awaited}, in vain; the process tree was ended")
    assert str(run.reason).startswith("after it was ready: ") == place.endswith(":token")
    assert running(fake) == []
    finish(fake)


@pytest.mark.parametrize("process", [pytest.param("main", id="hang-main-at-its-end")])
def test_an_engine_that_answered_but_does_not_end_is_ended_and_its_start_counts(fake: FakeEngine, process: str) -> None:
    fake.behave(f"{process}:end:hang")
    (run,) = fake.measure(fake.session(1, fake.case(start=cut_short(fake))))[:1]
    assert (run.status, run.exit_code, run.counts) == ("ok", None, True)
    assert running(fake) == []
    finish(fake)


@pytest.mark.parametrize("place", [pytest.param("worker:token", id="fork-endlessly-while-being-ended")])
def test_processes_that_start_more_of_them_while_they_are_ended_are_all_ended(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def wait_for_many(_tree: Tree) -> None:
        wait_until(lambda: len(running(fake)) > 10)

    monkeypatch.setattr(process_tree, "TERMINATE_GRACE_S", 0.2)
    fake.behave(f"{place}:fork_for_ever")
    (run,) = fake.measure(fake.session(1, fake.case(start=cut_short(fake, wait_for_many))))
    assert run.status == "timeout"
    assert run.resources["leftover_processes"] > 10
    assert running(fake) == []
    finish(fake)
