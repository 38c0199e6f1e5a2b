"""One run of the routing study: what it leaves when all goes well, and at each step where something can fail.

The driver is fake_routing_driver.py: real processes, sockets and files, without Ray and vLLM.
"""

import json
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.engine.environment import Engine
from harness.errors import HarnessError, MeasurementFailed
from harness.measure import deployment
from harness.measure.deployment import Wanted
from harness.measure.inherited import INHERITED
from harness.measure.routing_run import RoutingJob, make_routing_run
from harness.record.load import LoadParameters
from harness.record.repeats import Repeats
from harness.record.routing_facts import read_routing_facts
from harness.record.routing_run import RoutingRun, read_routing_run
from harness.spec.pin import load_pin
from harness.spec.routing import Limits
from tests.measure.fake_engine import NODE

REQUESTS = 24
Make = Callable[..., Path]


class ThisPython(Engine):
    @property
    def python(self) -> Path:
        """The interpreter of the tests, which has all that the fake driver needs."""
        return Path(".venv/bin/python").absolute()


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a run; ``mode``: what the driver does."""
    monkeypatch.setattr(deployment, "WORKER", "tests.measure.fake_routing_driver")
    load = tmp_path / "load.jsonl"
    lines = [
        {
            "request": number,
            "conversation": number % 4,
            "piece": number // 4,
            "prompt": f"hello {number % 12}",
            "output_tokens": 3,
        }
        for number in range(REQUESTS)
    ]
    load.write_text("".join(json.dumps(line) + "\n" for line in lines))
    engine = ThisPython(load_pin("ray-2.60-vllm-0.32.0-cpu"), tmp_path / "engine")
    stored = Repeats.of(tmp_path / "runs", "node-test", "prefix_routing", "round-robin", {"a": 1})

    def run(
        mode: str = "",
        ready_s: float = 20.0,
        said: list[str] | None = None,
        address: str | None = None,
        port: int | None = None,
        **changes: Any,
    ) -> Path:
        name = f"m-{mode}" if mode else "m"
        router = {"class": "a.B", "parameters": {}}
        home = tmp_path / "home"
        wanted = Wanted(name, tmp_path, 2, router, {}, 20, {"CPU": 1}, port or free_port(), address, {"PIN": "1"}, home)
        facts = {
            "label": "default",
            "strategy": "round-robin",
            "router": router,
            "parameters": {"load": {}, "engine": {}},
            "engine": {"pin": "p"},
            "model": {"name": name, "twin": True},
            "node": NODE,
        }
        parameters = LoadParameters(num_prompts=REQUESTS, request_rate=200.0, max_concurrency=8, timeout_s=10)
        limits = Limits(ready=ready_s, phase=30, stop=10)
        job = RoutingJob(stored, 1, facts, wanted, load, parameters, False, limits)
        return make_routing_run(replace(job, **changes), engine, (said if said is not None else []).append)

    return run


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def nothing_runs() -> bool:
    return not psutil.Process().children(recursive=True)


def failed(folder: Path) -> tuple[str | None, str]:
    facts = read_routing_facts(folder)
    assert facts.status == "failed"
    assert folder.name == "1.failed-1"
    assert read_routing_run(folder).facts == facts
    return facts.failed_in, str(facts.reason)


def test_a_run_accounts_exactly_for_every_request_and_token(make: Make):
    said: list[str] = []
    folder = make(said=said)
    run: RoutingRun = read_routing_run(folder)
    assert (folder.name, run.facts.status) == ("1", "ok")
    assert run.facts.accounting is not None
    assert run.facts.accounting["is_exact"] is True
    assert len(run.client) == REQUESTS
    assert said == ["2 replicas serve round-robin, checked with 2 queries"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "client.jsonl", "decisions.jsonl", "logs", "metrics.json", "routing.json", "samples.jsonl", "served.jsonl",
    ]  # fmt: skip
    logs = {f"round-robin_{each}.log" for each in ("client", "stderr", "stdout")}
    assert {path.name for path in (folder / "logs").iterdir()} == logs
    assert (folder / "logs" / "round-robin_stdout.log").read_text() == "deploying\n"
    assert nothing_runs()


def test_the_same_load_is_sent_twice_without_a_restart_if_asked_to_and_finds_everything_cached(make: Make):
    run = read_routing_run(make(with_warmup=True))
    assert [phase.name for phase in run.facts.phases] == ["cold", "warm"]
    hits = {
        phase: sum(told.after[each]["vllm:prefix_cache_hits_total"] - before["vllm:prefix_cache_hits_total"]
                   for each, before in told.before.items())
        for phase, told in run.metrics.items()
    }  # fmt: skip
    assert hits["warm"] > hits["cold"]
    assert len({record.request_id for record in run.client}) == 2 * REQUESTS


def test_no_text_of_a_prompt_gets_into_a_run(make: Make):
    folder = make()
    texts = [path.read_text() for path in folder.glob("*.json*")]
    assert not any("hello" in text for text in texts)


@pytest.mark.parametrize(
    ("mode", "stage", "said"),
    [
        ("dies", "deploy", "the driver ended: RuntimeError: no weights in here"),
        ("ends", "cold", "the deployment's driver ended by itself"),
        ("loses", "cold", "replica r0 lost processes while the load was sent"),
        ("uncounted", "cold", f"none of {REQUESTS} requests was completed"),
    ],
)
def test_what_goes_wrong_is_a_failed_run_that_says_where_and_why(make: Make, mode: str, stage: str, said: str):
    folder = make(mode)
    assert failed(folder)[0] == stage
    assert said in failed(folder)[1]
    assert (folder / "logs" / "round-robin_stdout.log").read_text() == "deploying\n"
    assert nothing_runs()


def test_a_deployment_that_never_answers_is_given_up_and_ended(make: Make):
    stage, reason = failed(make("hangs", ready_s=2.0))
    assert (stage, reason[:41]) == ("deploy", "no query was answered within 2 s: no mess")
    assert nothing_runs()


def test_a_cancelled_request_is_counted_and_the_run_is_still_ok(make: Make):
    parameters = LoadParameters(num_prompts=REQUESTS, request_rate=200.0, max_concurrency=8, timeout_s=10, cancel=0.25)
    facts = read_routing_facts(make(parameters=parameters))
    client = facts.phases[0].client
    assert (facts.status, client["cancelled"], client["completed"]) == ("ok", 6, REQUESTS - 6)


def environment_of(make: Make, monkeypatch: pytest.MonkeyPatch, **wanted: Any) -> dict[str, str]:
    """What the driver is started with."""
    seen: dict[str, str] = {}

    @contextmanager
    def tree(_command: Any, environment: dict[str, str], *_: Any, **__: Any) -> Iterator[None]:
        seen.update(environment)
        raise MeasurementFailed("not started")
        yield

    monkeypatch.setattr(deployment, "process_tree", tree)
    assert failed(make(**wanted)) == ("deploy", "not started")
    return seen


def test_nothing_that_only_one_shell_has_reaches_a_deployment(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("HF_TOKEN", "VLLM_USE_V2_MODEL_RUNNER", "RAY_SERVE_QUEUE_LENGTH_CACHE_TIMEOUT_S", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    environment = environment_of(make, monkeypatch)
    assert "secret" not in environment.values()
    assert set(environment) <= {*INHERITED, "CUDA_DEVICE_ORDER", "PIN", "PYTHONPATH", "HOME"}
    assert environment["HOME"] == str(tmp_path / "home")
    assert (tmp_path / "home").is_dir()


def test_somebodys_ray_is_joined_with_what_it_asks_for(make: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(deployment, "run_worker", lambda *_, **__: None)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "theirs")
    monkeypatch.setenv("HOME", "/home/mine")
    monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", "secret")
    environment = environment_of(make, monkeypatch, address="127.0.0.1:6379")
    assert (environment["RAY_AUTH_TOKEN"], environment["HOME"]) == ("theirs", "/home/mine")
    assert "secret" not in environment.values()


def test_what_stays_in_somebodys_ray_hides_no_failure_and_leaves_no_folder(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def stays(*_: Any, **__: Any) -> None:
        raise HarnessError("ending the application failed")

    monkeypatch.setattr(deployment, "run_worker", stays)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    said: list[str] = []
    assert "no weights in here" in failed(make("dies", said=said, address="127.0.0.1:6379"))[1]
    assert said == ["ending the application failed"]
    assert list((tmp_path / "scratch").iterdir()) == []
    assert nothing_runs()


def test_what_stays_in_somebodys_ray_makes_the_run_a_failed_one(make: Make, monkeypatch: pytest.MonkeyPatch):
    def stays(*_: Any, **__: Any) -> None:
        raise HarnessError("ending the application failed")

    monkeypatch.setattr(deployment, "run_worker", stays)
    assert failed(make(address="127.0.0.1:6379")) == ("stop", "ending the application failed")


def test_a_taken_port_is_refused_before_anything_is_started(make: Make, tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(HarnessError, match=f"port {port} is in use; .* --port {port + 1}"):
            make(port=port)
    assert nothing_runs()
    assert [path.name for path in (tmp_path / "runs").rglob("*partial*")] == []


def test_a_port_that_the_serve_of_a_joined_ray_listens_on_is_no_taken_port():
    with socket.socket() as theirs:
        theirs.bind(("127.0.0.1", 0))
        theirs.listen()
        port = theirs.getsockname()[1]
        deployment.refuse_taken_port(port, "127.0.0.1:6379")
        with pytest.raises(HarnessError, match="in use"):
            deployment.refuse_taken_port(port, None)
