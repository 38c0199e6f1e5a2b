"""The routing figure's slot: every run in it, the sweeps beside it, the same bytes from the same runs."""

import csv
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.analyse.routing_sweep import CLIENT_SWEEP, PARAMETERS, SERVER_SWEEP
from harness.commands.routing.slot import RoutingSource, write_routing_slot
from harness.errors import HarnessError
from harness.record.routing_run import PhaseMetrics, RoutingRun
from harness.record.routing_tables import (
    FINDINGS,
    METRICS,
    REQUESTS,
    ROUTING_TABLES,
    RUNS,
    SERVED,
    SIMULATED,
    STUDY,
)
from harness.record.study_slot import StudySlot, read_study_slot
from tests.routing_runs import COUNTED, REACHED, Wanted, make_run

SOURCE = RoutingSource(
    node={"id": "node-0123456789ab", "cpu_model": "Example CPU"},
    engine={"pin": "ray-2.60-vllm-0.32.0-cpu", "version": "0.32.0", "lock_sha256": "ab" * 32},
    model={"name": "qwen2.5-0.5b", "twin": True, "files_sha256": "cd" * 32},
)
SIMULATED_ROWS = [("default", "own", "prefix", 2, 0, "hit_rate", 0.5, "share")]


def runs() -> list[RoutingRun]:
    made = [
        make_run(Wanted(strategy=strategy, repeat=repeat, phases=("cold", "warm")))
        for strategy in ("power-of-two", "prefix")
        for repeat in (1, 2)
    ]
    broken = make_run(Wanted(strategy="random"))
    facts = replace(broken.facts, status="failed", failed_in="deploy", reason=f"no file {Path.home()}/models/a in it")
    return [*made, replace(broken, facts=facts)]


def write(folder: Path, made: list[RoutingRun]) -> StudySlot:
    write_routing_slot(folder, "routing", made, SOURCE, SIMULATED_ROWS)
    return read_study_slot(folder, ROUTING_TABLES, STUDY)


