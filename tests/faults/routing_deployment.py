"""A real deployment of Ray Serve LLM in a folder of its own, for tests that break it while a load is sent."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from harness.record.routing_facts import RoutingFacts, read_routing_facts
from harness.workspace import ROOT, Workspace
from tests.processes import runs

WAIT_S = 240.0
_COMMAND = """
import sys
from pathlib import Path
from harness.door import run_app
import typer
from harness.commands.routing.command import run_routing
from harness.commands.figure.studies import StudyCall
from harness.workspace import Workspace
app = typer.Typer()
@app.command()
def figure() -> None:
    run_routing(StudyCall("routing", **{arguments!r}), Workspace(Path({root!r})))
run_app(app, "routing", [])
"""


@dataclass
class Place:
    """A workspace whose store and slots are its own; engines and models are this checkout's."""

    root: Path
    port: int
    said: list[str] = field(default_factory=list)
    was_killed: bool = False

    @property
    def workspace(self) -> Workspace:
        """Of the folder."""
        return Workspace(self.root)

    def arguments(self, strategy: str, *overrides: str, prompts: int = 40) -> dict[str, object]:
        """Of a call: one strategy, one run, a load of some seconds."""
        small = (f"load.num_prompts={prompts}", "load.request_rate=2", *overrides)
        return {"strategies": (strategy,), "iterations": 1, "overrides": small, "port": self.port, "label": "fault"}

    @contextmanager
    def command(self, arguments: dict[str, object], **variables: str) -> Iterator[subprocess.Popen[str]]:
        """The figure's command as a process of its own, which is ended with the block."""
        code = _COMMAND.format(arguments=arguments, root=str(self.root))
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        reader = threading.Thread(target=lambda: self.said.extend(process.stdout or ()), daemon=True)
        reader.start()
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            reader.join(timeout=30)
            process.stdout.close()

    @property
    def partial(self) -> Path:
        """The run in progress."""
        return next(self.root.glob("runs/*/prefix_routing/*/.1.partial"))

    def wait_for_load(self, requests: int = 5) -> None:
        """Until so many requests of the load were sent on."""
        wait_until(lambda: sum(path.read_text().count('"request":"cold-') for path in self._decisions()) >= requests)

    def _decisions(self) -> list[Path]:
        return list(self.root.glob("runs/*/prefix_routing/*/.1.partial/raw/decisions.*.jsonl"))

    def replicas(self) -> list[psutil.Process]:
        """The replicas' actors."""
        told = [json.loads(path.read_text()) for path in sorted(self.partial.glob("raw/replica-*.json"))]
        return [psutil.Process(each["pid"]) for each in told]

    def facts(self) -> RoutingFacts:
        """Of the only attempt that there is."""
        return read_routing_facts(self.attempt)

    @property
    def attempt(self) -> Path:
        """The folder of the only attempt that there is; simulated runs have no routing.json."""
        (found,) = self.root.glob("runs/*/prefix_routing/*/1*/routing.json")
        return found.parent


def make_place(root: Path) -> Place:
    """A workspace in ``root``."""
    for name in ("engines", "models"):
        (root / name).symlink_to(ROOT / name)
    folder = root / "figures" / "figure-routing"
    folder.mkdir(parents=True)
    for name in ("figure.yaml", "plot.py"):
        shutil.copy(Workspace().figure("routing") / name, folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Place(root, probe.getsockname()[1])


def engine_of(actor: psutil.Process) -> psutil.Process:
    """The engine core of a replica."""
    return next(child for child in actor.children() if any("EngineCore" in word for word in child.cmdline()))


def ours(before: set[int]) -> list[psutil.Process]:
    """Processes of Ray or vLLM that were not there before."""
    found = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            is_one = any(word in line for word in ("ray::", "VLLM::", "gcs_server", "raylet", "worker_deploy"))
            if is_one and process.pid not in before and runs(process.pid):
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_until(is_so: Callable[[], bool], limit_s: float = WAIT_S) -> None:
    """Wait for it; an assertion fails if it does not come."""
    deadline = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < deadline, f"not so after {limit_s:.0f} s"
        time.sleep(0.2)
