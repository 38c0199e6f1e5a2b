"""What decides a case of the routing study, beside what was typed."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.commands.figure.studies import StudyCall
from harness.commands.routing import asked as routing_asked
from harness.commands.routing.asked import asked_of
from harness.commands.routing.runs import Deployed, Planned, planned
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.spec.pin import load_pin
from harness.workspace import Workspace

PIN = "ray-2.60-vllm-0.32.0-cpu"


@pytest.fixture
def on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    monkeypatch.setattr(routing_asked, "visible_gpus", list)
    for name in ("RAY_ADDRESS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    asked = asked_of(StudyCall("routing", strategies=("session", "prefix"), iterations=3), Workspace())
    model = ModelFiles(tmp_path, "toy", twin=True, revision=None, files_sha256="0" * 64)
    return Deployed(asked, Engine(load_pin(PIN), tmp_path / "engine"), model, {"id": "node-0"}, Workspace(tmp_path))


def plan(on: Deployed) -> Planned:
    load: Any = SimpleNamespace(facts={"load_sha256": "0" * 64})
    return planned(on, dict.fromkeys((1, 2, 3), load))


def test_replicas_on_a_cpu_share_its_cores_unless_the_caller_says_a_number(
    on: Deployed, monkeypatch: pytest.MonkeyPatch
):
    assert on.environment == {**load_pin(PIN).environment, "OMP_NUM_THREADS": "3"}
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert on.environment["OMP_NUM_THREADS"] == "5"


def test_replicas_get_what_defines_their_case(on: Deployed, monkeypatch: pytest.MonkeyPatch):
    plain = plan(on)
    monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", "1")
    assert plan(on).stored == plain.stored
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert plan(on).stored["session"] != plain.stored["session"]
    assert on.wanted(on.asked.cases[0]).environment == on.environment


def test_missing_runs_go_round_and_each_repeat_begins_with_another_strategy(on: Deployed):
    runs = plan(on)
    runs.stored["prefix"].run(2).mkdir()
    assert [(repeat, case.strategy) for repeat, case in runs.missing] == [
        (1, "prefix"), (1, "session"), (2, "session"), (3, "prefix"), (3, "session"),
    ]  # fmt: skip
