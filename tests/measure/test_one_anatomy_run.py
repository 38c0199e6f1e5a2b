"""One run of the anatomy study: what it leaves when all goes well, and at each step where something can fail.

The server is fake_serving_engine.py: a real process with real sockets and files, without vLLM.
"""

import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.commands.anatomy.load import level_rows, warm_rows
from harness.errors import HarnessError
from harness.measure import anatomy_run
from harness.measure.address import free_port
from harness.measure.anatomy_run import AnatomyJob, LevelJob, make_anatomy_run
from harness.measure.load_process import LoadOfServer
from harness.measure.serving import WantedServer
from harness.measure.serving_trace import Sampling
from harness.record.anatomy_run import read_anatomy_facts, read_anatomy_run
from harness.record.load_output import summary_path
from harness.record.repeats import Repeats
from harness.spec.anatomy import Limits, LoadLevel, Prompts
from tests.measure.fake_engine import NODE

LEVELS = (LoadLevel(concurrency=1, requests=2), LoadLevel(concurrency=4, requests=8))
PROMPTS = Prompts(words=5, min_output_tokens=6, max_output_tokens=6, seed=0, timeout_s=20.0)
SERVER = Path(__file__).with_name("fake_serving_engine.py")
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a run; ``mode``: what the server does."""
    stored = Repeats.of(tmp_path / "runs", "node-test", "engine_anatomy", "serve", {"a": 1})

    def run(mode: str = "ok", ready_s: float = 20.0, port: int | None = None) -> Path:
        at = port or free_port()
        command = (sys.executable, str(SERVER), str(at), mode)
        environment = {"PATH": "/usr/bin:/bin"}
        facts: dict[str, Any] = {
            "parameters": {"model": "toy"},
            "engine": {"pin": "p", "version": "1", "lock_sha256": "0", "patches_sha256": "0"},
            "model": {"name": "toy", "twin": True, "files_sha256": "0"},
            "node": NODE,
            "device": "cpu",
            "environment": {"OMP_NUM_THREADS": "1"},
        }
        job = AnatomyJob(
            stored=stored,
            repeat=1,
            facts=facts,
            wanted=lambda log: WantedServer(command, at, environment, tmp_path / "caches", log),
            levels=[LevelJob(level, warm_rows(level, PROMPTS), level_rows(level, PROMPTS, 1)) for level in LEVELS],
            workers=1,
            sampling=Sampling(0.01, 0.03, 0),
            timeout_s=PROMPTS.timeout_s,
            limits=Limits(ready=ready_s, level=30, stop=10),
        )
        return make_anatomy_run(job, lambda _: None)

    return run


def left_over() -> list[psutil.Process]:
    return [each for each in psutil.Process().children(recursive=True) if SERVER.name in " ".join(each.cmdline())]


def test_a_run_holds_every_level_its_traces_and_what_its_client_saw(make: Make):
    folder = make()
    run = read_anatomy_run(folder)
    assert (folder.name, run.facts.status) == ("1", "ok")
    assert [(level.id, level.summary.completed) for level in run.facts.levels] == [("c1", 2), ("c4", 8)]
    assert {trace.role for trace in run.traces} == {"api", "engine", "worker"}
    assert all(set(trace.windows) == {"c1", "c4"} for trace in run.traces)
    assert all(not trace.windows["c4"].detail for trace in run.traces if trace.role != "api")
    assert [record.output_tokens for record in run.clients] == [6] * 10
    assert {record.request_id for record in run.clients_of(run.facts.levels[0])} == {"c1-0", "c1-1"}
    assert not (folder / "raw").exists()
    assert not left_over()


@pytest.mark.parametrize(
    ("mode", "stage", "reason"),
    [
        ("dies-early", "start", "ValueError: no such dtype"),
        ("dies-in-load", "c1", "the tracer of .* is gone|ended by itself|request c1-0 failed"),
        ("short", "c1", "answered with 5 tokens, 6 were asked for"),
        ("refuses", "c1", "no room"),
        ("no-hook", "trace", "hooks cannot be set: toy:gone"),
        ("no-worker", "trace", "'worker': 0.* were expected"),
    ],
)
def test_what_fails_is_a_run_that_says_where_and_why_and_keeps_the_servers_log(
    make: Make, mode: str, stage: str, reason: str
):
    folder = make(mode)
    facts = read_anatomy_facts(folder)
    assert (folder.name, facts.status, facts.failed_in) == ("1.failed-1", "failed", stage)
    assert facts.reason is not None
    assert re.search(reason, facts.reason)
    assert (folder / "server.log").exists()
    assert not left_over()


def test_a_summary_of_the_client_that_is_cut_off_is_a_failed_run(make: Make, monkeypatch: pytest.MonkeyPatch):
    real = anatomy_run.send_load

    def cutting(asked: LoadOfServer, wait: Callable[..., None]) -> None:
        real(asked, wait)
        summary = summary_path(asked.output)
        summary.write_text(summary.read_text()[:40])

    monkeypatch.setattr(anatomy_run, "send_load", cutting)
    facts = read_anatomy_facts(make())
    assert (facts.status, facts.failed_in) == ("failed", "c1")
    assert "warm1.summary.json: not JSON" in str(facts.reason)


def test_a_server_that_does_not_answer_in_time_is_ended(make: Make):
    facts = read_anatomy_facts(make("hangs", ready_s=1.0))
    assert facts.failed_in == "start"
    assert facts.reason is not None
    assert "did not answer within 1 s" in facts.reason
    assert not left_over()


def test_a_taken_port_is_refused_before_anything_is_started(make: Make, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(HarnessError, match="listens there already"):
        make(port=other.getsockname()[1])
    assert not list((tmp_path / "runs").rglob("anatomy.json"))


def test_requests_of_a_repeat_are_the_same_and_of_another_are_others():
    level = LEVELS[1]
    assert level_rows(level, PROMPTS, 1) == level_rows(level, PROMPTS, 1)
    prompts = [row.prompt for rows in (level_rows(level, PROMPTS, 1), level_rows(level, PROMPTS, 2)) for row in rows]
    assert len(set(prompts)) == len(prompts)
    assert all(prompt is not None and len(prompt.split()) == 5 for prompt in prompts)
