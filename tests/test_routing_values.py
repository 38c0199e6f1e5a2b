"""Values typed for the routing figure: what a router, Ray or the client would refuse later is refused at once."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from experiments.prefix_routing.study import Conditions
from harness.commands.figure.studies import StudyCall
from harness.commands.load import rate_of
from harness.commands.routing import asked as routing_asked
from harness.commands.routing.asked import RAY_CPUS, Asked, asked_of
from harness.errors import HarnessError
from harness.record.routing_tables import STRATEGIES
from harness.spec.routers import Routers
from harness.spec.routing import Load, load_routing
from harness.workspace import ROOT, Workspace

Ask = Callable[..., Asked]
DECLARED = load_routing("routing", Workspace())
NUMBERS = st.one_of(st.integers(-3, 3), st.floats(), st.sampled_from([1e6, 1e-6, 1.1e6, math.inf, -math.inf]))


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.setattr(routing_asked, "visible_gpus", list)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return lambda *overrides, **typed: asked_of(
        replace(StudyCall("routing", dry_run=True), overrides=overrides, **typed), Workspace()
    )


def refused(ask: Ask, *overrides: str, **typed: Any) -> str:
    with pytest.raises(HarnessError) as caught:
        ask(*overrides, **typed)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("prefix.imbalanced_threshold=abc", "it takes a number from 0, or null or inf: no limit (got abc)"),
        ("prefix.imbalanced_threshold=-1", "a number from 0"),
        ("prefix.imbalanced_threshold=true", "a number from 0"),
        ("exact.imbalanced_threshold=nan", "a number from 0"),
        ("exact.match_rate_threshold=-3", "greater than or equal to 0 (got -3)"),
        ("prefix.match_rate_threshold=1.1", "less than or equal to 1"),
        ("prefix.match_rate_threshold=null", "(got None)"),
        ("prefix.do_eviction=1", "valid boolean (got 1)"),
        ("prefix.eviction_interval_secs=0", "greater than or equal to 1"),
        ("session.num_virtual_nodes=0", "greater than or equal to 1"),
        ("session.num_fallback_replicas=-1", "greater than or equal to 0"),
        ("random.seed=[1,2]", "valid integer (got [1, 2])"),
        ("random.seed=-1", "greater than or equal to 0"),
    ],
)
def test_a_parameter_that_its_router_cannot_use_is_refused_by_its_name(ask: Ask, typed: str, said: str):
    message = refused(ask, f"strategies.{typed}")
    assert message.startswith(f"--set strategies.{typed.partition('=')[0]}: ")
    assert said in message


def test_eviction_to_more_than_what_starts_it_is_refused(ask: Ask):
    message = refused(ask, "strategies.prefix.eviction_target_chars=400001")
    assert message == "--set strategies.prefix: eviction_target_chars 400001 > eviction_threshold_chars 400000"


@pytest.mark.parametrize("typed", ["inf", ".inf", "null"])
def test_no_limit_is_null_however_it_is_typed(ask: Ask, typed: str):
    (case,) = ask(f"strategies.prefix.imbalanced_threshold={typed}", strategies=("prefix",)).cases
    assert case.parameters["imbalanced_threshold"] is None
    json.dumps(case.definition(Conditions({}, {}, {}, "0", False)), allow_nan=False)


def test_the_declaration_keeps_every_parameter_as_it_is_written_and_the_order_of_strategies():
    written = yaml.safe_load((ROOT / "figures" / "figure-routing" / "figure.yaml").read_text())["strategies"]
    assert repr(DECLARED.strategies) == repr(written)  # runs are stored under its hash
    assert tuple(DECLARED.strategies) == STRATEGIES
    with pytest.raises(ValidationError, match="random"):
        Routers.model_validate({name: each for name, each in written.items() if name != "random"})


@given(NUMBERS)
def test_the_load_takes_the_rates_that_the_client_takes(rate: float):
    try:
        wanted = rate_of(repr(rate))
    except HarnessError:
        with pytest.raises(ValidationError, match="request_rate"):
            Load.model_validate(DECLARED.cpu.load.model_dump() | {"request_rate": rate})
    else:
        assert Load.model_validate(DECLARED.cpu.load.model_dump() | {"request_rate": rate}).request_rate == wanted


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("load.cancel=0.1", "load.stream=false"), "--set load: cancel drops requests after their first token"),
        (
            ("load.request_rate=1.1e6",),
            "--set load.request_rate: it takes requests per second from 1e-6 to 1e6, or inf",
        ),
        (("load.request_rate=nan",), "--set load.request_rate: it takes"),
        (("load.timeout_s=0.0009",), "--set load.timeout_s: Input should be greater than or equal to 0.001"),
        (("load.max_output_tokens=10000001",), "--set load.max_output_tokens: Input should be less than"),
        (("load.num_prompts=true",), "--set load.num_prompts: Input should be a valid integer (got True)"),
        (("engine.num_blocks=256",), "--set engine: num_blocks 256 cannot hold a request of max_model_len 8192 tokens"),
        (("bundle.CPU=-1",), "--set bundle.CPU: Input should be greater than or equal to 0"),
        (("load.seed=2024-13-01",), "the value is no number"),
        (("model=nonsense",), "unknown model 'nonsense'; known, nearest first: "),
        (("load.chat=true",), "leave exact out with --strategies, or load.chat=true"),
    ],
)
def test_what_would_be_refused_after_every_deployment_is_refused_before(ask: Ask, typed: tuple[str, ...], said: str):
    assert said in refused(ask, *typed)


def test_what_client_and_engine_take_is_taken(ask: Ask):
    load = ask("load.request_rate=1e6", "load.timeout_s=0.001", "load.cancel=1").setting.load
    assert (load.request_rate, load.timeout_s, load.cancel) == (1e6, 0.001, 1.0)
    assert (
        ask("engine.num_blocks=257").setting.engine.num_blocks == 257
    )  # 8192 tokens in blocks of 32, and the null one
    assert ask("engine.num_blocks=9", "engine.max_model_len=256").setting.engine.max_model_len == 256
    assert ask("load.chat=true", strategies=("prefix", "random")).setting.load.chat


def test_another_model_can_be_set_as_it_can_be_named(ask: Ask):
    assert ask("model=opt-125m").setting == ask(models=("opt-125m",)).setting


def test_ray_counts_cpus_for_31_replicas_and_no_more(ask: Ask):
    assert ask(replicas=31).setting.replicas == 31
    message = refused(ask, replicas=32)
    assert "32 replicas of 2 CPUs each are more than the 64 that Ray is told of; give --replicas 31" in message
    assert "give a smaller bundle.CPU" in refused(ask, "bundle.CPU=63")


def test_a_ray_that_runs_already_counts_its_own_cpus(ask: Ask, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6379")
    assert ask(replicas=32).setting.replicas == 32


def test_the_driver_tells_ray_of_as_many_cpus_as_are_counted_here():
    driver = Path(ROOT, "experiments", "prefix_routing", "worker_deploy.py").read_text()
    assert f"\n_CPUS = {RAY_CPUS} " in driver  # the driver is not importable without Ray
