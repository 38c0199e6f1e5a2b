"""``python3 harness trace``: what is written, told and drawn of a stored run."""

import json
import sys
from pathlib import Path

import pytest

from harness.commands.trace import trace
from harness.workspace import Workspace
from tests.analyse.span_files import span, write_process
from tests.checkout import Call
from tests.measure.fake_engine import FakeEngine, make_fake_engine
from tests.show.trace_event_format import check
from tests.synthetic_run import make_run
from tests.traced_run import S, store_run


def test_both_files_are_written_and_told_about_in_one_json_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store_run(tmp_path, make_run("1"))
    perfetto, flame = tmp_path / "out.json", tmp_path / "out.svg"
    trace("tiny/1", perfetto, flame, True, Workspace(tmp_path))
    captured = capsys.readouterr()
    (line,) = captured.out.splitlines()
    told = json.loads(line)
    events = check(json.loads(perfetto.read_text()))
    assert told["events"] == len(events)
    assert (told["run_id"], told["ready_s"]) == ("s1/1", 3.0)
    assert (told["perfetto"], told["flame"]) == (str(perfetto), str(flame))
    main, worker = told["processes"]
    assert main == {"role": "main", "pid": 7, "start_s": 0, "spans": 2, "ended": "ready", "ended_s": 3}
    assert (worker["start_s"], worker["ended"], worker["ended_s"]) == (1, "last event", 2)
    for text in ("tiny, a structural twin with random weights", "vLLM 1.2.3 (fake); run s1/1 (measured)", "3.00 s in"):
        assert text in flame.read_text()
    assert f"{perfetto} (0.0 MB): {len(events)} events; open it at https://ui.perfetto.dev" in captured.err
    assert str(flame) in captured.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "out.svg", "runs"]


def test_what_was_sampled_is_counters_in_the_trace(tmp_path: Path) -> None:
    folder = store_run(tmp_path, make_run("1", gpus=[{"name": "NVIDIA H200", "uuid": "GPU-0", "not_told": {}}]))
    (folder / "cores.csv").write_text("time_s,core,percent\n0.1,0,50.0\n0.2,0,100.0\n")
    (folder / "gpu.csv").write_text("time_s,gpu,quantity,value\n0.1,0,power_w,70.0\n")
    trace("tiny/1", tmp_path / "out.json", None, True, Workspace(tmp_path))
    events = check(json.loads((tmp_path / "out.json").read_text()))
    assert {event["name"] for event in events if event["ph"] == "C"} == {"busy threads", "power (W)"}
    assert "GPU 0 NVIDIA H200" in {event["args"].get("name") for event in events}


def test_without_a_file_the_processes_and_the_longest_leaves_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store_run(tmp_path, make_run("1"))
    trace("tiny/1", None, None, False, Workspace(tmp_path))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["main", "7", "0.00", "2", "3.00", "ready"] in rows
    assert ["worker", "8", "1.00", "1", "2.00", "last", "event"] in rows
    leaves = [row[0] for row in rows if len(row) == 3 and row[2] in ("33.3",)]
    assert sorted(leaves) == ["imports:main", "load_weights", "unattributed"]


def test_what_a_phase_consists_of_and_the_first_token_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], typed: Call
) -> None:
    folder = store_run(tmp_path, make_run("1"))
    parts = {"copy cpu to cuda": {"calls": 4, "ns": S // 2, "bytes": 2_000_000}}
    load = span("load", 2 * S + 10, 3 * S, phase="load_weights", parts=parts)
    write_process(folder / "spans", 8, "worker", 2 * S, 2 * S + 10, [load], parent=7)
    trace("tiny/1", None, None, False, Workspace(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines]
    assert ["load_weights:", "copy", "cpu", "to", "cuda", "0.500", "4", "2.0"] in rows
    assert ["load_weights:", "other", "0.500"] in rows
    assert any("ready after 3.00 s, first token 0.10 s later" in line for line in lines)
    done = typed("trace", folder, "--perfetto", tmp_path / "out.json", "--json")
    document = json.loads(done.out.splitlines()[-1])
    assert (done.code, document["first_token_s"]) == (0, 0.1)
    told = [(part["phase"], part["part"], part["calls"], part["bytes"]) for part in document["parts"]]
    assert told == [("load_weights", "copy cpu to cuda", 4, 2_000_000), ("load_weights", "other", None, None)]
    check(json.loads((tmp_path / "out.json").read_text()))


def test_a_run_that_hung_is_traced_until_its_processes_were_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run("1", status="timeout", wall_s=60.0, failed_in="load_weights")
    folder = store_run(tmp_path, run)
    out, flame = tmp_path / "out.json", tmp_path / "out.svg"
    trace(str(folder), out, flame, True, Workspace(tmp_path))
    captured = capsys.readouterr()
    assert "run s1/1 (measured), started 2026-11-20T12:00:00.000+00:00 never was ready" in captured.err
    assert json.loads(captured.out)["ready_s"] is None
    (load,) = (e for e in check(json.loads(out.read_text())) if e["name"] == "load")
    assert load["ts"] + load["dur"] == 60_000_000
    assert load["args"]["open"]
    assert "timeout: it broke." in flame.read_text()


def test_a_run_of_schema_1_is_traced_from_the_start_of_its_main_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store_run(tmp_path, make_run("1", window=None))
    out = tmp_path / "out.json"
    trace("tiny/1", out, None, True, Workspace(tmp_path))
    (ready,) = (e for e in check(json.loads(out.read_text())) if e["name"] == "ready")
    assert ready["ts"] == 3_000_000
    assert json.loads(capsys.readouterr().out)["flame"] is None


@pytest.mark.parametrize("mode", ["ok", "crash"])
def test_a_real_start_gives_a_valid_trace_and_a_drawing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    fake: FakeEngine = make_fake_engine(tmp_path)
    fake.behave(mode)
    run = fake.start()
    out, flame = tmp_path / "out.json", tmp_path / "out.svg"
    trace(str(fake.folder(run)), out, flame, True, fake.workspace)
    told = json.loads(capsys.readouterr().out)
    events = check(json.loads(out.read_text()))
    assert told["ready_s"] == run.ready_s
    assert {facts["role"] for facts in told["processes"]} >= {"main"}
    leaves: dict[str, int] = {}
    for event in events:
        if event.get("cat") == "phase":
            leaves[event["name"]] = leaves.get(event["name"], 0) + event["dur"]
    if mode == "ok":
        assert leaves == pytest.approx({leaf: s * 1e6 for leaf, s in run.phases.items()}, abs=100)
    else:
        assert any(e["args"].get("raised") == "ValueError" for e in events)
    assert flame.read_text().endswith("</svg>\n")


def test_a_start_without_a_pin_is_called_unpinned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store_run(tmp_path, make_run("1", engine={"pin": None, "version": None}))
    trace("tiny/1", None, None, False, Workspace(tmp_path))
    out = capsys.readouterr().out
    assert "vLLM of unknown version (unpinned)" in out
    assert "None" not in out


def test_drawing_is_loaded_only_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_run(tmp_path, make_run("1"))
    monkeypatch.delitem(sys.modules, "harness.show.flame", raising=False)
    trace("tiny/1", tmp_path / "out.json", None, False, Workspace(tmp_path))
    assert "harness.show.flame" not in sys.modules
