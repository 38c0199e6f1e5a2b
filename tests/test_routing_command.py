"""The routing figure's command: requests that no replica takes, and what a program reads of runs that failed."""

import contextlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.commands.figure import study_steps
from harness.commands.figure.studies import StudyCall
from harness.commands.routing import asked as routing_asked
from harness.commands.routing import command as routing_command
from harness.commands.routing.asked import Asked
from harness.commands.routing.collect import collect
from harness.commands.routing.command import run_routing
from harness.commands.routing.fit import check_fits
from harness.commands.routing.load import MadeLoad
from harness.commands.routing.runs import Deployed, FailedRun
from harness.errors import HarnessError, MeasurementFailed
from harness.spec.routing import load_routing
from harness.workspace import Workspace
from tests.routing_slot import Made, made_slot

ENGINE = load_routing("routing", Workspace()).cpu.engine
FACTS = {"prompts": 3, "conversations": 1, "prompts_per_conversation": {"mean": 3.0}, "prompt_tokens": {"mean": 40.0}}


def made(longest: int) -> MadeLoad:
    return MadeLoad(Path("load"), FACTS | {"trace": {"max_tokens": longest}})


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=4), st.integers(1, 5000))
def test_loads_fit_if_the_longest_request_of_all_fits_into_the_context(lengths: list[int], context: int):
    fits = max(lengths) <= context
    told = rf"^the longest request has {max(lengths)} .* is {context}; give --set engine.max_model_len={max(lengths)},"
    with contextlib.nullcontext() if fits else pytest.raises(HarnessError, match=told):
        check_fits(map(made, lengths), ENGINE.model_copy(update={"max_model_len": context}))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The figure, and all that a deployment needs taken as given: only what the command makes of it is its own."""
    workspace = Workspace(tmp_path)
    folder = workspace.figure("routing")
    folder.mkdir(parents=True)
    shutil.copy(Workspace().figure("routing") / "figure.yaml", folder)
    monkeypatch.setattr(routing_asked, "visible_gpus", list)
    for name in ("refuse_taken_port", "_check_memory", "collect"):
        monkeypatch.setattr(routing_command, name, lambda *_: None)
    monkeypatch.setattr(study_steps, "plot", lambda *_: None)
    monkeypatch.setattr(routing_command, "measuring", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(routing_command, "simulated_rows", lambda *_: [])
    monkeypatch.setattr(routing_command, "make_load", lambda *_: made(700))
    monkeypatch.setattr(routing_command, "planned", lambda on, _loads: SimpleNamespace(on=on, has_any=True, missing=[]))
    monkeypatch.setattr(routing_command, "_set_up", _deployed)
    return workspace


def _deployed(asked: Asked, workspace: Workspace) -> Deployed:
    unused: Any = None
    return Deployed(asked, unused, unused, {"id": "node-0"}, workspace)


def fails(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    def make_missing(runs: Any) -> list[FailedRun]:
        cases = runs.on.asked.cases[:times]
        return [FailedRun(case, Path("1.failed-1"), "load", "9 requests failed") for case in cases]

    monkeypatch.setattr(routing_command, "make_missing", make_missing)


def test_the_last_line_holds_the_result_and_every_run_that_failed(
    place: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    made_slot(place.figure("routing") / "node0", Made(labels=("default",)))
    fails(monkeypatch, 2)
    with pytest.raises(MeasurementFailed, match=r"^prefix failed in load: 9 requests") as end:
        run_routing(StudyCall("routing", as_json=True), place)
    assert end.value.exit_code == 1
    (line,) = capsys.readouterr().out.splitlines()
    document = json.loads(line)
    assert len(document["findings"]) > 10
    assert document["failed"] == [
        f"{name} failed in load: 9 requests failed; logs: 1.failed-1/logs" for name in ("power-of-two", "prefix")
    ]


def test_without_a_failure_the_list_is_empty(
    place: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    made_slot(place.figure("routing") / "node0", Made(labels=("default",)))
    fails(monkeypatch, 0)
    run_routing(StudyCall("routing", as_json=True), place)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["failed"] == []


def test_requests_that_do_not_fit_end_it_before_anything_is_deployed(
    place: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(routing_command, "make_missing", lambda *_: pytest.fail("it was deployed"))
    with pytest.raises(HarnessError, match="max_model_len=700"):
        run_routing(StudyCall("routing", as_json=True, overrides=("engine.max_model_len=699",)), place)
    assert "max_model_len=700" in json.loads(capsys.readouterr().out)["error"]


def refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*_: Any) -> None:
        raise HarnessError("port 8000 is in use")

    monkeypatch.setattr(routing_command, "refuse_taken_port", taken)


def test_a_redraw_needs_neither_port_nor_memory(place: Workspace, monkeypatch: pytest.MonkeyPatch):
    refuses(monkeypatch)
    monkeypatch.setattr(routing_command, "_check_memory", lambda *_: pytest.fail("it was asked for"))
    fails(monkeypatch, 0)
    run_routing(StudyCall("routing"), place)


def test_a_taken_port_is_refused_before_a_missing_run_is_made(place: Workspace, monkeypatch: pytest.MonkeyPatch):
    refuses(monkeypatch)
    monkeypatch.setattr(
        routing_command, "planned", lambda on, _loads: SimpleNamespace(on=on, has_any=True, missing=[(1, None)])
    )
    monkeypatch.setattr(routing_command, "make_missing", lambda *_: pytest.fail("it was deployed"))
    with pytest.raises(HarnessError, match="port 8000 is in use"):
        run_routing(StudyCall("routing"), place)


def test_a_taken_port_is_refused_before_anything_is_set_up_that_is_only_served(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
):
    refuses(monkeypatch)
    monkeypatch.setattr(routing_command, "_set_up", lambda *_: pytest.fail("it was set up"))
    with pytest.raises(HarnessError, match="port 8000 is in use"):
        run_routing(StudyCall("routing", strategies=("session",), serve_only=True), place)


@pytest.mark.parametrize("strategies", [(), ("session", "prefix")])
def test_only_one_strategy_is_only_served(place: Workspace, strategies: tuple[str, ...]):
    with pytest.raises(HarnessError, match=r"^--serve-only deploys one strategy, these are \d; name one: --strategies"):
        run_routing(StudyCall("routing", strategies=strategies, serve_only=True), place)


def test_a_changed_slot_is_not_overwritten_and_is_said_before_anything_is_measured(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
):
    slot = place.figure("routing") / "node0"
    made_slot(slot, Made(labels=("default", "tight")))
    changed = (slot / "runs.csv").read_bytes().replace(b"\n", b"\r\n")  # as a spreadsheet stores it
    (slot / "runs.csv").write_bytes(changed)
    monkeypatch.setattr(routing_command, "make_missing", lambda *_: pytest.fail("it was measured"))
    with pytest.raises(HarnessError, match=r"runs.csv: changed since .* other labels would be lost: move .*node0 away"):
        run_routing(StudyCall("routing"), place)
    monkeypatch.undo()
    runs: Any = SimpleNamespace(on=SimpleNamespace(node={"id": "node-0"}, asked=SimpleNamespace(cases=())))
    with pytest.raises(HarnessError, match="other labels would be lost"):
        collect(slot, runs, [])
    assert (slot / "runs.csv").read_bytes() == changed
