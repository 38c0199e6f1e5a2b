"""What is typed of the routing figure: checked, before anything is installed or started."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.prefix_routing.study import Conditions
from harness.commands.figure.studies import StudyCall
from harness.commands.routing import asked as routing_asked
from harness.commands.routing.asked import Asked, asked_of
from harness.commands.routing.command import run_routing
from harness.errors import HarnessError
from harness.record.routing_tables import STRATEGIES
from harness.workspace import Workspace

CALL = StudyCall("routing", dry_run=True)
Ask = Callable[..., Asked]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.setattr(routing_asked, "visible_gpus", list)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return lambda **typed: asked_of(replace(CALL, **typed), Workspace())


def with_gpus(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(
        routing_asked, "visible_gpus", lambda: [{"name": "H200", "uuid": str(i)} for i in range(number)]
    )


def test_without_a_gpu_two_replicas_of_the_twin_run_every_strategy(ask: Ask):
    asked = ask()
    assert (asked.pin.device, asked.setting.replicas, asked.label, asked.gpus) == ("cpu", 2, "default", ())
    assert {case.strategy for case in asked.cases} == set(STRATEGIES)


def test_with_four_gpus_it_is_the_original_study(monkeypatch: pytest.MonkeyPatch):
    with_gpus(monkeypatch, 4)
    asked = asked_of(CALL, Workspace())
    load = asked.setting.load
    assert (asked.setting.model, asked.setting.replicas) == ("qwen2.5-1.5b-instruct", 4)
    assert (load.max_conversations, load.num_prompts, load.min_output_tokens, load.max_output_tokens) == (
        10_000,
        1_000,
        10,
        200,
    )
    assert (load.max_concurrency, load.request_rate, asked.setting.max_ongoing_requests) == (40, 100, 20)
    assert asked.gpus[0] == "H200"


def test_more_replicas_than_gpus_are_refused_with_the_number_that_fits(monkeypatch: pytest.MonkeyPatch):
    with_gpus(monkeypatch, 2)
    with pytest.raises(HarnessError, match="4 replicas need 4 GPUs, 2 are visible; give --replicas 2"):
        asked_of(CALL, Workspace())


def test_the_imbalance_threshold_of_every_prefix_router_is_set_and_no_infinity(ask: Ask):
    parameters = {case.strategy: case.parameters for case in ask().cases}
    assert parameters["prefix"]["imbalanced_threshold"] == parameters["exact"]["imbalanced_threshold"] == 10


def test_a_smoke_is_small_and_has_a_label_of_its_own(ask: Ask):
    asked = ask(smoke=True)
    assert [case.strategy for case in asked.cases] == ["power-of-two", "prefix"]
    assert (asked.setting.repeats, asked.label) == (1, "smoke")
    assert ask(smoke=True, strategies=("exact",), iterations=2).cases[0].strategy == "exact"


@settings(max_examples=20)
@given(st.integers(1, 10**6), st.booleans(), st.one_of(st.none(), st.floats(0, 1e6)))
def test_every_field_can_be_set_and_changes_the_case(prompts: int, warm: bool, threshold: float | None):
    value = "null" if threshold is None else repr(threshold)
    typed = (
        f"load.num_prompts={prompts}",
        f"with_warmup={str(warm).lower()}",
        "load.request_rate=inf",
        f"strategies.prefix.imbalanced_threshold={value}",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routing_asked, "visible_gpus", list)
        asked = asked_of(replace(CALL, overrides=typed), Workspace())
    prefix = next(case for case in asked.cases if case.strategy == "prefix")
    assert (asked.setting.load.num_prompts, asked.setting.with_warmup) == (prompts, warm)
    assert asked.setting.load.request_rate == float("inf")
    assert prefix.parameters["imbalanced_threshold"] == threshold
    json.dumps(prefix.definition(Conditions({}, {}, {}, "0", False)), allow_nan=False)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"strategies": ("prefx",)}, "--strategies prefx: it is one of power-of-two, prefix"),
        ({"overrides": ("load.rate=3",)}, "--set load.rate: no such field; there are model, replicas"),
        ({"overrides": ("load=3",)}, "--set load: no such field"),
        ({"overrides": ("load.num_prompts",)}, "write it as FIELD=VALUE"),
        ({"overrides": ("load.num_prompts=many",)}, r"--set load.num_prompts: .*\(got many\)"),
        ({"overrides": ("load.num_prompts=0",)}, r"--set load.num_prompts: .* 1 \(got 0\)"),
        ({"overrides": ("load.num_prompts=[",)}, "the value is no number"),
        ({"overrides": ("load.min_output_tokens=30",)}, "min_output_tokens 30 > max_output_tokens 20"),
        (
            {"overrides": ("strategies.prefix.threshold=1",)},
            "no such parameter; there are strategies.prefix.imbalanced",
        ),
        ({"models": ("qwen2.5-0.5b-instruct", "opt-125m")}, "takes one model"),
        ({"models": ("qwen9",)}, "qwen9"),
        ({"engine": "vllm-0.32.0-cpu"}, "has no Ray; serving engines: ray-2.60-vllm-0.32.0-cpu"),
        ({"label": "a,b"}, "without a comma"),
        ({"data": Path("nowhere.json")}, "nowhere.json: no such file"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(ask: Ask, typed: dict[str, Any], said: str):
    with pytest.raises(HarnessError, match=said) as caught:
        ask(**typed)
    assert "\n" not in str(caught.value)


def test_a_dry_run_tells_every_router_and_minutes_and_writes_nothing(
    ask: Ask, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    ask()
    (tmp_path / "figures").symlink_to(Workspace().figure("routing").parent)
    run_routing(replace(CALL, as_json=True), Workspace(tmp_path))
    out, err = capsys.readouterr()
    document = json.loads(out.splitlines()[-1])
    assert document["minutes"] > 0
    assert {row["strategy"] for row in document["rows"]} == set(STRATEGIES)
    assert "imbalanced_threshold 10" in " ".join(err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]


def test_the_same_load_is_sent_under_all_strategies_and_another_in_every_repeat(ask: Ask):
    first, second = (case.setting.load for case in ask().cases[:2])
    assert first.of_repeat(2) == second.of_repeat(2)
    assert first.of_repeat(1).seed != first.of_repeat(2).seed
