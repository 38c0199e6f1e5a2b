"""The machine a run was made on: facts for the record, and the fingerprint that names the node.

No host name, no user name: a node is what its hardware and kernel are.
"""

import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any

import psutil

from harness.engine.detect import driver_versions, visible_gpus
from harness.state.filesystem import filesystem_of


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


def _storage(path: Path) -> dict[str, Any]:
    """File system and disk that hold ``path``."""
    found = filesystem_of(path)
    return {"file_system": found.kind, "device_model": found.device_model}


def machine_facts(storage: Path) -> dict[str, Any]:
    """Facts of this machine; ``storage`` is the folder whose file system matters (models and results)."""
    found = visible_gpus()  # a start on one GPU of eight is another node than one on its neighbour
    return {
        "cpu_model": _cpu_model(),
        "cpus": sorted(os.sched_getaffinity(0)),
        "memory_bytes": psutil.virtual_memory().total,
        "swap_bytes": psutil.swap_memory().total,
        "gpus": [gpu["name"] for gpu in found],
        "gpu_uuids": [gpu["uuid"] for gpu in found],
        **driver_versions(),
        "os": _os_name(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "storage": _storage(storage),
    }


def this_node(storage: Path) -> dict[str, Any]:
    """The node's record: its name, and ``machine_facts``."""
    facts = machine_facts(storage)
    return {"id": node_id(facts), **facts}


def node_id(facts: dict[str, Any]) -> str:
    """Name of the node: 12 hex digits over CPU model, affinity set, memory (whole GiB), GPUs and kernel."""
    identity = {
        "cpu_model": facts["cpu_model"],
        "cpus": facts["cpus"],
        "memory_gib": round(facts["memory_bytes"] / 2**30),
        "gpu_uuids": facts["gpu_uuids"],
        "kernel": facts["kernel"],
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return f"node-{digest[:12]}"
