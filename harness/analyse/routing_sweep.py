"""The routing figure's two sweep files: one line per ok run and phase, parameters first, then metrics.

    serve_sharegpt_sweep_results.csv  the client's metrics
    vllm_sharegpt_sweep_results.csv   the servers': mean over the replicas, of all together (``_all``), of replica k
                                      (``_replica<k>``)

Parameters are looked up by their column's name in the ``load`` of routing.json's ``parameters``, in these themselves,
and in their ``engine``; ``num_prompts`` and ``num_conversations`` are what was sent. A cell is empty where a run has no
such parameter or metric. Units stand in the names (``_s``) or are those of metrics.csv.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from harness.record.routing_facts import RoutingFacts
from harness.record.routing_tables import ALL, CLIENT, METRICS, REQUESTS, SERVER
from harness.record.tables import Cell, Cells, cells_of

CLIENT_SWEEP, SERVER_SWEEP = "serve_sharegpt_sweep_results.csv", "vllm_sharegpt_sweep_results.csv"
PARAMETERS = (
    "gpu_type",
    "model_name",
    "num_servers",
    "enable_prefix_caching",
    "enable_chunked_prefill",
    "benchmark_label",
    "scheduler_strategy",
    "router_parameters",
    "max_conversations",
    "num_prompts",
    "num_conversations",
    "min_output_len",
    "max_output_len",
    "ignore_eos",
    "stream",
    "max_concurrency",
    "max_ongoing_requests",
    "request_rate",
    "with_warmup",
    "seed",
    "block_size",
    "num_blocks",
    "phase",
    "repeat",
)
# Where the load's own names are others.
_OTHER_NAMES = {"min_output_len": "min_output_tokens", "max_output_len": "max_output_tokens"}
CPU = "cpu"


@dataclass(frozen=True)
class SweepRun:
    """An ok run: its facts, and its rows by table (``routing_rows.run_rows``)."""

    facts: RoutingFacts
    tables: Mapping[str, Sequence[tuple[Cell, ...]]]


def sweep_files(runs: Iterable[SweepRun]) -> dict[str, bytes]:
    """Name → content of both files; lines in the order of the runs and their phases, columns in that of first use."""
    lines: dict[str, list[tuple[dict[str, Any], dict[str, float]]]] = {CLIENT_SWEEP: [], SERVER_SWEEP: []}
    for run in runs:
        for phase in run.facts.phases:
            rows = cells_of(METRICS, run.tables[METRICS.name], phase=phase.name)
            requests = cells_of(REQUESTS, run.tables[REQUESTS.name], phase=phase.name)
            sent = {
                "num_prompts": len(requests),
                "num_conversations": len({row["conversation"] for row in requests}),
                "phase": phase.name,
                "repeat": run.facts.run,
            }
            parameters = sweep_parameters(run.facts) | sent
            client = {row["metric"]: row["value"] for row in rows if row["side"] == CLIENT}
            lines[CLIENT_SWEEP].append((parameters, client))
            lines[SERVER_SWEEP].append((parameters, _of_servers([row for row in rows if row["side"] == SERVER])))
    return {name: _csv(found) for name, found in lines.items()}


def sweep_parameters(facts: RoutingFacts) -> dict[str, Any]:
    """The parameters' columns that a run has, its phase and repeat aside."""
    told = flat_parameters(facts.parameters)
    derived = {"gpu_type": _gpu_type(facts.node.get("gpus")), "num_servers": len(facts.replicas) or None}
    found = derived | {name: told[other] for name in PARAMETERS if (other := _name_in(told, name))}
    found |= {
        "model_name": facts.model.get("name"),
        "benchmark_label": facts.label,
        "scheduler_strategy": facts.strategy,
        "router_parameters": json.dumps(facts.router.get("parameters", {}), sort_keys=True),
    }
    return {name: value for name, value in found.items() if value is not None}


def _name_in(told: Mapping[str, Any], name: str) -> str | None:
    return next((each for each in (name, _OTHER_NAMES.get(name, name)) if told.get(each) is not None), None)


def flat_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of ``engine``, of the run, and of ``load``, in one; the later ones where two name one."""
    top = {name: value for name, value in parameters.items() if not isinstance(value, dict)}
    parts = (parameters.get("engine"), top, parameters.get("load"))
    return {name: value for part in parts if isinstance(part, dict) for name, value in part.items()}


def _gpu_type(gpus: Any) -> str:
    """The GPUs' names, each once; ``cpu`` where the node has none."""
    entries = gpus if isinstance(gpus, list) else []
    names = [entry.get("name") if isinstance(entry, dict) else entry for entry in entries]
    return " + ".join(dict.fromkeys(str(name) for name in names if name)) or CPU


def _of_servers(rows: Sequence[Cells]) -> dict[str, float]:
    """Mean over the replicas, all together, and each."""
    by_replica: dict[str, dict[str, float]] = {}
    for row in rows:
        by_replica.setdefault(row["metric"], {})[row["replica"]] = row["value"]
    found: dict[str, float] = {}
    for metric, values in by_replica.items():
        own = {replica: value for replica, value in values.items() if replica != ALL}
        if own:
            found[metric] = fmean(own.values())
        if ALL in values:
            found[f"{metric}_all"] = values[ALL]
        found |= {f"{metric}_replica{replica}": value for replica, value in own.items()}
    return found


def _csv(lines: Sequence[tuple[dict[str, Any], dict[str, float]]]) -> bytes:
    metrics = dict.fromkeys(name for _, found in lines for name in found)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*PARAMETERS, *metrics])
    for parameters, found in lines:
        writer.writerow([parameters.get(name, "") for name in PARAMETERS] + [found.get(name, "") for name in metrics])
    return text.getvalue().encode()
