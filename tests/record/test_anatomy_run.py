"""A run's folder of the anatomy study: read back whole, and refused where its files contradict each other."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.record.anatomy_run import CLIENT_FILE, FILE, read_anatomy_facts, read_anatomy_run
from harness.record.serving_trace import AnatomyRunError
from tests.anatomy_runs import EPOCH_NS, make_run, write_run
from tests.anatomy_simulation import Wanted

EXAMPLES = Path(__file__).parents[1] / "example_anatomy_runs"
SMALL = Wanted(concurrencies=(1, 2), batches=1, tokens=2)


def test_a_run_reads_back_with_its_traces_and_clients(tmp_path: Path) -> None:
    run, truths = make_run(tmp_path / "1", Wanted(concurrencies=(1, 2), batches=2, workers=2))
    assert [trace.role for trace in run.traces] == ["api", "engine", "worker", "worker"]
    assert [level.id for level in run.facts.levels] == ["c1", "c2"] == list(truths)
    assert all(list(trace.windows) == ["c1", "c2"] for trace in run.traces)
    one, two = run.facts.levels
    assert [len(run.clients_of(level)) for level in (one, two)] == [2, 4]
    first = run.clients_of(one)[0]
    sent = truths["c1"].requests["c1-0"]["sent"]
    assert abs(one.monotonic_ns(first.sent_at) - sent) < 1000
    assert one.monotonic_ns((sent + EPOCH_NS) / 1e9) == pytest.approx(sent, abs=1000)


def test_facts_read_back_as_they_were_written(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path / "1", SMALL)
    (tmp_path / "2").mkdir()
    run.facts.write(tmp_path / "2")
    assert read_anatomy_facts(tmp_path / "2") == run.facts


def test_of_a_failed_run_only_the_facts_are_read(tmp_path: Path) -> None:
    write_run(tmp_path / "1", Wanted(failed=True))
    (tmp_path / "1" / "serving-api-1.jsonl").write_text("{torn")
    run = read_anatomy_run(tmp_path / "1")
    assert run.facts.failed_in == "load"
    assert run.traces == run.clients == ()


def edited(folder: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def edit(place: Path) -> None:
        path = place / folder / FILE
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return edit


def no_trace(role: str) -> Callable[[Path], None]:
    def remove(place: Path) -> None:
        next((place / "1").glob(f"serving-{role}-*.jsonl")).unlink()

    return remove


def other_client(place: Path) -> None:
    path = place / "1" / CLIENT_FILE
    path.write_text(path.read_text().replace('"phase": "c2"', '"phase": "c3"', 1))


def lost_client(place: Path) -> None:
    path = place / "1" / CLIENT_FILE
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (edited("1", lambda each: each.update(schema_version=2)), "this harness reads 1; it is newer"),
        (edited("1", lambda each: each.update(study="cold_start")), "study is cold_start, not engine_anatomy"),
        (edited("1", lambda each: each.update(status="killed")), "status must be ok or failed"),
        (edited("1", lambda each: each.update(device="tpu")), "device must be cpu or cuda"),
        (edited("1", lambda each: each.update(run=0)), "run must be at least 1"),
        (edited("1", lambda each: each.update(levels=[])), "an ok run has levels"),
        (edited("1", lambda each: each.update(status="failed")), "a failed run says where and why"),
        (edited("1", lambda each: each.update(case="a\nb")), "case has a value that cannot be"),
        (edited("1", lambda each: each.pop("node")), "missing or unknown keys: node"),
        (edited("1", lambda each: each["levels"][1].update(id="c1")), "two levels have one id"),
        (edited("1", lambda each: each["levels"][0].update(end_ns=5)), "and the load ends after it begins"),
        (edited("1", lambda each: each["levels"][0]["client"].pop("wall_s")), "c1: client: wall_s is missing"),
        (edited("1", lambda each: each["levels"][0].update(begin_ns=1)), "serving-api-100.jsonl: no window around"),
        (edited("1", lambda each: each["levels"].append(3)), "levels: must be a list of objects"),
        (no_trace("api"), "an ok run has a trace of the API server"),
        (no_trace("engine"), "an ok run has a trace of the API server"),
        (other_client, "client.jsonl:2: anatomy.json has no level c3"),
        (lost_client, "client.jsonl: 0 requests at c1, anatomy.json says 1"),
        (lambda place: (place / "1" / CLIENT_FILE).unlink(), "client.jsonl: cannot be read"),
        (lambda place: (place / "1" / FILE).write_text("[]"), "anatomy.json: not a JSON object"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_one_line(tmp_path: Path, damage: Callable[[Path], None], said: str) -> None:
    write_run(tmp_path / "1", SMALL)
    damage(tmp_path)
    with pytest.raises(AnatomyRunError) as error:
        read_anatomy_run(tmp_path / "1")
    assert said in str(error.value)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("folder", sorted(EXAMPLES.glob("schema_*")), ids=lambda path: path.name)
def test_the_example_run_of_every_version_is_read_for_ever(folder: Path) -> None:
    run = read_anatomy_run(folder)
    assert [(level.id, len(run.clients_of(level))) for level in run.facts.levels] == [("c1", 1), ("c2", 2)]
    assert [trace.role for trace in run.traces] == ["api", "engine", "worker"]
    assert all(trace.windows["c2"].spans for trace in run.traces)
