"""``run_figure.sh 2`` with the fake engine, from nothing to the slot: what is measured, told, kept and left behind.

Over 300 lines: one call of the same command per claim, over the same fake engine.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.checkout import Checkout, Done, add_fake_engine, forget_runs, make_checkout
from tests.measure.fake_engine import FakeEngine
from tests.processes import is_gone

FAKE = ("2", "--engine", "fake")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> FakeEngine:
    """A fake engine in a checkout that the calls which measure share one after the other."""
    return add_fake_engine(make_checkout(tmp_path_factory.mktemp("measured")))


@pytest.fixture
def fake(installed: FakeEngine) -> FakeEngine:
    """The fake engine, with nothing measured yet."""
    forget_runs(installed)
    return installed


def figure(fake: FakeEngine, *arguments: str) -> Done:
    return Checkout(fake.root).figure(*FAKE, *arguments)


def slot(fake: FakeEngine) -> Path:
    return fake.workspace.figure("2") / "node0"


def runs(fake: FakeEngine) -> list[str]:
    """``model/run`` of every record."""
    folders = [path.parent for path in fake.workspace.runs.glob("*/cold_start/*/*/run.json")]
    return sorted(f"{folder.parent.name.partition('_')[0]}/{folder.name}" for folder in folders)


def test_from_nothing_to_the_figure_and_again_without_a_start(tmp_path: Path) -> None:
    fake = add_fake_engine(make_checkout(tmp_path), plot=True)
    done = figure(fake)
    assert done.code == 0, done.err
    assert runs(fake) == ["tiny/1", "tiny/2", "tiny/warmup-0"]
    folder = fake.workspace.figure("2")
    assert (folder / "figure2.pdf").read_bytes().startswith(b"%PDF")
    assert (folder / "figure2.png").read_bytes().startswith(b"\x89PNG")
    results = {path: path.read_bytes() for path in [*folder.glob("figure2.*"), *slot(fake).iterdir()]}
    again = figure(fake)
    assert again.code == 0, again.err
    assert "Nothing to measure" in again.err
    assert len(fake.starts()) == 3
    assert {path: path.read_bytes() for path in results} == results


def test_progress_and_errors_go_to_stderr_and_the_slot_names_no_place_of_this_machine(fake: FakeEngine) -> None:
    done = figure(fake, "--smoke")
    assert done.code == 0, done.err
    assert "run 2/2, cached" in done.err
    assert "run 2/2" not in done.out
    assert runs(fake) == ["tiny/1", "tiny/warmup-0"]
    for path in slot(fake).iterdir():
        text = path.read_text()
        assert str(fake.root) not in text
        assert os.uname().nodename not in text or len(os.uname().nodename) < 6


@pytest.fixture
def of_two_models(fake: FakeEngine) -> Iterator[FakeEngine]:
    """The fake engine, and a figure that declares both of its models."""
    path = fake.workspace.figure("2") / "figure.yaml"
    text = path.read_text()
    path.write_text(yaml.safe_dump(yaml.safe_load(text) | {"models": ["tiny", "small"]}))
    yield fake
    path.write_text(text)


def test_a_budget_starts_what_was_chosen_and_keeps_the_rest_in_the_slot(of_two_models: FakeEngine) -> None:
    fake = of_two_models
    assert figure(fake, "--models", "small").code == 0
    done = figure(fake, "--models", "tiny,small", "--budget", "5")
    assert done.code == 0, done.err
    assert "already measured: repeatability; nothing to start" in done.err
    done = figure(fake, "--models", "tiny,small", "--budget", "5", "--again")
    assert done.code == 0, done.err
    assert "for repeatability" in done.err
    assert runs(fake) == [f"{model}/{run}" for model in ("small", "tiny") for run in ("1", "2", "warmup-0")]
    cases = json.loads((slot(fake) / "manifest.json").read_text())["cases"]
    assert {case["model"]["name"] for case in cases} == {"tiny", "small"}


def test_a_model_that_fails_is_named_with_its_own_log_after_the_rest_was_drawn(fake: FakeEngine) -> None:
    fake.behave("ok", "ok", "ok", "crash", "ok")
    done = figure(fake, "--models", "tiny,small")
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert last.startswith("error: run s1/1 of small_fake_compiled-")
    assert "failed in load_weights of the engine process: ValueError: the checkpoint is damaged; log: runs/" in last
    log = fake.root / last.partition("log: ")[2].partition(";")[0]
    assert "ValueError: the checkpoint is damaged" in log.read_text()
    assert runs(fake) == ["small/1", "small/warmup-0", "tiny/1", "tiny/2", "tiny/warmup-0"]
    assert (fake.workspace.figure("2") / "drawn").exists()
    outcomes = json.loads((slot(fake) / "manifest.json").read_text())["outcomes"]
    assert (outcomes["ok"], outcomes["failed"]) == (4, 1)


def test_of_two_models_that_fail_both_are_named_with_their_own_runs(fake: FakeEngine) -> None:
    fake.behave("crash", "ok", "crash")
    done = figure(fake, "--models", "tiny,small")
    assert done.code == 1
    first, second = done.err.splitlines()[-2:]
    assert first.startswith("error: run s1/warmup-0 of tiny_fake_compiled-")
    assert second.startswith("error: run s1/1 of small_fake_compiled-")
    assert runs(fake) == ["small/1", "small/warmup-0", "tiny/warmup-0"]


def test_an_engine_that_never_starts_is_exit_1_with_the_cause_after_the_rest_was_drawn(fake: FakeEngine) -> None:
    fake.behave("crash")
    done = figure(fake)
    assert done.code == 1
    assert (
        "failed in load_weights of the engine process: ValueError: the checkpoint is damaged"
        in done.err.splitlines()[-1]
    )
    assert "Traceback" not in done.err
    assert runs(fake) == ["tiny/warmup-0"]
    assert (fake.workspace.figure("2") / "drawn").exists()


def test_an_engine_that_hangs_is_exit_1_and_ended(fake: FakeEngine) -> None:
    path = fake.workspace.figure("2") / "figure.yaml"
    path.write_text(path.read_text().replace("timeout_s: 20.0", "timeout_s: 0.5"))
    fake.behave("hang")
    done = figure(fake)
    path.write_text(path.read_text().replace("timeout_s: 0.5", "timeout_s: 20.0"))
    assert done.code == 1
    assert (
        " timeout in load_weights of the engine process: waited 1 s for LLM() to return, in vain"
        in done.err.splitlines()[-1]
    )
    pids = [entry["pid"] for entry in [*fake.starts(), *fake.journal("hanging")]]
    assert len(pids) == 3
    assert [pid for pid in pids if not is_gone(pid)] == []


def test_a_case_whose_runs_never_count_is_given_up_with_exit_1(fake: FakeEngine) -> None:
    fake.behave("ok", compiles="always")
    done = figure(fake, "--iterations", "1")
    assert done.code == 1
    assert "does not count: the start compiled 1 new objects" in done.err.splitlines()[-1]
    assert runs(fake) == ["tiny/1", "tiny/2", "tiny/3", "tiny/warmup-0"]


def test_a_run_that_did_not_count_and_was_replaced_is_no_failure(fake: FakeEngine) -> None:
    fake.behave("ok", "recompile", "ok")
    done = figure(fake, "--iterations", "1")
    assert done.code == 0, done.err
    assert "does not count: the start compiled 1 new objects" in done.err
    assert runs(fake) == ["tiny/1", "tiny/2", "tiny/warmup-0"]


def test_a_model_that_is_named_twice_is_measured_once(fake: FakeEngine) -> None:
    done = figure(fake, "--smoke", "--models", "tiny, tiny,")
    assert done.code == 0, done.err
    assert runs(fake) == ["tiny/1", "tiny/warmup-0"]


def test_a_corrupt_record_is_named_and_nothing_is_measured(fake: FakeEngine) -> None:
    assert figure(fake, "--smoke").code == 0
    (record,) = fake.workspace.runs.glob("*/*/*/1/run.json")
    record.write_text("{")
    done = figure(fake, "--smoke")
    assert done.code == 2
    assert done.error.startswith(f"{record}: not readable (")
    assert len(fake.starts()) == 2


def test_the_slot_of_another_machine_is_not_overwritten(fake: FakeEngine) -> None:
    assert figure(fake, "--smoke").code == 0
    manifest = json.loads((slot(fake) / "manifest.json").read_text())
    manifest["node"]["id"] = "node-of-a-colleague"
    (slot(fake) / "manifest.json").write_text(json.dumps(manifest))
    done = figure(fake, "--smoke")
    assert done.code == 2
    assert "holds a slot of node-of-a-colleague" in done.err.splitlines()[-1]
    assert json.loads((slot(fake) / "manifest.json").read_text()) == manifest


def test_a_slot_that_was_renamed_is_named_before_anything_is_measured(fake: FakeEngine) -> None:
    assert figure(fake, "--smoke").code == 0
    renamed = slot(fake).rename(slot(fake).with_name("node7"))
    done = figure(fake, "--iterations", "2")
    assert done.code == 2
    assert done.error == f"figure 2: {renamed} is slot node0 too; move it away, or measure another"
    (renamed / "manifest.json").unlink()
    assert "manifest.json: no such file" in figure(fake, "--iterations", "2").error
    shutil.rmtree(renamed)
    assert len(fake.starts()) == 2


@pytest.fixture
def group(fake: FakeEngine) -> Iterator[dict[str, Path]]:
    """Figures 3 and 4 as figure 2 is, in one group; figure → its folder."""
    folders = {number: fake.workspace.figure(number) for number in ("3", "4")}
    groups = fake.root / "figures" / "groups.yaml"
    changed = [groups, *(folder / name for folder in folders.values() for name in ("figure.yaml", "plot.py"))]
    kept = {path: path.read_bytes() for path in changed}
    example = fake.workspace.figure("2")
    for number, folder in folders.items():
        declared = (example / "figure.yaml").read_text().replace("figure: '2'", f"figure: '{number}'")
        (folder / "figure.yaml").write_text(declared)
        shutil.copy(example / "plot.py", folder)
    groups.write_text('both: ["3", "4"]\n')
    yield folders
    for path, content in kept.items():
        path.write_bytes(content)
    for folder in folders.values():
        shutil.rmtree(folder / "node0", ignore_errors=True)
        (folder / "drawn").unlink(missing_ok=True)


def both(fake: FakeEngine, *arguments: str) -> Done:
    return Checkout(fake.root).figure("both", "--engine", "fake", *arguments)


def test_a_figure_that_cannot_be_drawn_does_not_keep_the_others_from_it(
    fake: FakeEngine, group: dict[str, Path]
) -> None:
    (group["3"] / "plot.py").write_text("import sys\n\nsys.exit(2)\n")
    done = both(fake, "--smoke")
    assert done.code == 2
    assert done.err.splitlines()[-1] == f"error: {group['3'] / 'plot.py'} ended with exit code 2"
    assert (group["4"] / "drawn").exists()
    fake.behave("crash")
    lost = both(fake, "--smoke", "--models", "small")
    assert lost.code == 1
    assert [line.partition(":")[0] for line in lost.err.splitlines()[-2:]] == ["error", "error"]
    assert "error: run s1/warmup-0 of small_fake_compiled-" in lost.err.splitlines()[-1]


def test_the_slot_of_another_machine_is_no_matter_to_a_figure_that_cannot_be_measured_here(
    fake: FakeEngine, group: dict[str, Path]
) -> None:
    assert both(fake, "--smoke").code == 0
    path = group["3"] / "node0" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["node"]["id"] = "node-of-a-colleague"
    path.write_text(json.dumps(manifest))
    declared = yaml.safe_load((group["3"] / "figure.yaml").read_text())
    declared |= {"differ": "gpu", "slots": ["node0", "node1"]}  # the fake engine runs on the CPU
    (group["3"] / "figure.yaml").write_text(yaml.safe_dump(declared))
    done = both(fake, "--smoke")
    assert done.code == 0, done.err
    assert json.loads(path.read_text()) == manifest


def test_a_file_in_the_place_of_the_results_folder_is_one_line(fake: FakeEngine) -> None:
    fake.workspace.runs.write_text("a file")
    done = figure(fake)
    fake.workspace.runs.unlink()
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith(f"error: {fake.workspace.runs}: results cannot be written there")
    assert "Traceback" not in done.err
    assert fake.starts() == []


@pytest.fixture
def measuring(fake: FakeEngine) -> Iterator[int]:
    """Pid of a harness that is measuring."""
    fake.behave("hang")
    checkout = Checkout(fake.root)
    command = ["bash", "run_figure.sh", *FAKE]
    first = subprocess.Popen(command, cwd=fake.root, env=checkout.environment(), stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while len(fake.journal("hanging")) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        yield first.pid
    finally:
        first.terminate()
        assert first.wait(timeout=20) == 130


def test_of_two_at_once_the_second_refuses_and_names_the_first(fake: FakeEngine, measuring: int) -> None:
    done = figure(fake)
    assert done.code == 2
    assert done.error == (
        f"another measurement is running (pid {measuring}: figure 2); "
        "wait until it ends or stop it, then repeat this command"
    )
    assert len(fake.starts()) == 1


def test_the_lock_of_a_harness_that_was_killed_does_not_stop_the_next(fake: FakeEngine) -> None:
    (fake.root / ".harness.lock").touch()
    (fake.root / ".harness.lock.json").write_text('{"pid": 1, "what": "figure 2"}')
    assert figure(fake, "--smoke").code == 0
