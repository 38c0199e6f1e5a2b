"""``run_figure.sh 10 --parallel``: two real processes of the harness, each on one GPU of a driver that is not there."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.record.agreement import disagreements
from harness.record.slot import read_slot
from harness.spec.figure import load_figure
from harness.workspace import Workspace
from tests.checkout import Checkout, Done, add_fake_engine, make_checkout
from tests.measure.fake_engine import FakeEngine
from tests.nvml import Nvml, gpu, mig, uuid_of
from tests.processes import all_ended, is_gone

PAIR = ("10", "--engine", "fake", "--parallel")
SLOTS = ("gpu0", "gpu1")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> FakeEngine:
    """A fake engine that wants a GPU, and figure 10 with one model that is only a configuration."""
    fake = add_fake_engine(make_checkout(tmp_path_factory.mktemp("pair")))
    pin = fake.root / "patches" / "fake" / "pin.yaml"
    pin.write_text(yaml.safe_dump(yaml.safe_load(pin.read_text()) | {"device": "cuda"}))
    folder = fake.workspace.figure("10")
    figure = load_figure("10", Workspace(fake.root)).model_dump(mode="json")
    figure |= {"models": ["tiny"], "iterations": 2, "timeout_s": 20.0, "parameters_on": {}, "parameters_of": {}}
    figure |= {"smoke": {"iterations": 1, "models": ["tiny"]}}
    (folder / "figure.yaml").write_text(yaml.safe_dump(figure, sort_keys=False))
    (folder / "plot.py").write_text("from pathlib import Path\n\nPath(__file__).with_name('drawn').touch()\n")
    return fake


@pytest.fixture
def fake(installed: FakeEngine, nvml: Nvml) -> FakeEngine:
    """Nothing is measured yet, and there are two GPUs."""
    folder = installed.workspace.figure("10")
    for path in (installed.workspace.runs, installed.workspace.caches, *(folder / slot for slot in SLOTS)):
        shutil.rmtree(path, ignore_errors=True)
    (folder / "drawn").unlink(missing_ok=True)
    (installed.engine.site_packages / "journal.jsonl").unlink(missing_ok=True)
    installed.behave("ok")
    nvml.add(gpu(0), gpu(1, name="NVIDIA L40S"))
    return installed


def run(fake: FakeEngine, nvml: Nvml, *arguments: str, **variables: str) -> Done:
    return Checkout(fake.root).figure(*arguments, **nvml.environment, **variables)


def slot(fake: FakeEngine, name: str) -> Path:
    return fake.workspace.figure("10") / name


def records(fake: FakeEngine) -> dict[str, list[dict[str, Any]]]:
    """UUID of the GPU → its runs, oldest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in fake.workspace.runs.glob("*/cold_start/*/*/run.json"):
        run = json.loads(path.read_text())
        found.setdefault(",".join(run["node"]["gpu_uuids"]), []).append(run)
    return {uuid: sorted(runs, key=lambda run: str(run["started_at"])) for uuid, runs in found.items()}


def marks(runs: list[dict[str, Any]]) -> list[str]:
    """What each run says of the other slot."""
    return [mark for run in runs for mark in run["noise"]["marks"] if mark.startswith("parallel: ")]


def test_both_slots_are_measured_at_once_each_on_its_gpu_and_say_so(fake: FakeEngine, nvml: Nvml) -> None:
    done = run(fake, nvml, *PAIR)
    assert done.code == 0, done.err
    assert f"slot gpu0 on NVIDIA H200 ({uuid_of(0)})" in done.err
    assert f"slot gpu1 on NVIDIA L40S ({uuid_of(1)})" in done.err
    found = records(fake)
    assert sorted(found) == [uuid_of(0), uuid_of(1)]
    for number, other in enumerate(reversed(SLOTS)):
        runs = found[uuid_of(number)]
        assert [run["run"] for run in runs] == ["warmup-0", "1", "2"]
        assert all(run["case"]["parallel"] is True for run in runs)
        assert marks(runs) == [f"parallel: began at once with a start of {other}, on another GPU of this machine"] * 3
    chosen = [start["environ"]["CUDA_VISIBLE_DEVICES"] for start in fake.starts()]
    assert sorted(chosen) == ["0"] * 3 + ["1"] * 3
    caches = {
        (start["environ"]["CUDA_VISIBLE_DEVICES"], start["environ"]["VLLM_CACHE_ROOT"]) for start in fake.starts()
    }
    assert len({cache for _, cache in caches}) == len(caches) == 2
    assert (fake.workspace.figure("10") / "drawn").exists()
    manifests = [read_slot(slot(fake, name)).manifest for name in SLOTS]
    assert [each["node"]["gpus"] for each in manifests] == [["NVIDIA H200"], ["NVIDIA L40S"]]
    assert disagreements(manifests, "gpu") == []
    assert manifests[0]["cases"][0]["parameters"]["parallel"] == "measured at once on one machine"
    again = run(fake, nvml, *PAIR)
    assert again.code == 0, again.err
    assert len(fake.starts()) == 6


