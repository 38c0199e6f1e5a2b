"""``python3 harness doctor``: what is told of a machine, and that looking changes nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.commands.doctor import run_doctor
from harness.doctor import place
from harness.doctor.figures import _other_slot
from harness.doctor.gpu import look_at_gpus
from harness.doctor.needs import Look
from harness.record.slot import MANIFEST
from harness.spec.figure import figure_numbers, load_figure
from harness.spec.pin import DEFAULT_CPU_PIN
from harness.state import limits, quiet
from harness.state.filesystem import FileSystem
from harness.state.limits import Memory
from harness.state.machine import this_node
from harness.workspace import ROOT, Workspace
from tests.doctor.conftest import Told

Ask = Callable[..., Told]
GIB = 1 << 30

# Ends the process at the first thing that is more than looking. Arguments: what to import from, the checkout.
ONLY_LOOK = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from harness.commands.doctor import run_doctor
from harness.workspace import Workspace
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
ACTS = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn", "socket.connect",
        "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "shutil.rmtree")
def watch(event, arguments):
    if event in ACTS or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES):
        print("did", event, arguments, file=sys.stderr)
        os._exit(77)
sys.dont_write_bytecode = True
sys.addaudithook(watch)
code = run_doctor(True, None, Workspace(Path(sys.argv[2])))
assert not {"torch", "vllm", "matplotlib"} & sys.modules.keys()
os._exit(code)
"""


def test_a_fresh_clone_can_give_figure_2_by_its_command(ask: Ask) -> None:
    told = ask()
    assert (told.code, told.ok) == (0, True)
    assert told.figures["2"]["status"] == "missing"
    assert told.fix() == "bash run_figure.sh 2"
    assert told.figures["2"]["minutes"] > 0
    assert told.checks[f"engine {DEFAULT_CPU_PIN}"]["fix"] == f"python3 harness engines install --pin {DEFAULT_CPU_PIN}"
    assert told.checks["model llama3-3b"]["fix"] == "python3 download_models.py --synthetic llama3-3b"


def test_programs_find_the_keys_that_were_promised(ask: Ask) -> None:
    told = ask()
    assert all(set(check) == {"name", "status", "found", "needed", "fix"} for check in told.checks.values())
    assert all(set(each) == {"figure", "status", "why", "fix", "minutes"} for each in told.figures.values())
    statuses = {each["status"] for each in (*told.checks.values(), *told.figures.values())}
    assert statuses <= {"ok", "warn", "missing", "cannot"}
    assert told.figures.keys() == set(figure_numbers(Workspace()))


def test_every_lack_has_one_command_or_cannot_be_mended_here(ask: Ask) -> None:
    told = ask()
    for each in (*told.checks.values(), *told.figures.values()):
        if each["status"] == "missing":
            assert each["fix"]
            assert "\n" not in each["fix"]
        if each["status"] in ("ok", "cannot"):
            assert each["fix"] is None
    assert all(each["why"] for each in told.figures.values() if each["status"] != "ok")


def test_what_the_cpu_engine_lacks_is_said_of_the_figures_that_show_it(ask: Ask) -> None:
    told = ask()
    assert {name for name, each in told.figures.items() if each["status"] == "cannot"} == {"6", "8", "9", "10", "15"}
    assert "no CUDA graphs" in told.figures["8"]["why"]
    assert told.figures["8"]["minutes"] is None
    assert told.checks["gpu"]["status"] == "cannot"


def test_it_only_looks(workspace: Workspace) -> None:
    before = sorted(workspace.root.rglob("*"))
    command = [sys.executable, "-c", ONLY_LOOK, str(ROOT), str(workspace.root)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=workspace.root)
    assert done.returncode in (0, 1), done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["checks"]
    assert sorted(workspace.root.rglob("*")) == before


@pytest.mark.parametrize("width", [60, 80, 200])
def test_text_fits_the_terminal_and_commands_are_never_broken(
    workspace: Workspace, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    run_doctor(False, None, workspace)
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line.rstrip()) for line in lines if "→" not in line) <= width
    assert any(line.strip() == f"→ python3 harness engines install --pin {DEFAULT_CPU_PIN}" for line in lines)
    assert lines[-1] == "figure 2 can be measured here: bash run_figure.sh 2"


