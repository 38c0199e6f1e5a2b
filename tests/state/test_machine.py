"""The machine's fingerprint: what names a node, and what must not be in the record of one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.state.machine import machine_facts, node_id
from harness.workspace import ROOT
from tests.nvml import DRIVER, Nvml, gpu, mig, uuid_of

FACTS = {
    "cpu_model": "A CPU",
    "cpus": [0, 1],
    "memory_bytes": 64 << 30,
    "swap_bytes": 0,
    "gpus": ["A GPU"],
    "gpu_uuids": ["GPU-1"],
    "os": "Linux",
    "kernel": "6.1.0",
    "python": "3.11.7",
    "storage": {"file_system": "ext4", "device_model": "disk"},
}
PRINT_FACTS = """
import json, sys
from pathlib import Path
from harness.state.machine import machine_facts, node_id
facts = machine_facts(Path(sys.argv[1]))
print(json.dumps({"id": node_id(facts), **facts}))
"""


def facts_of(folder: Path, *prefix: str, **variables: str) -> dict[str, Any]:
    """``machine_facts`` of another process, started through the command ``prefix``."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [*prefix, sys.executable, "-c", PRINT_FACTS, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0 and prefix and prefix[0] == "unshare":
        pytest.skip(f"no new namespaces here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


identity = st.fixed_dictionaries(
    {
        "cpu_model": st.text(),
        "cpus": st.lists(st.integers(0, 255), unique=True).map(sorted),
        "memory_bytes": st.integers(1, 1 << 44),
        "gpu_uuids": st.lists(st.text(), max_size=2),
        "kernel": st.text(),
    }
)


@given(one=identity, other=identity)
def test_two_nodes_are_the_same_if_and_only_if_their_identity_is(one: dict[str, Any], other: dict[str, Any]) -> None:
    def key(facts: dict[str, Any]) -> str:
        whole_gib = round(facts["memory_bytes"] / 2**30)
        return json.dumps({**facts, "memory_bytes": whole_gib}, sort_keys=True)

    assert (node_id(one) == node_id(other)) == (key(one) == key(other))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cpu_model", "Another CPU"),
        ("cpus", [0]),
        ("cpus", [0, 2]),
        ("memory_bytes", 32 << 30),
        ("gpu_uuids", ["GPU-2"]),
        ("gpu_uuids", []),
        ("kernel", "6.1.1"),
    ],
)
def test_each_part_of_the_identity_makes_another_node(field: str, value: Any) -> None:
    assert node_id({**FACTS, field: value}) != node_id(FACTS)


@given(st.dictionaries(st.sampled_from(["swap_bytes", "os", "python", "storage", "hostname"]), st.text()))
def test_nothing_else_makes_another_node(others: dict[str, str]) -> None:
    assert node_id({**FACTS, **others}) == node_id(FACTS)


def test_a_few_megabytes_that_the_firmware_took_do_not_make_another_node() -> None:
    assert node_id({**FACTS, "memory_bytes": (64 << 30) - (100 << 20)}) == node_id(FACTS)


def test_the_node_is_the_same_in_every_process_of_the_machine(tmp_path: Path) -> None:
    other = facts_of(tmp_path)
    assert other["id"] == node_id(machine_facts(tmp_path))
    assert other["id"].startswith("node-")
    assert len(other["id"]) == len("node-") + 12


def test_a_part_of_the_cpus_is_a_node_of_its_own(tmp_path: Path) -> None:
    if len(os.sched_getaffinity(0)) < 2 or shutil.which("taskset") is None:
        pytest.skip("needs two CPUs and taskset")
    first = min(os.sched_getaffinity(0))
    part = facts_of(tmp_path, "taskset", "--cpu-list", str(first))
    assert part["cpus"] == [first]
    assert part["id"] != node_id(machine_facts(tmp_path))


def test_a_part_of_the_gpus_is_a_node_of_its_own(tmp_path: Path, nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.add(gpu(0, name="NVIDIA H200"), gpu(1, name="NVIDIA L40S"), mig(0, 0, "MIG-a", profile="1g.18gb"))
    whole = [(uuid_of(0), "NVIDIA H200"), (uuid_of(1), "NVIDIA L40S")]
    part = ("MIG-a", "NVIDIA H200 MIG 1g.18gb")
    nodes = []
    for chosen, named in (("0,1", whole), ("1", whole[1:]), (uuid_of(0), whole[:1]), ("MIG-a", [part]), ("", [])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
        facts = machine_facts(tmp_path)
        assert list(zip(facts["gpu_uuids"], facts["gpus"], strict=True)) == named
        assert (facts["driver_version"], facts["cuda_version"]) == (DRIVER, "13.0")
        nodes.append(node_id(facts))
    assert len(set(nodes)) == 5


def test_another_host_name_is_the_same_node_and_is_nowhere_in_the_facts(tmp_path: Path) -> None:
    rename = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', "hostname-of-the-lab")
    facts = facts_of(tmp_path, *rename, HOSTNAME="hostname-of-the-lab")
    assert facts["id"] == node_id(machine_facts(tmp_path))
    assert "hostname-of-the-lab" not in json.dumps(facts)


def test_the_facts_name_no_user_and_no_home(tmp_path: Path) -> None:
    home = tmp_path / "home-of-somebody"
    home.mkdir()
    facts = facts_of(home, HOME=str(home), USER="somebody", LOGNAME="somebody")
    assert "somebody" not in json.dumps(facts)
    assert str(tmp_path) not in json.dumps(facts)


def test_the_facts_are_plausible_and_absent_is_null(tmp_path: Path) -> None:
    facts = machine_facts(tmp_path)
    assert facts["cpu_model"]
    assert facts["cpus"] == sorted(os.sched_getaffinity(0))
    assert facts["memory_bytes"] > 1 << 28
    assert facts["kernel"] == os.uname().release
    assert len(facts["gpus"]) == len(facts["gpu_uuids"])
    assert machine_facts(Path("/proc"))["storage"] == {"file_system": "proc", "device_model": None}


def test_storage_is_the_file_system_of_the_folder_not_of_one_with_a_longer_or_shorter_name(tmp_path: Path) -> None:
    for name in ("a disk", "a disk too", "a"):
        (tmp_path / name).mkdir()
    mount = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(tmp_path / "a disk"))
    (tmp_path / "a disk" / "x").mkdir()
    assert facts_of(tmp_path / "a disk" / "x", *mount)["storage"] == {"file_system": "tmpfs", "device_model": None}
    for name in ("a disk too", "a"):
        assert facts_of(tmp_path / name, *mount)["storage"] == machine_facts(tmp_path)["storage"]
