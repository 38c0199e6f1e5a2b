"""A routing run's folder: made of raw logs, read from anywhere, and of every version for ever."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from harness.record.load_output import write_output
from harness.record.routing_facts import FILE, numbered, read_routing_facts
from harness.record.routing_gather import gather_run
from harness.record.routing_lines import RoutingRunError, write_records
from harness.record.routing_run import RoutingRun, read_routing_run
from tests.routing_runs import REACHED, Wanted, make_run, write_run

EXAMPLES = Path(__file__).parents[1] / "example_routing_runs"
WANTED = Wanted(phases=("cold", "warm"), failed={3: REACHED})


def test_a_run_reads_back_as_it_was_written(tmp_path: Path) -> None:
    run = make_run(WANTED)
    assert read_routing_run(write_run(run, tmp_path / "1")) == run


def write_logs(run: RoutingRun, logs: Path) -> dict[str, Path]:
    """The raw logs of the run: two routers that share the decisions, replicas that do not repeat their names."""
    logs.mkdir()
    write_records(logs / "decisions.11.jsonl", run.decisions[::2])
    write_records(logs / "decisions.12.jsonl", run.decisions[1::2])
    for replica in (each.replica for each in run.facts.replicas):
        for name, records in (("served", run.served), ("samples", run.samples)):
            own = [asdict(record) for record in records if record.replica == replica]
            lines = (json.dumps({key: value for key, value in each.items() if key != "replica"}) for each in own)
            (logs / f"{name}-{replica}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    clients = {}
    for phase in run.facts.phases:
        clients[phase.name] = logs / f"{phase.name}.jsonl"
        records = [replace(record, phase=None) for record in run.phase_records(phase.name)]
        write_output(clients[phase.name], records, phase.summary)
    return clients


def test_raw_logs_become_the_run_in_one_order(tmp_path: Path) -> None:
    run = make_run(WANTED)
    clients = write_logs(run, tmp_path / "logs")
    (tmp_path / "1").mkdir()
    gather_run(tmp_path / "logs", clients, run.metrics, tmp_path / "1")
    run.facts.write(tmp_path / "1")
    found = read_routing_run(tmp_path / "1")
    assert sorted(found.served, key=repr) == sorted(run.served, key=repr)
    assert sorted(found.samples, key=repr) == sorted(run.samples, key=repr)
    assert sorted(found.decisions, key=repr) == sorted(run.decisions, key=repr)
    assert [(each.phase, each.request, each.status) for each in found.client] == [
        (each.phase, each.request, each.status) for each in run.client
    ]
    assert found.metrics == run.metrics


def test_a_killed_replicas_last_line_is_left_out_and_no_other(tmp_path: Path) -> None:
    run = make_run(WANTED)
    clients = write_logs(run, tmp_path / "logs")
    torn = tmp_path / "logs" / "served-replica-00.jsonl"
    torn.write_bytes(torn.read_bytes()[:-20])
    (tmp_path / "1").mkdir()
    gather_run(tmp_path / "logs", clients, run.metrics, tmp_path / "1")
    run.facts.write(tmp_path / "1")
    assert len(read_routing_run(tmp_path / "1").served) == len(run.served) - 1
    torn.write_bytes(b"{\n" + torn.read_bytes())
    with pytest.raises(RoutingRunError, match=r"served-replica-00.jsonl:1: not JSON"):
        gather_run(tmp_path / "logs", clients, run.metrics, tmp_path / "1")


def test_a_failed_run_has_what_it_came_to(tmp_path: Path) -> None:
    run = make_run(WANTED)
    folder = tmp_path / "1"
    folder.mkdir()
    failed = replace(
        run.facts, status="failed", failed_in="deploy", reason="port 8000 is taken", phases=[], replicas=[]
    )
    failed.write(folder)
    assert read_routing_run(folder) == RoutingRun(failed)


def edited(name: str, change: Callable[[dict[str, Any]], object], line: int = 0) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / name
        if name.endswith(".json"):
            document = json.loads(path.read_text())
            change(document)
            path.write_text(json.dumps(document))
            return
        lines = path.read_text().splitlines()
        document = json.loads(lines[line])
        change(document)
        lines[line] = json.dumps(document)
        path.write_text("\n".join(lines) + "\n")

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (edited(FILE, lambda d: d.update(schema_version=2)), "schema_version is 2, this harness reads 1; it is newer"),
        (edited(FILE, lambda d: d.update(schema_version=0)), "schema_version is 0, this harness reads 1"),
        (edited(FILE, lambda d: d.pop("label")), "missing or unknown keys: label"),
        (edited(FILE, lambda d: d.update(strategy="best")), "strategy must be one of power-of-two"),
        (edited(FILE, lambda d: d.update(run=0)), "run must be at least 1"),
        (edited(FILE, lambda d: d.update(status="failed")), "a failed run says where and why"),
        (edited(FILE, lambda d: d["phases"][0].update(client={})), "phase cold: client: no summary of a load"),
        (edited(FILE, lambda d: d["phases"][0].update(end_at=1.0)), "a phase ends before it begins"),
        (edited(FILE, lambda d: d["phases"].reverse()), "phases must be cold, or cold and warm"),
        (edited(FILE, lambda d: d["replicas"][0].update(number=7)), "replicas are not numbered from 0"),
        (edited(FILE, lambda d: d["replicas"][0].update(replica="replica-01")), "two replicas have one id"),
        (edited("client.jsonl", lambda d: d.update(phase="hot")), "client.jsonl:1: routing.json has no phase hot"),
        (edited("client.jsonl", lambda d: d.update(request_id="cold-1")), "request id cold-1 a second time"),
        (edited("client.jsonl", lambda d: d.update(ttft_s=-1), 2), "client.jsonl: line 3: ttft_s must be a number"),
        (edited("decisions.jsonl", lambda d: d.update(event="sent")), "decisions.jsonl:1: event must be one of choose"),
        (edited("decisions.jsonl", lambda d: d.update(t=9e9)), "decisions.jsonl:2: earlier than the line before it"),
        (
            edited("served.jsonl", lambda d: d.update(cached_tokens=None), 1),
            "served.jsonl:2: cached_tokens has",
        ),
        (edited("served.jsonl", lambda d: d.update(prefill_s=-0.1)), "served.jsonl:1: prefill_s has a value"),
        (edited("samples.jsonl", lambda d: d.update(more=1)), "samples.jsonl:1: missing or unknown keys: more"),
        (edited("metrics.json", lambda d: d.pop("warm")), "metrics.json: nothing of phase warm"),
        (edited("metrics.json", lambda d: d["cold"].pop("before")), "must hold, by phase, before and after"),
        (lambda folder: (folder / "samples.jsonl").unlink(), "samples.jsonl: not readable (No such file"),
        (lambda folder: (folder / "client.jsonl").write_text(""), "0 requests in phase cold, routing.json says 8"),
        (lambda folder: (folder / "served.jsonl").write_text("{}"), "served.jsonl:1: cut off"),
    ],
)
def test_a_damaged_run_is_named_in_one_line(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    folder = write_run(make_run(WANTED), tmp_path / "1")
    damage(folder)
    with pytest.raises(RoutingRunError) as refused:
        read_routing_run(folder)
    assert str(refused.value).startswith(str(folder))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_replicas_are_numbered_in_the_order_of_their_ids() -> None:
    assert [(each.number, each.replica) for each in numbered(["b", "c", "a"])] == [(0, "a"), (1, "b"), (2, "c")]


@pytest.mark.parametrize("folder", sorted(EXAMPLES.glob("schema_*")), ids=lambda path: path.name)
def test_the_example_run_of_every_version_is_read_for_ever(folder: Path) -> None:
    run = read_routing_run(folder)
    assert read_routing_facts(folder).strategy == "prefix"
    assert [record.status for record in run.client].count("ok") == 8
    assert {record.replica for record in run.served} == {"replica-00", "replica-01"}
    assert {phase.name for phase in run.facts.phases} == set(run.metrics) == {"cold", "warm"}