def test_runs_made_at_once_are_never_taken_for_runs_made_alone(fake: FakeEngine, nvml: Nvml) -> None:
    assert run(fake, nvml, *PAIR, "--smoke").code == 0
    planned = run(fake, nvml, "10", "0", "--engine", "fake", "--smoke", "--dry-run", "--json", CUDA_VISIBLE_DEVICES="0")
    assert json.loads(planned.out.splitlines()[-1])["cases"] != []
    done = run(fake, nvml, "10", "0", "--engine", "fake", "--smoke", CUDA_VISIBLE_DEVICES="0")
    assert done.code == 0, done.err
    runs = records(fake)[uuid_of(0)]
    assert [run["case"].get("parallel") for run in runs] == [True, True, None, None]
    lines = disagreements([read_slot(slot(fake, name)).manifest for name in SLOTS], "gpu")
    assert "values of parallel of tiny differ: gpu0 has none, gpu1 has measured at once on one machine" in lines


def test_one_that_fails_is_told_and_the_other_one_is_complete(fake: FakeEngine, nvml: Nvml) -> None:
    fake.behave("crash", "ok")  # whichever start is the first
    done = run(fake, nvml, *PAIR)
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith(
        ("error: gpu0: run s1/warmup-0 of tiny", "error: gpu1: run s1/warmup-0")
    )
    failed = done.err.splitlines()[-1].split()[1].rstrip(":")
    whole = next(name for name in SLOTS if name != failed)
    runs = records(fake)[uuid_of(SLOTS.index(whole))]
    assert [run["status"] for run in runs] == ["ok"] * 3
    assert marks(runs)[1:] == [f"parallel: {failed} had no start left, so that this one ran alone"] * 2
    assert {row.phase for row in read_slot(slot(fake, whole)).rows} != set()
    assert (fake.workspace.figure("10") / "drawn").exists()


def test_a_slot_of_another_machine_stops_its_own_half_only(fake: FakeEngine, nvml: Nvml) -> None:
    assert run(fake, nvml, *PAIR, "--smoke").code == 0
    path = slot(fake, "gpu1") / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["node"]["id"] = "node-of-a-colleague"
    path.write_text(json.dumps(manifest))
    done = run(fake, nvml, *PAIR)
    assert done.code == 2
    assert "error: gpu1: " in done.err.splitlines()[-1]
    assert len(records(fake)[uuid_of(0)]) == 3
    assert json.loads(path.read_text()) == manifest


