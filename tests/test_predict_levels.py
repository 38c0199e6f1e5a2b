"""``python3 harness predict --storage`` and ``--load-format``: where a level's bandwidth comes from."""

import pytest

from harness.record.slot import write_slot
from harness.workspace import Workspace
from tests.checkout import Call
from tests.predict_place import MODELS, document, slots_of
from tests.predict_place import call as call
from tests.predict_place import workspace as workspace
from tests.storage_slot import storage_slot
from tests.synthetic_slot import NODE as SLOT_NODE


def test_bandwidth_of_a_declared_level_is_that_of_the_nodes_own_starts(call: Call, workspace: Workspace) -> None:
    slots_of(workspace, "ram", "ssd")
    told = document(call("yi-9b", "--node", SLOT_NODE["id"], "--storage", "ssd", "--json"))
    assert told["phases"]["load_weights"]["seconds"] == pytest.approx(17.66 / 0.8, rel=0.1)
    assert "bandwidth of this node's starts from ssd" in told["load_source"]


def test_starts_of_another_environment_say_nothing_of_a_levels_bandwidth(call: Call, workspace: Workspace) -> None:
    rows, manifest = storage_slot("case1", "ssd", MODELS[:3], rate=0.8e9, disk=None)
    for case in manifest["cases"]:
        case["environment"] = {"OMP_NUM_THREADS": "1"}
    write_slot(workspace.figure("13") / "case1", rows, manifest)
    write_slot(workspace.figure("13") / "case0", *storage_slot("case0", "ram", MODELS, rate=4e9, disk=None))
    done = call("yi-9b", "--node", SLOT_NODE["id"], "--storage", "ssd")
    assert (done.code, "no start from ssd counts" in done.err) == (2, True)


def test_without_such_starts_it_is_the_probe_of_the_disk(call: Call, workspace: Workspace) -> None:
    slots_of(workspace, "ram", disk=0.5e9)
    told = document(call("yi-9b", "--node", SLOT_NODE["id"], "--storage", "ssd", "--json"))
    assert told["phases"]["load_weights"]["seconds"] == pytest.approx(17.66 / 0.5, rel=0.1)
    assert "probed before" in told["load_source"]


def test_a_level_that_nothing_is_known_of_is_refused(call: Call, workspace: Workspace) -> None:
    slots_of(workspace, "ram")
    done = call("yi-9b", "--node", SLOT_NODE["id"], "--storage", "ssd")
    assert done.code == 2
    assert "no start from ssd counts, and none recorded a probe of a disk; measure one" in done.err


def test_a_load_format_is_taken_from_starts_that_used_it_or_said_to_be_unseen(call: Call, workspace: Workspace) -> None:
    rows, manifest = storage_slot("case0", "ram", MODELS, rate=4e9)
    streamed, other = storage_slot("case1", "ram", MODELS[:3], rate=8e9)
    for case in other["cases"]:
        case["parameters"] = {**case["parameters"], "load_format": "runai_streamer"}
    write_slot(workspace.figure("13") / "case0", rows, manifest)
    write_slot(workspace.figure("13") / "case1", streamed, other)
    asked = ("yi-9b", "--node", SLOT_NODE["id"], "--json", "--load-format")
    told = document(call(*asked, "runai_streamer"))
    assert told["phases"]["load_weights"]["seconds"] == pytest.approx(17.66 / 8, rel=0.1)
    unseen = document(call(*asked, "tensorizer", "--twin"))
    assert "load format tensorizer: never seen, trained on safetensors" in unseen["outside"]
    assert unseen["no_interval"] == "no start loads tensorizer"
    assert (unseen["phases"]["load_weights"]["low"], unseen["total"]["low"]) == (None, None)
    assert unseen["phases"]["framework_bootstrap"]["low"] is not None
    assert call(*asked, "tensorizer", "--storage", "ssd").code == 2