@pytest.mark.parametrize(("tool", "package"), [("g++", "g++"), ("git", "git")])
def test_without_a_tool_its_package_comes_first(
    ask: Ask, tmp_path: Path, tool: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "path"
    path.mkdir()
    for name in {"g++", "git", "apt-get"} - {tool}:
        (path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(path))
    told = ask()
    assert (told.code, told.ok) == (1, False)
    assert told.checks[tool]["status"] == "missing"
    assert told.checks[tool]["fix"].endswith(f"apt-get install -y {package}")
    assert told.fix() == told.checks[tool]["fix"]
    assert told.text.splitlines()[-1].endswith(f"first: {told.fix()}")


def test_where_no_package_manager_is_known_it_says_that_this_machine_cannot(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    told = ask()
    assert (told.checks["g++"]["status"], told.checks["g++"]["fix"]) == ("cannot", None)
    assert (told.code, told.figures["2"]["status"]) == (1, "cannot")


def test_a_container_of_four_gib_and_one_core_is_named(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "memory", lambda: Memory(int(3.8 * GIB), 4 * GIB))
    monkeypatch.setattr(limits, "cores", lambda: 1.0)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    told = ask()
    assert (told.checks["memory"]["status"], told.checks["cores"]["status"]) == ("warn", "warn")
    assert "limit 4.0 GiB" in told.checks["memory"]["found"]
    assert told.checks["cores"]["found"] == "1 of 16"
    assert told.ok  # it may just fit


def test_where_an_engine_cannot_fit_into_memory_no_figure_can_be_had(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "memory", lambda: Memory(2 * GIB, None))
    told = ask()
    assert (told.code, told.checks["memory"]["status"], told.fix()) == (1, "cannot", None)
    assert "memory: 2.0 GiB available" in told.figures["2"]["why"]


def test_too_small_a_disk_names_what_can_be_removed(
    ask: Ask, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 2 * 10**9})
    monkeypatch.setattr("harness.doctor.needs.shutil.disk_usage", lambda _: usage)
    assert ask().checks["disk"]["status"] == "cannot"
    (workspace.engines / "vllm-0.31.0-cpu").mkdir(parents=True)
    told = ask()
    assert told.checks["disk"]["fix"] == "python3 harness engines remove --releases"
    assert told.fix() == told.checks["disk"]["fix"]


def test_a_checkout_that_cannot_be_written_is_to_be_copied_to_where_one_can(
    ask: Ask, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "_writable_folder", lambda folder: folder != workspace.root)
    monkeypatch.setattr(place, "filesystem_of", lambda _: FileSystem("ext4", "8:1"))
    monkeypatch.setenv("HOME", "/home/somebody")
    told = ask()
    assert told.checks["checkout"]["status"] == "missing"
    name = workspace.root.name
    assert told.fix() == f"cp -r {workspace.root} /home/somebody/{name}-copy && cd /home/somebody/{name}-copy"
    assert told.code == 1
    monkeypatch.setattr(place, "_writable_folder", lambda _: False)
    assert ask().checks["checkout"]["status"] == "cannot"


def test_on_a_disk_of_a_server_nothing_can_be_proved_and_in_memory_nothing_be_evicted(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "filesystem_of", lambda _: FileSystem("nfs4", "0:50"))
    told = ask()
    assert (told.checks["storage"]["status"], told.ok) == ("cannot", False)
    monkeypatch.setattr(place, "filesystem_of", lambda _: FileSystem("tmpfs", "0:50"))
    told = ask()
    assert (told.checks["storage"]["status"], told.ok) == ("warn", True)
    assert told.figures["ladder"]["status"] == "cannot"
    assert told.figures["13"]["status"] == "cannot"
    assert told.figures["3"]["status"] == "missing"


def test_noise_is_told_with_what_waits_for_its_end(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = quiet.Noise(("cpu: 90% of the cores busy before the start, limit 10%",), {})
    monkeypatch.setattr(quiet, "look_around", lambda *_, **__: busy)
    told = ask()
    assert told.checks["quiet"]["status"] == "warn"
    assert told.checks["quiet"]["fix"] == "bash run_figure.sh 2 --quiet-wait 600"
    assert told.ok


def test_another_machines_slot_is_in_the_way(ask: Ask, workspace: Workspace) -> None:
    slot = workspace.figure("2") / "node0"
    slot.mkdir()
    (slot / MANIFEST).write_text("{}")
    told = ask()
    assert told.fix() == "mv figures/figure-2/node0 figure-2-node0"
    assert not told.ok


def test_a_damaged_run_is_told_and_looked_past(ask: Ask, workspace: Workspace) -> None:
    run = workspace.runs / str(this_node(workspace.root)["id"]) / "cold_start" / "case-00000000" / "1"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{")
    told = ask()
    assert told.checks["store"]["status"] == "warn"
    assert told.checks["store"]["fix"] == f"mv {run.relative_to(workspace.root)} damaged-case-00000000-1"
    assert told.ok
    subprocess.run(told.checks["store"]["fix"], shell=True, check=True, cwd=workspace.root)
    assert ask().checks["store"]["status"] == "ok"


def test_a_second_core_set_is_a_second_node(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    figure, look = load_figure("11", Workspace()), Look(Workspace(), look_at_gpus())
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    two = _other_slot(figure, look)
    assert two is not None
    assert two.fix == "taskset -c 0-1 bash run_figure.sh 11 1"
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    one = _other_slot(figure, look)
    assert one is not None
    assert (one.status, one.fix) == ("cannot", None)
    assert "another CPU" in ask().figures["11"]["why"]


def test_a_figure_whose_two_slots_are_states_of_this_machine_is_measured_twice(ask: Ask) -> None:
    assert ask().fix("13") == "bash run_figure.sh 13 0 && bash run_figure.sh 13 1"


def test_a_typed_engine_is_judged_instead_of_this_machines(ask: Ask) -> None:
    told = ask("vllm-0.31.0-cpu")
    assert "engine vllm-0.31.0-cpu" in told.checks
    assert told.figures["2"]["status"] == "cannot"
