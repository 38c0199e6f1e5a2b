"""How long a start will take here, by what is known of it."""

from dataclasses import replace

import pytest

from harness.commands.figure import start_seconds
from harness.commands.figure.start_seconds import USUAL_S, StartSeconds, forecaster
from harness.commands.predict.nodes import Node
from harness.record.run import Run, read_run
from harness.workspace import ROOT, Workspace
from tests.paper_sweep import paper_sweep

EXAMPLE = read_run(next((ROOT / "tests" / "example_runs" / "schema_4").rglob("run.json")).parent)
WANTED = {"model": "qwen-4b", "eager": False, "engine": {"pin": "vllm-0.32.0-cpu", "version": "0.32.0"}}


def start(model: str, wall_s: float, ready_s: float, **changes: object) -> Run:
    return replace(
        EXAMPLE,
        case={**EXAMPLE.case, **WANTED, "model": model},
        kind="measured",
        status="ok",
        certificate={},
        wall_s=wall_s,
        ready_s=ready_s,
        **changes,  # type: ignore[arg-type]
    )


def test_a_machine_that_has_measured_nothing_is_told_the_usual() -> None:
    assert StartSeconds().of(WANTED, "warmup") == USUAL_S["warmup", False]


def test_starts_of_the_same_model_come_first() -> None:
    runs = [start("qwen-4b", seconds, seconds - 3) for seconds in (40.0, 41.0, 90.0)] + [start("yi-6b", 60, 57)]
    assert StartSeconds(runs, lambda _wanted, _kind: 1.0).of(WANTED, "measured") == 41


def test_a_model_that_was_not_started_is_forecast_with_what_starts_take_beyond_ready() -> None:
    runs = [start("yi-6b", 60, 57), start("yi-9b", 70, 67)]
    assert StartSeconds(runs, lambda _wanted, _kind: 50.0).of(WANTED, "measured") == 53


def test_without_a_forecast_it_is_the_middle_of_all_starts() -> None:
    assert StartSeconds([start("yi-6b", 60, 57), start("yi-9b", 70, 67)]).of(WANTED, "measured") == 65


@pytest.mark.parametrize("changes", [{"status": "failed"}, {"kind": "warmup"}])
def test_starts_of_another_kind_and_failed_ones_say_nothing(changes: dict[str, object]) -> None:
    run = replace(start("qwen-4b", 40, 37), **changes)  # type: ignore[arg-type]
    assert StartSeconds([run]).of(WANTED, "measured") == USUAL_S["measured", False]


def test_a_forecast_needs_starts_of_several_models_and_writes_nothing(tmp_path) -> None:
    assert forecaster(Workspace(tmp_path))(WANTED, "measured") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("version", "is_told"), [("0.32.0", True), ("0.31.0", False)])
def test_a_forecast_is_of_starts_of_the_engine_that_is_asked_for(
    tmp_path, monkeypatch: pytest.MonkeyPatch, version: str, is_told: bool
) -> None:
    made = paper_sweep("10", "gpu0").found.used
    starts = tuple(replace(start, work=("vLLM 0.32.0", "VLLM_NO_USAGE_STATS=1")) for start in made)
    monkeypatch.setattr(start_seconds, "find_node", lambda *_: Node("node-1", "somebody's", starts))
    wanted = WANTED | {"engine": {"pin": "a-pin", "version": version}}
    assert (forecaster(Workspace(tmp_path))(wanted, "measured") is not None) == is_told
