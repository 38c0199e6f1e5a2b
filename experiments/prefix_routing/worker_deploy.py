"""Ray Serve LLM with one router: ``python -m experiments.prefix_routing.worker_deploy ASKED READY``.

ASKED: ``model`` (folder), ``name``, ``replicas``, ``engine`` (vLLM's engine arguments), ``max_ongoing_requests`` (of a
replica), ``bundle`` (what Ray sets aside for a replica), ``router`` (module.Class), ``router_parameters``, ``port``,
``address`` (of a Ray that runs; null: one is started), ``scratch`` and, in it, ``events_folder`` (short: sockets
lie there), ``log_folder``, ``stdout`` and ``stderr`` (files that this process writes to from now on), ``environment``
(variables of replicas and router).

READY appears when queries are answered: ``url``, ``replicas``. Then the deployment stays until SIGTERM or Ctrl-C; both
end what was started here: the application, Serve and Ray unless they ran before. In a Serve that ran
before, the application lies below ``/routing-study``, on that Serve's own port. JOINED, in ``scratch``, says whether it
did, before anything is started: worker_undeploy.py ends what a killed driver left in somebody's Ray.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.serve.config import RequestRouterConfig
from ray.serve.context import _get_global_client
from ray.serve.llm import LLMConfig, build_openai_app

from harness.record.atomic import write_json

_HOST = "127.0.0.1"
APP = "routing-study"
JOINED = "joined.json"
_ROUTING_STATS_S = 1.0
_HEALTH_S, _HEALTH_LIMIT_S = 2.0, 30.0
_OBJECT_STORE_BYTES = 200_000_000
_CPUS = 64  # more than there are: Ray counts CPUs that processes hardly use


def deploy(asked: dict[str, Any], ready: Path) -> None:
    """Start, say so, wait, stop."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    environment = asked["environment"]
    if asked["address"] is None:
        ray.init(
            address="local",
            num_cpus=_CPUS,
            include_dashboard=False,
            _temp_dir=str(Path(asked["scratch"]) / "ray"),
            object_store_memory=_OBJECT_STORE_BYTES,
            logging_level="WARNING",
        )
    else:
        ray.init(address=asked["address"], logging_level="WARNING", runtime_env={"env_vars": environment})
        _refuse_other_machines()
    theirs = _get_global_client(raise_if_no_controller_running=False)
    write_json(Path(asked["scratch"]) / JOINED, {"serve_ran": theirs is not None})
    port, prefix = (asked["port"], "") if theirs is None else (theirs.http_config.port, f"/{APP}")
    try:
        serve.start(http_options={"host": _HOST, "port": port})
        _run(_application(asked, environment), prefix or "/")
        folder = Path(asked["log_folder"])
        replicas = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("replica-*.json"))]
        write_json(ready, {"url": f"http://{_HOST}:{port}{prefix}", "replicas": replicas})
        stop.wait()
    finally:
        leave(serve_ran=theirs is not None)


def _run(application: serve.Application, prefix: str) -> None:
    """Raises RuntimeError: a replica's own reason, which Serve only notes in its status."""
    try:
        serve.run(application, name=APP, route_prefix=prefix, blocking=False)
    except RuntimeError as error:
        deployments = serve.status().applications[APP].deployments.values()
        said = [line.strip() for each in deployments for line in each.message.splitlines() if "Error" in line]
        raise RuntimeError(said[-1] if said else str(error)) from None


def leave(serve_ran: bool) -> None:
    """End the application, and Serve unless it ran before; Ray, where it is this process's."""
    if serve_ran:
        serve.delete(APP)
    else:
        serve.shutdown()
    ray.shutdown()


def _application(asked: dict[str, Any], environment: dict[str, str]) -> serve.Application:
    router = RequestRouterConfig(
        request_router_class=asked["router"],
        request_router_kwargs={**asked["router_parameters"], "log_folder": asked["log_folder"]},
        request_routing_stats_period_s=_ROUTING_STATS_S,
    )
    config = LLMConfig(
        model_loading_config={"model_id": asked["name"], "model_source": asked["model"]},
        server_cls="experiments.prefix_routing.worker_server.MeteredServer",
        engine_kwargs=asked["engine"],
        placement_group_config={"bundles": [asked["bundle"]]},
        # vLLM's own logger: the one for Ray rebuilds the sums of histograms from the midpoints of their buckets.
        log_engine_metrics=False,
        experimental_configs={
            # Ray would hold tokens back for 50 ms: TTFT and ITL would be its batching's.
            "stream_batching_interval_ms": 0,
            "log_folder": asked["log_folder"],
            "events_folder": asked["events_folder"],
        },
        runtime_env={"env_vars": environment},
        deployment_config={
            "num_replicas": asked["replicas"],
            "max_ongoing_requests": asked["max_ongoing_requests"],
            "health_check_period_s": _HEALTH_S,
            "health_check_timeout_s": _HEALTH_LIMIT_S,
            "request_router_config": router,
        },
    )
    # One ingress: each would have a router of its own, with its own view of the queues.
    ingress = {
        "num_replicas": 1,
        "autoscaling_config": None,
        "max_ongoing_requests": 10_000,
        "ray_actor_options": {"runtime_env": {"env_vars": environment}},
    }
    return build_openai_app({"llm_configs": [config], "ingress_deployment_config": ingress})


def _refuse_other_machines() -> None:
    machines = {node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    if len(machines) > 1:
        what = f"the cluster has {len(machines)} machines: logs and KV events are files of one"
        raise SystemExit(f"{what}; give a cluster of one machine")


def main(asked_path: str, ready_path: str) -> None:
    """See the module."""
    asked = json.loads(Path(asked_path).read_text(encoding="utf-8"))
    for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
        file = os.open(asked[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(file, stream.fileno())
        os.close(file)
    deploy(asked, Path(ready_path))


if __name__ == "__main__":
    main(*sys.argv[1:])
