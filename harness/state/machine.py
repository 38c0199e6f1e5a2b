"""The machine a run was made on: facts for the record, and the fingerprint that names the node.

No host name, no user name: a node is what its hardware and kernel are.
"""

import hashlib
import json
import os
import platform
import re
from pathlib import Path
from typing import Any

import psutil

from harness.engine.detect import driver_versions, visible_gpus


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


def _mount_of(path: Path) -> dict[str, Any]:
    """File system and block device under ``path``."""
    best = ("", "", "")
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        left, _, right = line.partition(" - ")
        # Blanks in a mount point are written as octal escapes.
        point, device = re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), left.split()[4]), left.split()[2]
        if path.resolve().is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, device, right.split()[0])
    return {"file_system": best[2] or None, "device_model": _device_model(best[1])}


def _device_model(major_minor: str) -> str | None:
    """Model name of the disk that holds the block device, where the kernel tells."""
    block = Path(f"/sys/dev/block/{major_minor}").resolve()
    for folder in (block, block.parent):
        try:
            return (folder / "device" / "model").read_text(encoding="utf-8").strip()
        except OSError:
            continue
    return block.name if block.exists() else None  # tmpfs, overlay and others have no device


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
        "storage": _mount_of(storage),
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