def lines(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_slot_holds_every_run_and_reads_back(tmp_path: Path) -> None:
    slot = write(tmp_path / "node0", runs())
    assert [row[2:5] for row in slot.tables[RUNS.name]] == [
        ("power-of-two", 1, "ok"),
        ("power-of-two", 2, "ok"),
        ("prefix", 1, "ok"),
        ("prefix", 2, "ok"),
        ("random", 1, "failed"),
    ]
    assert slot.tables[SIMULATED.name] == SIMULATED_ROWS
    assert {row[:4] for row in slot.tables[FINDINGS.name]} == {
        ("default", phase, "prefix", "power-of-two") for phase in ("cold", "warm")
    }
    assert {row[2] for row in slot.tables[METRICS.name]} == {"power-of-two", "prefix"}


def test_the_same_runs_in_any_order_make_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a" / "node0", runs())
    write(tmp_path / "b" / "node0", runs()[::-1])
    one, other = ({path.name: path.read_bytes() for path in (tmp_path / at / "node0").iterdir()} for at in "ab")
    assert one == other
    assert one.keys() == {*(table.name for table in ROUTING_TABLES), CLIENT_SWEEP, SERVER_SWEEP, "manifest.json"}


def test_the_manifest_says_what_was_asked_of_whom_and_how_well_it_was_sent(tmp_path: Path) -> None:
    changed = make_run(Wanted(strategy="exact", failed={1: REACHED}, cancelled={2: COUNTED}))
    manifest = write(tmp_path / "node0", [*runs(), changed]).manifest
    assert manifest["models"] == {"qwen2.5-0.5b": {"twin": True, "files_sha256": "cd" * 32}}
    label = manifest["labels"]["default"]
    assert label["parameters"] == {
        "gpu_type": "cpu",
        "model_name": "qwen2.5-0.5b",
        "num_servers": 2,
        "enable_prefix_caching": True,
        "min_output_len": 2,
        "max_ongoing_requests": 20,
        "num_prompts": 8,
        "block_size": 32,
    }
    assert label["routers"]["prefix"]["parameters"] == {"imbalanced_threshold": "inf"}
    cases = {entry["strategy"]: entry for entry in manifest["cases"]}
    assert cases["prefix"]["parameters"]["with_warmup"] is True
    assert "seed" not in cases["prefix"]["parameters"]  # each repeat has its own
    found = {(entry["strategy"], entry["repeat"]): entry for entry in manifest["runs"]}
    run = found["prefix", 1]
    assert run["accounting"] == {"is_exact": True, "not_held": []}
    assert run["send_error_p99_s"] == 0.002
    assert run["client_cpu_share"] == max(phase["client_cpu_share"] for phase in run["phases"]) > 0
    exact = found["exact", 1]
    assert (exact["phases"][0]["failed"], exact["phases"][0]["cancelled"]) == (1, 1)
    assert exact["accounting"]["is_exact"] is None
    assert all("may have counted them" in check["note"] for check in exact["accounting"]["not_held"])
    assert found["random", 1].keys() == {"case", "label", "strategy", "repeat", "status", "started_at"}


def test_a_run_under_two_labels_is_one_run_and_in_the_findings_of_both(tmp_path: Path) -> None:
    other = [replace(run, facts=replace(run.facts, label="again")) for run in runs()[:4]]
    slot = write(tmp_path / "node0", [*runs(), *other])
    plain = write(tmp_path / "node1", runs())
    assert slot.tables[REQUESTS.name] == plain.tables[REQUESTS.name]
    assert len(slot.tables[RUNS.name]) == 5 + 4
    by_label = {
        name: [row[1:] for row in slot.tables[FINDINGS.name] if row[0] == name] for name in ("again", "default")
    }
    assert by_label["again"] == by_label["default"] == [row[1:] for row in plain.tables[FINDINGS.name]]
    assert {entry["label"] for entry in slot.manifest["runs"]} == {"again", "default"}
    assert len(slot.manifest["cases"]) == 3


def test_sweeps_have_one_line_a_run_and_phase_parameters_first(tmp_path: Path) -> None:
    slot = write(tmp_path / "node0", runs())
    client, server = (lines(tmp_path / "node0", name) for name in (CLIENT_SWEEP, SERVER_SWEEP))
    assert len(client) == len(server) == 8
    for found in (client, server):
        assert tuple(found[0])[: len(PARAMETERS)] == PARAMETERS
        assert [(row["scheduler_strategy"], row["repeat"], row["phase"]) for row in found[:3]] == [
            ("power-of-two", "1", "cold"),
            ("power-of-two", "1", "warm"),
            ("power-of-two", "2", "cold"),
        ]
    row = client[0]
    assert (row["gpu_type"], row["model_name"], row["num_servers"], row["num_conversations"]) == (
        "cpu",
        "qwen2.5-0.5b",
        "2",
        "4",
    )
    assert (row["min_output_len"], row["max_output_len"], row["seed"], row["with_warmup"]) == ("2", "", "0", "True")
    assert json.loads(row["router_parameters"]) == {"imbalanced_threshold": "inf"}
    assert row["completed"] == "8.0"
    cells = {row[5:8]: row[8] for row in slot.tables[METRICS.name] if row[2:5] == ("power-of-two", 1, "cold")}
    own = [float(server[0][f"prompt_tokens_total_replica{number}"]) for number in (0, 1)]
    assert own == [cells["server", number, "prompt_tokens_total"] for number in ("0", "1")]
    assert float(server[0]["prompt_tokens_total"]) == sum(own) / 2
    assert float(server[0]["prompt_tokens_total_all"]) == sum(own)
    assert "hit_rate_all" in server[0]
    assert "ttft_mean_s" not in server[0]


def test_the_manifest_lists_the_sweeps_with_their_checksums(tmp_path: Path) -> None:
    listed = {entry["name"]: entry for entry in write(tmp_path / "node0", runs()).manifest["files"]}
    for name in (CLIENT_SWEEP, SERVER_SWEEP):
        content = (tmp_path / "node0" / name).read_bytes()
        assert listed[name]["sha256"] == hashlib.sha256(content).hexdigest()
        assert listed[name]["columns"][0] == "gpu_type"


def test_no_place_or_name_of_this_machine_gets_into_any_file(tmp_path: Path) -> None:
    write(tmp_path / "node0", runs())
    for path in (tmp_path / "node0").iterdir():
        text = path.read_text()
        assert str(Path.home()) not in text
        assert os.uname().nodename not in text
    assert "no file a in it" in (tmp_path / "node0" / RUNS.name).read_text()


def test_two_cases_of_one_label_and_strategy_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    other = make_run(Wanted(strategy="prefix", repeat=3))
    other = replace(other, facts=replace(other.facts, case="prefix-default-89abcdef"))
    with pytest.raises(HarnessError, match="give each set of parameters its own --label"):
        write(tmp_path / "node0", [*runs(), other])
    with pytest.raises(HarnessError, match="run 1 twice"):
        write(tmp_path / "node0", [*runs(), runs()[0]])
    assert not (tmp_path / "node0").exists()


def test_another_nodes_slot_is_not_replaced(tmp_path: Path) -> None:
    write(tmp_path / "node0", runs())
    with pytest.raises(HarnessError, match="holds a slot of node-0123456789ab, this machine is node-x"):
        write_routing_slot(tmp_path / "node0", "routing", runs(), replace(SOURCE, node={"id": "node-x"}))


def test_a_slot_may_hold_simulated_rows_alone(tmp_path: Path) -> None:
    slot = write(tmp_path / "node0", [])
    assert slot.tables[SIMULATED.name] == SIMULATED_ROWS
    assert lines(tmp_path / "node0", CLIENT_SWEEP) == []


def test_a_replica_that_another_one_replaced_leaves_what_is_known_of_both(tmp_path: Path) -> None:
    run = make_run(Wanted(requests=8))
    told = run.metrics["cold"]
    late = {"cold-6", "cold-7"}
    replaced = replace(
        run,
        served=[replace(each, replica="the-new-one") if each.request in late else each for each in run.served],
        metrics={
            "cold": PhaseMetrics(
                told.before,
                {"replica-00": told.after["replica-00"], "the-new-one": told.after["replica-01"]},
            )
        },
    )
    slot = write(tmp_path / "node0", [replaced])
    assert {row[4] for row in slot.tables[SERVED.name] if row[3] in (6, 7)} == {2}
    assert len(slot.tables[SERVED.name]) == 8
    found = {row[6:8] for row in slot.tables[METRICS.name]}
    assert ("2", "prompt_tokens_total") in found
    assert ("all", "prompt_tokens_total") not in found
    assert ("all", "imbalance") not in found
    accounting = slot.manifest["runs"][0]["accounting"]
    assert accounting["is_exact"] is False  # served elsewhere than they were routed
    assert "replicas lost or replaced in this phase: replica-01" in {check["note"] for check in accounting["not_held"]}
