import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.cli import app
from harness.door import run_app
from harness.errors import HarnessError
from harness.record.run import Run
from harness.trace_command import trace
from harness.workspace import Workspace
from tests.analyse.span_files import importing, span, write_process
from tests.measure.fake_engine import FakeEngine, make_fake_engine
from tests.show.trace_event_format import check
from tests.synthetic_run import make_run

S = 1_000_000_000


def store_run(root: Path, run: Run, case: str = "tiny-00000000", spans: bool = True) -> Path:
    """A run of 3 s in the store: the main process imports, then waits for the worker, which loads."""
    folder = Workspace(root).runs / "node-1" / "cold_start" / case / run.run
    (folder / "spans").mkdir(parents=True)
    run.write(folder)
    if spans:
        main = [
            importing("torch", S + 10, 2 * S),
            span("wait", 2 * S, 4 * S if run.status == "ok" else None, "wait", waits_for=[8]),
            span("tracer disarmed", 4 * S, 4 * S, "note", self_ns=5, events=2),
        ]
        load = span("load", 2 * S + 10, 3 * S if run.status == "ok" else None, phase="load_weights")
        write_process(folder / "spans", 7, "main", S, S + 10, main[: 3 if run.status == "ok" else 2])
        write_process(folder / "spans", 8, "worker", 2 * S, 2 * S + 10, [load], parent=7)
    return folder


def run_cli(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of ``python3 harness trace ARGUMENTS``."""
    with pytest.raises(SystemExit) as ended:
        run_app(app, "python3 harness", ["trace", *arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a call that is refused, which is also its JSON document."""
    code, out, err = run_cli(capsys, *arguments, "--json")
    assert code == 2
    assert json.loads(out.splitlines()[-1]) == {"error": err.removeprefix("error: ").rstrip("\n")}
    assert err.count("\n") == 1
    return err


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


def test_samples_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    folder = store_run(tmp_path, make_run("1"))
    (folder / "gpu.csv").write_text("time_s,gpu,quantity,value\nsoon,0,power_w,70.0\n")
    with pytest.raises(HarnessError, match=r"gpu.csv:2: time_s must be a number .* move the table away"):
        trace("tiny/1", tmp_path / "out.json", None, False, Workspace(tmp_path))


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
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
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
    code, out, _ = run_cli(capsys, str(folder), "--perfetto", str(tmp_path / "out.json"), "--json")
    document = json.loads(out.splitlines()[-1])
    assert (code, document["first_token_s"]) == (0, 0.1)
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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--perfetto", "missing/out.json"), "missing/out.json: there is no folder missing; make it, or name another"),
        (("--flame", "."), ".: is a folder; name a file in it"),
        (("--flame", "a", "--perfetto", "./a"), "--perfetto and --flame name the same file; name two"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_run_is_read(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in failure(capsys, "nothing", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, Path(os.devnull)):
        assert f"{path}: is not a regular file; name another" in failure(capsys, "nothing", "--flame", str(path))
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_link_stays_a_link_and_what_it_points_to_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store_run(tmp_path, make_run("1"))
    (tmp_path / "link.svg").symlink_to("target.svg")
    (tmp_path / "stray.svg").symlink_to("missing/target.svg")
    trace("tiny/1", None, tmp_path / "link.svg", False, Workspace(tmp_path))
    assert (tmp_path / "link.svg").is_symlink()
    assert (tmp_path / "target.svg").read_text().endswith("</svg>\n")
    capsys.readouterr()
    assert f"there is no folder {tmp_path / 'missing'}" in failure(capsys, "x", "--flame", str(tmp_path / "stray.svg"))


def test_a_start_without_a_pin_is_called_unpinned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store_run(tmp_path, make_run("1", engine={"pin": None, "version": None}))
    trace("tiny/1", None, None, False, Workspace(tmp_path))
    out = capsys.readouterr().out
    assert "vLLM of unknown version (unpinned)" in out
    assert "None" not in out


def test_a_case_an_unfinished_run_and_a_run_json_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = store_run(tmp_path, make_run("1"))
    folder.with_name(".2.partial").mkdir()
    make_run("2").write(folder.with_name(".2.partial"))
    assert "tiny-00000000: is a case; name one of its runs: 1\n" in failure(capsys, str(folder.parent))
    assert ".2.partial: was never finished; name a whole run" in failure(capsys, str(folder.with_name(".2.partial")))
    trace(str(folder / "run.json"), None, None, True, Workspace(tmp_path))
    assert json.loads(capsys.readouterr().out)["run_id"] == "s1/1"


def test_the_store_is_never_written_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store_run(tmp_path, make_run("1"))
    before = (folder / "run.json").read_bytes()
    with pytest.raises(Exception, match="lies in the run store"):
        trace("tiny/1", folder / "run.json", None, False, Workspace(tmp_path))
    assert (folder / "run.json").read_bytes() == before
    assert capsys.readouterr().out == ""


def no_spans(folder: Path) -> None:
    for path in folder.glob("spans/*"):
        path.unlink()


def no_main(folder: Path) -> None:
    (folder / "spans" / "main-7.jsonl").unlink()


def no_header(folder: Path) -> None:
    (folder / "spans" / "worker-8.jsonl").write_text("{}\n")


def endless(folder: Path) -> None:
    with (folder / "spans" / "worker-8.jsonl").open("r+b") as file:
        file.truncate(1 << 40)


def bad_record(folder: Path) -> None:
    (folder / "run.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (no_spans, "spans: no spans here: the run was not traced, or not copied whole"),
        (no_main, "cannot be traced: no spans of the main process (pid 7)"),
        (no_header, "worker-8.jsonl:1: no span file header"),
        (endless, "2 span files of 1099511628"),
        (bad_record, "run.json: not readable"),
    ],
)
def test_spans_that_are_missing_damaged_or_endless_are_one_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Any, said: str
) -> None:
    folder = store_run(tmp_path, make_run("1"))
    damage(folder)
    code, _, err = run_cli(capsys, str(folder), "--perfetto", str(tmp_path / "out.json"))
    assert code == 2
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out.json").exists()


def test_an_unknown_run_is_one_line_that_says_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no case 'nothing-like-it' in the store" in failure(capsys, "nothing-like-it/1")
    assert "give CASE/RUN (such as nothing-like-it/1) or a run's folder" in failure(capsys, "nothing-like-it")


def test_a_full_disk_leaves_no_file_and_names_the_one_that_was_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    folder = store_run(tmp_path, make_run("1"))
    monkeypatch.setattr("harness.record.atomic.os.fsync", full)
    line = failure(capsys, str(folder), "--flame", str(tmp_path / "out.svg"))
    assert line == f"error: {tmp_path / 'out.svg'}: cannot be written (No space left on device); name another place\n"
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_drawing_is_loaded_only_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_run(tmp_path, make_run("1"))
    monkeypatch.delitem(sys.modules, "harness.show.flame", raising=False)
    trace("tiny/1", tmp_path / "out.json", None, False, Workspace(tmp_path))
    assert "harness.show.flame" not in sys.modules
