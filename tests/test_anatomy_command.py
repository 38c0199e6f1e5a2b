"""``run_figure.sh anatomy``: what one call does once, and what its servers get of the shell. Nothing is started."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.commands.anatomy import command as anatomy_command
from harness.commands.anatomy import feature_plan
from harness.commands.anatomy.asked import asked_of
from harness.commands.anatomy.command import run_anatomy
from harness.commands.anatomy.runs import AnatomyOn, planned, server_of
from harness.commands.figure.studies import StudyCall
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.errors import HarnessError, MeasurementFailed
from harness.spec.pin import load_pin
from harness.workspace import Workspace

PIN = "vllm-0.32.0-cpu"
CALL = StudyCall("anatomy", engine=PIN, features="plain,draft-target,one-process")
NODE = {"id": "node-test", "cpu_model": "a test"}


def anatomy_on(folder: Path, call: StudyCall = CALL) -> AnatomyOn:
    model = ModelFiles(folder / "model", "qwen2.5-0.5b-instruct", True, None, "3" * 64)
    return AnatomyOn(asked_of(call, Workspace()), Engine(load_pin(PIN), folder), model, NODE, Workspace(folder))


def test_each_feature_case_is_planned_once_a_call_also_where_its_model_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for: list[str] = []

    def failing(name: str, *_: object, **__: object) -> None:
        asked_for.append(name)
        raise HarnessError(f"{name}: a file was changed by hand")

    drafts: list[object] = []
    monkeypatch.setattr(feature_plan, "ensure_model", failing)
    monkeypatch.setattr(feature_plan, "named_draft", lambda speculation, *_: drafts.append(speculation))
    monkeypatch.setattr(feature_plan, "feature_prompts", lambda *_: [[1, 2]])
    monkeypatch.setattr(anatomy_command, "set_up_on", lambda *_: anatomy_on(tmp_path))
    monkeypatch.setattr(anatomy_command, "measuring", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(anatomy_command, "make_missing", lambda _: ["no server"])
    monkeypatch.setattr(anatomy_command, "make_features", lambda *_: [])
    for name in ("collect", "draw_and_print"):
        monkeypatch.setattr(anatomy_command, name, lambda *_: None)
    with pytest.raises(MeasurementFailed, match="no server"):
        run_anatomy(CALL, Workspace())
    assert asked_for == ["qwen-1.8b"]
    assert len(drafts) == 2  # of plain and draft-target


def environment_of(on: AnatomyOn, folder: Path) -> dict[str, str]:
    return dict(server_of(planned(on), folder / "server.log").environment)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return lambda threads: monkeypatch.setenv("OMP_NUM_THREADS", threads)


def test_the_server_has_the_callers_threads_and_is_a_case_of_its_own(
    tmp_path: Path, shell: Callable[[str], None]
) -> None:
    plain = anatomy_on(tmp_path)
    assert environment_of(plain, tmp_path)["OMP_NUM_THREADS"] == "1"
    usual = planned(plain).stored.case
    shell("2")
    more = anatomy_on(tmp_path)
    assert environment_of(more, tmp_path)["OMP_NUM_THREADS"] == "2"
    assert planned(more).stored.case != usual
    set_ = anatomy_on(tmp_path, replace(CALL, overrides=("threads=1",)))
    assert environment_of(set_, tmp_path)["OMP_NUM_THREADS"] == "1"
