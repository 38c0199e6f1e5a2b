"""Real Ray, real replicas, real faults while a load is sent: no hang, nothing left running, a clear verdict.

bash run_tests.sh tests/faults/test_routing_faults.py -m slow        # about 15 minutes on two cores
"""

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from harness.engine.environment import engine_of as engine_at
from harness.errors import MeasurementFailed
from harness.measure.deployment import Files, Wanted, deployed
from harness.record.routing_run import read_routing_run
from harness.record.routing_tables import FAILED, OK
from harness.spec.pin import load_pin
from harness.workspace import Workspace
from tests.faults.routing_deployment import Place, engine_of, make_place, ours, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.engine]
ENGINE = engine_at(load_pin("ray-2.60-vllm-0.32.0-cpu"), Workspace())
ROUND_ROBIN = "experiments.prefix_routing.worker_routers.RoundRobin"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A workspace; afterwards nothing runs that did not run before, and no shared memory is left."""
    before, shared = set(psutil.pids()), set(Path("/dev/shm").iterdir())
    made = make_place(tmp_path)
    yield made
    print("".join(made.said))
    wait_until(lambda: not ours(before), 60)
    if not made.was_killed:  # then nobody is there to remove it
        assert {path for path in Path("/dev/shm").iterdir() if path.name.startswith(("psm_", "sem."))} <= shared


def test_a_killed_engine_process_makes_a_failed_run_that_names_its_replica(place: Place):
    with place.command(place.arguments("round-robin")) as process:
        place.wait_for_load()
        engine_of(place.replicas()[0]).kill()
        assert process.wait(timeout=300) == 1
    facts = place.facts()
    assert (facts.status, facts.failed_in) == (FAILED, "cold")
    assert "lost processes while the load was sent" in str(facts.reason)
    assert place.said[-1].startswith("error: round-robin failed in cold: replica ")
    assert not (place.root / "figures" / "figure-routing" / "node0").exists()


def test_a_killed_replica_actor_makes_a_failed_run_that_names_its_replica(place: Place):
    with place.command(place.arguments("power-of-two")) as process:
        place.wait_for_load()
        place.replicas()[1].kill()
        assert process.wait(timeout=300) == 1
    facts = place.facts()
    assert (facts.status, facts.failed_in) == (FAILED, "cold")
    assert "lost processes while the load was sent" in str(facts.reason)


def test_a_killed_driver_makes_a_failed_run_and_its_logs_are_kept(place: Place):
    with place.command(place.arguments("random")) as process:
        place.wait_for_load()
        driver = next(
            child for child in psutil.Process(process.pid).children() if "worker_deploy" in str(child.cmdline())
        )
        driver.kill()
        assert process.wait(timeout=120) == 1
    facts = place.facts()
    assert (facts.status, facts.failed_in) == (FAILED, "cold")
    assert "driver ended by itself" in str(facts.reason)
    (log,) = place.root.glob("runs/*/prefix_routing/*/1.failed-1/logs/random_stderr.log")
    assert log.stat().st_size


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def test_a_harness_that_ends_in_the_midst_of_a_load_leaves_no_process_and_no_run(place: Place, number: signal.Signals):
    with place.command(place.arguments("session")) as process:
        place.wait_for_load()
        process.send_signal(number)
        place.was_killed = number is signal.SIGKILL
        assert process.wait(timeout=120) == (-number if number is signal.SIGKILL else 130)
    assert not list(place.root.glob("runs/*/prefix_routing/*/1*"))


def test_a_tenth_of_cancelled_requests_is_counted_and_what_cannot_be_known_is_said(place: Place):
    arguments = place.arguments("exact", "load.cancel=0.1")
    with place.command(arguments) as process:
        assert process.wait(timeout=400) == 0
    facts = place.facts()
    client = facts.phases[0].client
    assert (facts.status, client["cancelled"], client["failed"], client["completed"]) == (OK, 4, 0, 36)
    run = read_routing_run(place.attempt)
    assert sum(record.status == "cancelled" for record in run.client) == 4
    assert facts.accounting is not None
    unknown = [check for check in facts.accounting["checks"] if check["ok"] is None]
    assert all(check["ok"] is not False for check in facts.accounting["checks"])
    assert unknown or facts.accounting["is_exact"]


def test_a_taken_port_is_said_in_one_line_before_anything_is_started(place: Place):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", place.port))
        taken.listen()
        with place.command(place.arguments("random")) as process:
            assert process.wait(timeout=60) == 2
    assert place.said == [
        f"error: port {place.port} is in use; end what listens there, or give another: --port {place.port + 1}\n"
    ]
    assert not (place.root / "runs").exists()


def test_a_folder_without_a_model_fails_with_the_engines_reason(place: Place, tmp_path: Path):
    wanted = Wanted(
        "m", tmp_path / "no-model", 1, {"class": ROUND_ROBIN, "parameters": {}}, {}, 20, {"CPU": 1}, place.port, None
    )
    files = Files(tmp_path / "raw", tmp_path / "out.log", tmp_path / "err.log")
    with (
        pytest.raises(MeasurementFailed, match=r"the driver ended: .*no-model"),
        deployed(wanted, ENGINE, files, ready_s=300, limit_s=400),
    ):
        pytest.fail("it was deployed")


def test_a_ray_that_runs_already_is_left_alone_and_can_be_joined(place: Place):
    ray = ENGINE.folder / "bin" / "ray"
    start = [str(ray), "start", "--head", "--num-cpus=32", "--include-dashboard=false", "--disable-usage-stats"]
    environment = {
        "PATH": f"{ENGINE.folder / 'bin'}:/usr/bin:/bin",
        "RAY_USAGE_STATS_ENABLED": "0",
        "HOME": str(place.root),
    }
    gcs, before = f"--port={place.port + 1000}", set(psutil.pids())
    subprocess.run([*start, gcs], env=environment, check=True, capture_output=True, timeout=120)
    theirs = ours(before)
    try:
        with place.command(place.arguments("random", prompts=10)) as process:
            assert process.wait(timeout=400) == 0
        joined = place.arguments("prefix", prompts=10) | {"strategies": ("prefix", "exact"), "label": "joined"}
        with place.command(joined, RAY_ADDRESS=f"127.0.0.1:{place.port + 1000}") as process:
            assert process.wait(timeout=600) == 0
        status = subprocess.run(
            [str(ray), "status", f"--address=127.0.0.1:{place.port + 1000}"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert "1 node_" in status.stdout
        assert all(each.is_running() for each in theirs)
        assert not [each for each in ours(before) if each not in theirs and "VLLM" in each.name()]
        with pytest.raises(httpx.ConnectError):  # Serve, which did not run before, is gone, too
            httpx.get(f"http://127.0.0.1:{place.port}/v1/models", trust_env=False)
    finally:
        for each in theirs:
            each.kill()
