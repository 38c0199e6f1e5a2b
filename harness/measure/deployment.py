"""A deployment of Ray Serve LLM, up for the time of a block: replicas behind one router, and nothing left afterwards.

The driver (experiments/prefix_routing/worker_deploy.py) runs under the engine's Python in a process tree of its own, so
that everything that it started ends with the block, whoever ends it. What Ray writes lies in a scratch folder that goes
with it. In a Ray that was there before (RAY_ADDRESS), only the application is ended.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from harness.engine.environment import Engine
from harness.engine.process_tree import Tree, process_tree
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.address import Address
from harness.measure.cause import said_last
from harness.measure.inherited import inherited
from harness.measure.waiting import wait_for
from harness.record.atomic import write_json
from harness.state.shared_memory import inventory, remove_unused
from harness.workspace import ROOT

WORKER = "experiments.prefix_routing.worker_deploy"
_UNDEPLOY = "experiments.prefix_routing.worker_undeploy"
_LEAVE_S = 120.0
_JOINING = ("RAY_AUTH_", "RAY_TLS_", "RAY_USE_TLS")  # how variables begin that a client of somebody's Ray needs
_SHOWN = 300  # characters of why a driver ended


@dataclass(frozen=True)
class Wanted:
    """What is to be deployed. ``router``: class and parameters; ``engine``: vLLM's engine arguments."""

    name: str  # of the model, towards clients
    model: Path
    replicas: int
    router: Mapping[str, Any]
    engine: Mapping[str, Any]
    max_ongoing_requests: int
    bundle: Mapping[str, float]
    port: int
    address: str | None  # of a Ray that runs already
    environment: Mapping[str, str]  # of all its processes: what defines the run
    home: Path  # of a Ray of ours, where it keeps its token and engines their caches; made if it is not there
    follows_events: bool = False  # the router is told where replicas publish their KV-cache events


@dataclass(frozen=True)
class Files:
    """Where a deployment writes: workers' logs, and what the driver and all below it say."""

    logs: Path
    stdout: Path
    stderr: Path


@dataclass(frozen=True)
class Deployment:
    """A deployment that answers. ``replicas``: Ray's id → the URL of its metrics; ``pids``: → its actor's process."""

    url: str
    replicas: Mapping[str, str]
    pids: Mapping[str, int]
    tree: Tree

    def check(self) -> None:
        """Raise MeasurementFailed if its driver has ended."""
        if not self.tree.running:
            raise MeasurementFailed("the deployment's driver ended by itself")

    def processes(self) -> dict[str, frozenset[psutil.Process]]:
        """Replica → its actor's process and all below it, the engine's."""
        found = {}
        for replica, pid in self.pids.items():
            with suppress(psutil.NoSuchProcess):
                actor = psutil.Process(pid)
                found[replica] = frozenset([actor, *actor.children(recursive=True)])
        return found


def refuse_taken_port(port: int, address: str | None) -> None:
    """Raise HarnessError if something listens there already; in a Ray that runs (``address``), its Serve may."""
    if address is None and Address(port=port).listens():
        raise HarnessError(f"port {port} is in use; end what listens there, or give another: --port {port + 1}")


@contextmanager
def deployed(
    wanted: Wanted, engine: Engine, files: Files, ready_s: float, limit_s: float, announce: Callable[[str], None]
) -> Iterator[Deployment]:
    """Deploy, and end it when the block is left. ``limit_s``: of the whole, from now on.

    Raises:
        HarnessError: the port is taken.
        MeasurementFailed: no query was answered within ``ready_s``, or the driver ended (its last words are quoted).
    """
    refuse_taken_port(wanted.port, wanted.address)
    files.logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as afterwards:
        scratch = Path(tempfile.mkdtemp(prefix="route-"))  # short: paths of sockets have 107 characters at most
        afterwards.callback(shutil.rmtree, scratch, ignore_errors=True)
        afterwards.callback(remove_unused, inventory())
        asked, ready = scratch / "asked.json", scratch / "ready.json"
        write_json(asked, _asked(wanted, files, scratch))
        environment = _of_driver(wanted)
        if wanted.address is not None:
            afterwards.enter_context(_left(engine, asked, scratch / "left.json", environment, announce))
        command = [str(engine.python), "-m", WORKER, str(asked), str(ready)]
        with process_tree(command, environment, files.stderr, ROOT, limit_s, scratch, metered=False) as tree:
            if not wait_for(tree, ready.exists, ready_s):
                raise MeasurementFailed(_why(tree, files, ready_s))
            said = json.loads(ready.read_text(encoding="utf-8"))
            urls = {each["replica"]: each["metrics_url"] for each in said["replicas"]}
            yield Deployment(said["url"], urls, {each["replica"]: each["pid"] for each in said["replicas"]}, tree)


def _asked(wanted: Wanted, files: Files, scratch: Path) -> dict[str, Any]:
    events = scratch / "kv"
    events.mkdir()
    parameters = dict(wanted.router["parameters"])
    if wanted.follows_events:
        parameters["events_folder"] = str(events)
    return {
        "model": str(wanted.model.resolve()),
        "name": wanted.name,
        "replicas": wanted.replicas,
        "engine": dict(wanted.engine),
        "max_ongoing_requests": wanted.max_ongoing_requests,
        "bundle": dict(wanted.bundle),
        "router": wanted.router["class"],
        "router_parameters": parameters,
        "port": wanted.port,
        "address": wanted.address,
        "scratch": str(scratch),
        "log_folder": str(files.logs.resolve()),
        "events_folder": str(events),
        "stdout": str(files.stdout.resolve()),
        "stderr": str(files.stderr.resolve()),
        "environment": _of_replicas(wanted),
    }


def _of_replicas(wanted: Wanted) -> dict[str, str]:
    """What defines the run, and where workers find their modules."""
    return {**wanted.environment, "PYTHONPATH": str(ROOT)}


def _of_driver(wanted: Wanted) -> dict[str, str]:
    """Of a Ray of ours and all below it: nothing else that only one shell has. Somebody's Ray asks who joins it."""
    if wanted.address is None:
        wanted.home.mkdir(parents=True, exist_ok=True)
        own = {"HOME": str(wanted.home.resolve())}
    else:
        own = {name: value for name, value in os.environ.items() if name.startswith(_JOINING) or name == "HOME"}
    return {**inherited(), **own, **_of_replicas(wanted)}


@contextmanager
def _left(
    engine: Engine, asked: Path, done: Path, environment: Mapping[str, str], announce: Callable[[str], None]
) -> Iterator[None]:
    """End, with the block, what the driver could not end in somebody's Ray.

    Raises:
        MeasurementFailed: it is still there. Where something else ended the block, that is raised, and this is told.
    """
    try:
        yield
    except BaseException:
        try:
            _leave(engine, asked, done, environment)
        except MeasurementFailed as error:
            announce(str(error))
        raise
    _leave(engine, asked, done, environment)


def _leave(engine: Engine, asked: Path, done: Path, environment: Mapping[str, str]) -> None:
    what = "ending the application"
    try:
        run_worker(engine.python, _UNDEPLOY, (asked, done), environment, what, _LEAVE_S, inherited={})
    except HarnessError as error:
        raise MeasurementFailed(str(error)) from None


def _why(tree: Tree, files: Files, ready_s: float) -> str:
    what = f"no query was answered within {ready_s:.0f} s" if tree.running else "the driver ended"
    return f"{what}: {said_last(files.stderr, _SHOWN)}"