@pytest.fixture
def hanging(fake: FakeEngine, nvml: Nvml) -> Iterator[subprocess.Popen[str]]:
    """A supervisor whose members both have an engine that hangs."""
    fake.behave("hang")
    environment = Checkout(fake.root).environment(**nvml.environment)
    command = ["bash", "run_figure.sh", *PAIR]
    process = subprocess.Popen(command, cwd=fake.root, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 40
    while len(fake.journal("hanging")) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def everybody(fake: FakeEngine) -> list[int]:
    """The engines' processes and the members."""
    members = json.loads((fake.root / ".harness.lock.json").read_text())["members"]
    assert len(members) == 2
    return [*members, *(entry["pid"] for entry in fake.journal("hanging"))]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_stops_it_ends_both_halves_and_their_engines(
    fake: FakeEngine, hanging: subprocess.Popen[str], number: signal.Signals
) -> None:
    pids = everybody(fake)
    os.kill(hanging.pid, number)
    _, err = hanging.communicate(timeout=30)
    assert hanging.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("stopped; everything measured so far is stored")
    assert all(map(is_gone, pids))
    assert not (fake.root / ".harness.lock.json").exists()


def test_nothing_else_measures_meanwhile_and_a_killed_one_leaves_nothing_running(
    fake: FakeEngine, nvml: Nvml, hanging: subprocess.Popen[str]
) -> None:
    other = run(fake, nvml, "10", "0", "--engine", "fake")
    assert other.code == 2
    assert "another measurement is running" in other.err
    assert "figure 10, both slots at once" in other.err
    pids = everybody(fake)
    hanging.kill()
    hanging.wait()
    fake.behave("ok")
    done = run(fake, nvml, *PAIR, "--smoke")  # waits for what the killed one's engines take to end
    assert done.code == 0, done.err
    assert all_ended(pids, within_s=5)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("10", "0"), "--parallel measures both slots; leave out 0, or --parallel"),
        (("11",), "--parallel is for figure 10, which compares two GPUs, not for 11; leave it out"),
        (("rest",), "--parallel is for figure 10, which compares two GPUs, not for rest; leave it out"),
        (("10", "--budget", "5"), "--parallel measures every start of both slots; leave out --budget"),
        (("10", "--storage", "ssd"), "--parallel keeps weights in memory, .* leave out --storage and --drop-caches"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    fake: FakeEngine, nvml: Nvml, arguments: tuple[str, ...], line: str
) -> None:
    done = run(fake, nvml, *arguments, "--engine", "fake", HARNESS_PARALLEL="1")
    assert done.code == 2
    assert re.fullmatch(line, done.error)
    assert fake.starts() == []


@pytest.mark.parametrize(("visible", "here"), [("1", "is one"), ("", "are none")])
def test_fewer_than_two_gpus_are_one_line(fake: FakeEngine, nvml: Nvml, visible: str, here: str) -> None:
    done = run(fake, nvml, *PAIR, CUDA_VISIBLE_DEVICES=visible)
    assert done.code == 2
    assert f"--parallel needs two GPUs that a start may use, here {here}" in done.error


@pytest.mark.parametrize(
    ("visible", "line"),
    [
        (
            "MIG-a,MIG-b",
            rf"--parallel needs two GPUs; MIG-a and MIG-b are of one, {uuid_of(0)}: .*CUDA_VISIBLE_DEVICES",
        ),
        ("0,MIG-b", rf"--parallel needs two GPUs; {uuid_of(0)} and MIG-b are of one, .*"),
        ("1,MIG-c", rf"--parallel needs two GPUs; the driver does not tell which GPUs {uuid_of(1)} and MIG-c are .*"),
    ],
)
def test_parts_of_one_gpu_are_not_two_gpus(fake: FakeEngine, nvml: Nvml, visible: str, line: str) -> None:
    nvml.add(mig(0, 0, "MIG-a"), mig(0, 1, "MIG-b"))
    done = run(fake, nvml, *PAIR, CUDA_VISIBLE_DEVICES=visible)
    assert done.code == 2
    assert re.fullmatch(line, done.error)
    assert fake.starts() == []


def test_a_dry_run_says_which_gpu_goes_to_which_slot_and_starts_nothing(fake: FakeEngine, nvml: Nvml) -> None:
    done = run(fake, nvml, *PAIR, "--dry-run", "--json", CUDA_VISIBLE_DEVICES="1,0")
    assert done.code == 0, done.err
    document = json.loads(done.out.splitlines()[-1])
    assert [case["figures"] for case in document["cases"]] == [["10 gpu0"], ["10 gpu1"]]
    assert f"figure 10: slot gpu0 on NVIDIA L40S ({uuid_of(1)})" in document["notes"]
    assert fake.starts() == []


def test_with_two_gpus_a_call_for_one_slot_says_which_gpu_it_takes_and_how_to_have_both(
    fake: FakeEngine, nvml: Nvml
) -> None:
    done = run(fake, nvml, "10", "--engine", "fake", "--dry-run")
    assert done.code == 0, done.err
    assert f"figure 10: slot gpu0 is the first of 2 visible GPUs, NVIDIA H200 ({uuid_of(0)})" in done.out + done.err
    assert f"CUDA_VISIBLE_DEVICES={uuid_of(1)} bash run_figure.sh 10 1" in done.out + done.err
