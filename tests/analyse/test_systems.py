"""The table of systems, and what differs between nodes."""

from harness.analyse.systems import Record, differences, systems
from harness.spec.paper_nodes import load_paper_nodes

ONE = {
    "id": "node-1",
    "cpu_model": "AMD EPYC 9354",
    "cpus": [0, 1, 2, 3],
    "memory_bytes": 24 << 30,
    "gpus": ["NVIDIA L40S", "NVIDIA L40S"],
    "os": "Debian 12",
    "storage": {"file_system": "ext4", "device_model": None},
}
OTHER = {**ONE, "id": "node-2", "cpus": [0, 1], "os": "RHEL 9", "gpu_uuids": ["a"], "gpus": []}


def test_a_node_is_one_column_whatever_was_started_there():
    engines = [{"version": "0.32.0", "torch": "2.13.0"}, {"version": "0.31.0", "torch": "2.13.0"}]
    (system,) = systems([Record(ONE, "measured here", engine) for engine in engines])
    assert system.values["CPU"] == "AMD EPYC 9354, 4 hardware threads (0-3)"
    assert system.values["GPU"] == "2× NVIDIA L40S"
    assert system.values["DRAM"] == "24 GiB"
    assert system.values["vLLM"] == "0.31.0, 0.32.0"
    assert system.values["PyTorch"] == "2.13.0"
    assert "SSD" not in system.values
    assert "driver" not in system.values


def test_only_facts_that_are_not_the_same_are_differences():
    sha = "a" * 64
    records = [
        Record(ONE, "measured here", {"version": "0.32.0", "lock_sha256": sha}, {"OMP_NUM_THREADS": "2"}),
        Record(OTHER, "merged", {"version": "0.31.0", "lock_sha256": sha}, {"OTHER": "1"}),
    ]
    assert differences(records) == {
        "machine: gpus": ["NVIDIA L40S, NVIDIA L40S", "none"],
        "machine: os": ["Debian 12", "RHEL 9"],
        "machine: cores": ["0-3", "0-1"],
        "engine: version": ["0.32.0", "0.31.0"],
        "environment: OMP_NUM_THREADS": ["2", None],
        "environment: OTHER": [None, "1"],
    }


def test_a_node_on_which_nothing_was_started_differs_in_no_engine():
    records = [Record(ONE, "this machine"), Record({**ONE, "id": "x"}, "merged", {"version": "0.32.0"})]
    assert differences(records) == {}


def test_a_hostile_node_is_told_without_what_cannot_be():
    (system,) = systems([Record({"id": "n", "memory_bytes": -1, "cpus": "x", "gpus": 3, "storage": []}, "merged")])
    assert system.values == {"GPU": "none"}


def test_the_papers_machines_are_four():
    assert [node.name for node in load_paper_nodes().nodes] == ["n1", "n2", "n3", "n4"]
