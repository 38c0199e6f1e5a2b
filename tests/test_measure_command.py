"""``python -m harness measure -- COMMAND`` on an environment that the harness did not make, with a fake ``vllm serve``.

Most commands are typed in this process, which saves half a second each; the ones about processes are typed in a shell.
"""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import cli, progress
from harness.door import run_app
from harness.engine import process_tree
from harness.measure.address import free_port
from harness.record.run import Run, read_run
from harness.workspace import Workspace
from tests.checkout import Checkout, Done, add_fake_engine, forget_runs, make_checkout
from tests.measure.fake_engine import FakeEngine, end_for_certain, is_gone
from tests.measure.fake_server import SERVER_HOOKS, add_server, install_tracer, pins_of, remove_tracer

KEY = "sk-secret-0123"
PROGRAM = "from vllm import LLM\n\nif __name__ == '__main__':\n    LLM(model='tiny')\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeEngine]:
    """Somebody's environment with the tracer, and a checkout of the harness."""
    checkout = make_checkout(tmp_path_factory.mktemp("checkout"))
    fake = add_fake_engine(checkout)
    (checkout.root / "patches" / "fake" / "hooks.toml").write_text(SERVER_HOOKS)
    add_server(fake)
    with pins_of(checkout.root):
        install_tracer(fake)
        yield fake


@dataclass(frozen=True)
class Shell:
    """Where somebody types."""

    fake: FakeEngine
    capsys: pytest.CaptureFixture[str]
    port: int

    @property
    def env(self) -> Path:
        return self.fake.engine.folder

    @property
    def serve(self) -> tuple[str, ...]:
        return "vllm", "serve", "tiny", "--port", str(self.port)

    def measure(self, *arguments: str, env: bool = True) -> Done:
        """``python -m harness measure [--env VENV] ARGUMENTS``."""
        given = ("--env", str(self.env)) if env else ()
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_app(cli.app, "python -m harness", ["measure", *given, *arguments])
        said = self.capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    def runs(self) -> list[Run]:
        """Every record, oldest first."""
        found = [read_run(path.parent) for path in self.fake.workspace.runs.glob("*/cold_start/*/*/run.json")]
        return sorted(found, key=lambda run: run.started_at)

    def stored(self) -> list[Path]:
        """Whatever lies in the store, hidden or not."""
        return [path for path in self.fake.workspace.runs.rglob("*") if not path.is_dir()]


@pytest.fixture
def shell(
    installed: FakeEngine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Shell]:
    """Nothing is measured yet, and the current folder is not the checkout."""
    forget_runs(installed)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "Workspace", lambda: Workspace(installed.root))
    monkeypatch.setattr(progress.console, "width", 400)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("HARNESS_ITERATIONS", raising=False)
    yield Shell(installed, capsys, free_port())
    end_for_certain([entry["pid"] for entry in installed.journal("hanging")])


def document(done: Done) -> dict[str, Any]:
    """The last line of standard output."""
    found: dict[str, Any] = json.loads(done.out.splitlines()[-1])
    return found


def names(runs: list[Run]) -> list[str]:
    return [run.run_id for run in runs]


# --- what is measured, printed and stored -----------------------------------------------------------------------------


def test_typed_in_a_checkout_it_prints_the_table_and_the_document(shell: Shell) -> None:
    done = Checkout(shell.fake.root).run(
        *(".venv/bin/python", "-m", "harness", "measure", "--env", str(shell.env), "--iterations", "2", "--json", "--"),
        *shell.serve,
    )
    assert done.code == 0, done.err
    found = document(done)
    assert done.out.count("\n") == 1
    assert [(run["run_id"], run["status"], run["counts"]) for run in found["runs"]] == [
        ("s1/warmup-0", "ok", True),
        ("s1/1", "ok", True),
        ("s1/2", "ok", True),
    ]
    assert {kind: numbers["n"] for kind, numbers in found["ready"].items()} == {"warmup": 1, "measured": 2}
    for kind, ready in found["ready"].items():
        assert sum(line[kind]["mean"] for line in found["phases"]) == pytest.approx(ready["mean"])
    lines = {(line["phase"], line["process"]) for line in found["phases"]}
    assert {("server_start", "main"), ("load_weights", "engine"), ("unattributed", "main")} <= lines
    assert re.search(r"^load_weights +engine +0\.01\d +[\d.]+ +0\.01\d +[\d.]+ +[\d.]+ *$", done.err, re.MULTILINE)
    assert re.search(r"^exec→ready +[\d.]+ +100\.0 +[\d.]+ +[\d.]+ +100\.0 *$", done.err, re.MULTILINE)
    assert f"vllm serve tiny --port {shell.port} · vLLM 1.2.3 (unpinned: 14 of 14 hooks)" in done.err
    warmup, *_ = shell.runs()
    assert warmup.engine["pin"] is None
    assert (warmup.case["mode"], warmup.case["command"]) == ("serve", list(shell.serve))
    assert [bool(start["caches"]["TORCHINDUCTOR_CACHE_DIR"]) for start in shell.fake.starts()] == [False, True, True]


def test_a_repeated_call_measures_nothing_more_a_larger_one_continues_and_again_begins_anew(shell: Shell) -> None:
    assert shell.measure("--iterations", "1", "--", *shell.serve).code == 0
    again = shell.measure("--iterations", "1", "--", *shell.serve)
    assert again.code == 0
    assert "Nothing to measure" in again.err
    assert "exec→ready" in again.out
    assert shell.measure("--iterations", "2", "--", *shell.serve).code == 0
    assert names(shell.runs()) == ["s1/warmup-0", "s1/1", "s1/2"]
    assert shell.measure("--iterations", "1", "--again", "--", *shell.serve).code == 0
    assert names(shell.runs())[3:] == ["s2/warmup-0", "s2/1"]


def test_uncached_starts_are_a_case_of_their_own_that_needs_no_warm_up(shell: Shell) -> None:
    done = shell.measure("--iterations", "2", "--uncached", "--name", "my server", "--", *shell.serve)
    assert done.code == 0, done.err
    assert "uncached n=2" in done.out
    assert names(shell.runs()) == ["s1/1", "s1/2"]
    assert [start["caches"]["TORCHINDUCTOR_CACHE_DIR"] for start in shell.fake.starts()] == [[], []]
    (folder,) = shell.fake.workspace.runs.glob("*/cold_start/*")
    assert re.fullmatch(r"my-server-[0-9a-f]{8}", folder.name)


def test_what_follows_the_command_belongs_to_the_command(shell: Shell) -> None:
    done = shell.measure("--iterations", "1", "--uncached", *shell.serve, "--iterations", "7", "--env", "x", "--again")
    assert done.code == 0, done.err
    assert shell.fake.starts()[0]["arguments"][-5:] == ["--iterations", "7", "--env", "x", "--again"]
    assert len(shell.runs()) == 1


def test_a_start_runs_in_the_callers_folder_and_environment_with_caches_of_ours(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "serve.yaml").write_text(f"port: {shell.port}\n")
    monkeypatch.setenv("VLLM_LOGGING_LEVEL", "DEBUG")
    monkeypatch.setenv("VLLM_CACHE_ROOT", "/mine")
    monkeypatch.setenv("HARNESS_ITERATIONS", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HOME", raising=False)
    done = shell.measure("--uncached", "--", "vllm", "serve", "tiny", "--config", "serve.yaml")
    assert done.code == 0, done.err
    (start,) = shell.fake.starts()
    assert start["cwd"] == str(tmp_path)
    assert start["environ"]["PATH"].split(os.pathsep)[0] == str(shell.env / "bin")
    assert start["environ"]["HF_HOME"] == str(tmp_path / "cache" / "huggingface")
    assert Path(start["environ"]["VLLM_CACHE_ROOT"]).is_relative_to(shell.fake.workspace.caches)
    assert "HARNESS_ITERATIONS" not in start["environ"]
    assert shell.runs()[0].environment["VLLM_LOGGING_LEVEL"] == "DEBUG"
    assert "VLLM_CACHE_ROOT" not in shell.runs()[0].environment


def test_a_script_or_settings_file_that_changed_is_another_case(shell: Shell, tmp_path: Path) -> None:
    settings = tmp_path / "serve.yaml"
    for extra in ("", "max-model-len: 64\n"):
        settings.write_text(f"port: {shell.port}\n{extra}")
        done = shell.measure("--uncached", "--iterations", "1", "--", "vllm", "serve", "tiny", "--config", "serve.yaml")
        assert done.code == 0, done.err
    assert len(shell.fake.starts()) == 2
    assert len({json.dumps(run.case, sort_keys=True) for run in shell.runs()}) == 2


def test_a_script_that_starts_the_server_is_asked_where_the_url_says(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "start.sh").write_text(f"#!/bin/bash\nsleep 0.1\nexec {' '.join(shell.serve)}\n")
    (tmp_path / "start.sh").chmod(0o755)
    for command in (("bash", "start.sh"), ("./start.sh",)):
        where = ("--url", f"http://localhost:{shell.port}/")
        done = shell.measure("--iterations", "1", "--uncached", *where, "--", *command)
        assert done.code == 0, done.err
    assert {run.ready_s is not None and run.ready_s > 0.1 for run in shell.runs()} == {True}
    assert len({json.dumps(run.case) for run in shell.runs()}) == 2


def test_a_program_with_an_llm_is_ready_when_that_has_returned(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM + "    import time\n    time.sleep(60)\n")
    done = shell.measure("--iterations", "1", "--json", "--", "python", "program.py")
    assert done.code == 0, done.err
    assert [run["counts"] for run in document(done)["runs"]] == [True, True]
    assert shell.runs()[0].case["mode"] == "offline"
    assert all(is_gone(start["pid"]) for start in shell.fake.starts())


def test_a_program_may_end_right_after_its_llm(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    assert (
        shell.measure("--iterations", "1", "--uncached", "--", str(shell.env / "bin" / "python"), "program.py").code
        == 0
    )
    assert names(shell.runs()) == ["s1/1"]


def test_a_pinned_engine_is_called_so(shell: Shell) -> None:
    apply = (".venv/bin/python", "apply_patches.py", "--pin", "fake", "--vllm-path", str(shell.fake.engine.vllm_dir))
    remove_tracer(shell.fake)
    done = Checkout(shell.fake.root).run(*apply)
    assert done.code == 0, done.err
    try:
        done = shell.measure("--iterations", "1", "--uncached", "--", *shell.serve)
    finally:
        remove_tracer(shell.fake)
        install_tracer(shell.fake)
    assert done.code == 0, done.err
    assert "unpinned" not in done.out
    assert (shell.runs()[0].engine["pin"], shell.runs()[0].engine["unpinned"]) == ("fake", False)


# --- two commands -----------------------------------------------------------------------------------------------------


def test_two_commands_are_started_in_turns_paired_and_compared(shell: Shell) -> None:
    other = " ".join((*shell.serve, "--max-model-len=8"))
    against = ("--iterations", "2", "--against", other, "--gate", "9999%")
    shell.fake.behave("ok", "ok", "ok", "crash", "ok")
    failed = shell.measure(*against, "--json", "--", *shell.serve)
    assert failed.code == 1
    assert document(failed)["comparison"] is None
    assert "failed in load_weights of the engine process: ValueError" in document(failed)["error"]
    assert "B: tiny_vllm-1.2.3_serve s1/1 (measured): failed" in failed.err
    done = shell.measure(*against, "--", *shell.serve)
    assert done.code == 0, done.err
    ends = [run.case["command"][-1] for run in shell.runs()]
    first, second = str(shell.port), "--max-model-len=8"
    # The other command's second run failed, so that the first went on alone; then what is missing is measured.
    assert ends == [first, second, first, second, first, second, second]
    assert {run.session for run in shell.runs()} == {"s1"}
    assert re.search(r"^(B starts|No difference shown)", done.out, re.MULTILINE)
    again = shell.measure(*against, "--json", "--", *shell.serve)
    assert again.code == 0, again.err
    pairs = shell.runs()[7:]
    assert [run.case["command"][-1] for run in pairs] == [first, second] * 3
    assert [run.round for run in pairs[::2]] == [run.round for run in pairs[1::2]]
    assert len({run.round for run in pairs}) == 3
    assert {run.session for run in pairs} == {"s2"}
    found = document(again)
    assert (found["comparison"]["paired"], found["comparison"]["gate"]["crossed"]) == (True, False)
    assert found["against"]["ready"]["measured"]["n"] == 2


def test_a_slower_command_crosses_the_gate(shell: Shell) -> None:
    slower = " ".join((*shell.serve, "--delay", "0.4"))
    done = shell.measure("--iterations", "3", "--uncached", "--against", slower, "--gate", "5%", "--", *shell.serve)
    assert done.code == 1
    assert "gate" in done.out
    assert re.search(r"server_start", done.out)


def test_a_gate_that_cannot_be_judged_is_exit_2_after_the_comparison(shell: Shell) -> None:
    other = " ".join((*shell.serve, "--x"))
    done = shell.measure("--iterations", "1", "--uncached", "--against", other, "--gate", "5%", "--", *shell.serve)
    assert done.code == 2
    assert "too few runs to judge the gate" in done.err.splitlines()[-1]
    assert "exec→ready" in done.out


# --- starts that fail -------------------------------------------------------------------------------------------------


def test_a_command_that_fails_is_exit_1_with_its_logs_end_and_the_phase_and_process(shell: Shell) -> None:
    shell.fake.behave("crash")
    done = shell.measure("--json", "--", *shell.serve)
    assert done.code == 1
    *_, last = done.err.splitlines()
    assert re.match(
        r"error: run s1/warmup-0 of tiny_vllm-1\.2\.3_serve-[0-9a-f]{8} failed in load_weights of the ", last
    )
    assert "engine process: ValueError: the checkpoint is damaged; log: runs/" in last
    assert "the log of tiny_vllm-1.2.3_serve s1/warmup-0 ends so:\n" in done.err
    assert "  ValueError: the checkpoint is damaged\n" in done.err
    assert "Traceback" not in last
    assert document(done)["error"] == last.removeprefix("error: ")
    assert (shell.fake.root / last.partition("log: ")[2].partition(";")[0]).is_file()
    (run,) = document(done)["runs"]
    assert (run["status"], run["failed_in"], run["failed_process"]) == ("failed", "load_weights", "engine")
    shell.fake.behave("ok")
    assert shell.measure("--iterations", "1", "--", *shell.serve).code == 0
    assert names(shell.runs()) == ["s1/warmup-0", "s1/warmup-1", "s1/1"]


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("ends", r"failed in .*: ended \(exit code 0\) without a sign of /health at http://127\.0\.0\.1:\d+ to answer"),
        ("taken", r"failed in server_start of the main process: OSError: \[Errno 98\] Address already in use"),
    ],
)
def test_a_server_that_never_answers_is_told_why(shell: Shell, mode: str, said: str) -> None:
    shell.fake.behave(mode)
    done = shell.measure("--", *shell.serve)
    assert done.code == 1
    assert re.search(said, done.err.splitlines()[-1])
    assert all(is_gone(start["pid"]) for start in shell.fake.starts())


def test_a_server_that_ignores_its_end_is_killed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_tree, "TERMINATE_GRACE_S", 0.1)
    shell.fake.behave("deaf")
    assert shell.measure("--iterations", "1", "--uncached", "--", *shell.serve).code == 0
    assert all(is_gone(start["pid"]) for start in shell.fake.starts())


def test_a_program_that_ends_without_an_llm_failed(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("print('I make no LLM')\n")
    done = shell.measure("--", "python", "program.py")
    assert done.code == 1
    assert "ended (exit code 0) without a sign of an LLM() of the command to return" in done.err.splitlines()[-1]
    assert "  I make no LLM\n" in done.err


def test_ctrl_c_ends_everything_and_keeps_nothing_of_the_run(shell: Shell) -> None:
    shell.fake.behave("ok", "hang")
    command = [".venv/bin/python", "-m", "harness", "measure", "--env", str(shell.env), "--", *shell.serve]
    command += ["--api-key", KEY]
    harness = subprocess.Popen(
        command,
        cwd=shell.fake.root,
        env=Checkout(shell.fake.root).environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 20
        while len(shell.fake.journal("hanging")) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(harness.pid, signal.SIGINT)
        _, err = harness.communicate(timeout=20)
    finally:
        harness.kill()
    assert harness.returncode == 130
    assert err.splitlines()[-1] == "stopped; everything measured so far is stored, repeat the command to go on"
    pids = [entry["pid"] for entry in [*shell.fake.starts(), *shell.fake.journal("hanging")]]
    assert [pid for pid in pids if not is_gone(pid, within_s=1)] == []
    assert names(shell.runs()) == ["s1/warmup-0"]
    assert {path.parts[-2] for path in shell.stored()} <= {"warmup-0", "spans"}
    assert not (shell.fake.root / ".harness.lock.json").exists()


# --- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["ok", "crash"])
@pytest.mark.parametrize("where", ["argument", "variable"])
def test_an_api_key_is_nowhere_in_the_store_and_never_printed(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, mode: str, where: str
) -> None:
    shell.fake.behave(mode)
    command = (*shell.serve, "--api-key", KEY) if where == "argument" else shell.serve
    if where == "variable":
        monkeypatch.setenv("VLLM_API_KEY", KEY)
        monkeypatch.setenv("VLLM_PROXY", f"http://me:{KEY}@proxy")
    done = shell.measure("--iterations", "1", "--uncached", "--json", "--", *command)
    assert done.code == (0 if mode == "ok" else 1)
    (start,) = shell.fake.starts()
    assert KEY in str(start["arguments"]) + start["environ"].get("VLLM_API_KEY", "")
    assert any("***" in path.read_text() for path in shell.stored())
    assert [path for path in shell.stored() if KEY in path.read_text()] == []
    assert KEY not in done.out + done.err


# --- bad input: exit 2, one line, nothing stored ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--", "nothing-like-this", "serve"], "'nothing-like-this': no such program on PATH; name the environment it"),
        (["--", "./nothing.sh"], "'./nothing.sh': no such program, or it cannot be executed"),
        (["--"], "Missing argument '-- COMMAND…'"),
        (["--iterations", "0", "--", "vllm", "serve"], "Invalid value for '--iterations'"),
        (["--frobnicate", "--", "vllm", "serve"], "No such option: --frobnicate"),
        (["--", "vllm", "serve", "tiny", "--port", "eight"], "--port eight: not a port from 1 to 65535"),
        (["--", "vllm", "serve", "tiny", "--config", "none.yaml"], "--config none.yaml: cannot be read (FileNotFound"),
        (["--url", "localhost:8000", "--", "bash", "-c", "true"], "--url localhost:8000: not of the form http://HOST"),
        (["--gate", "5%", "--", "vllm", "serve", "tiny"], "--gate holds the command against another one; give that"),
        (["--gate", "five", "--against", "x", "--", "vllm", "serve"], "--gate is a percentage such as 5% or 2.5%"),
        (["--against", "vllm serve tiny", "--", "vllm", "serve", "tiny"], "--against: the second command is the first"),
        (["--against", "", "--", "vllm", "serve", "tiny"], "--against: the command is empty"),
        (["--against", f"vllm --api-key '{KEY}", "--", "vllm", "serve"], "--against: No closing quotation"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_measured(shell: Shell, arguments: list[str], said: str) -> None:
    done = shell.measure(*arguments)
    assert done.code == 2
    assert said in done.error
    assert KEY not in done.err
    assert (shell.stored(), shell.fake.starts()) == ([], [])


def test_a_folder_that_is_no_virtual_environment_is_one_line(shell: Shell, tmp_path: Path) -> None:
    done = shell.measure("--env", str(tmp_path), "--", *shell.serve, env=False)
    assert (done.code, done.error) == (
        2,
        f"--env {tmp_path}: not a virtual environment (it has no bin/python)",
    )


def test_a_python_without_vllm_is_one_line(shell: Shell) -> None:
    remove_vllm = shell.fake.engine.vllm_dir.rename(shell.fake.root / "away")
    try:
        done = shell.measure("--python", str(shell.fake.engine.python), "--", "python", "program.py", env=False)
    finally:
        remove_vllm.rename(shell.fake.engine.vllm_dir)
    assert done.code == 2
    assert "has no vllm" in done.error


@pytest.mark.parametrize(
    ("what", "said"), [("absent", "no tracer"), ("outdated", "an outdated tracer"), ("damaged", "a damaged tracer")]
)
def test_without_a_current_tracer_the_command_that_installs_it_is_named_and_works(
    shell: Shell, what: str, said: str
) -> None:
    version = shell.fake.engine.vllm_dir / "_version.py"
    before = version.read_text()
    if what == "absent":
        remove_tracer(shell.fake)
    elif what == "outdated":
        version.write_text("__version__ = '1.3.0'\n")
    else:
        (shell.fake.engine.site_packages / "coldstart_tracer" / "_spans.py").unlink()
    try:
        done = shell.measure("--json", "--", *shell.serve)
        assert done.code == 2
        assert f" has {said}; " in done.error
        assert document(done) == {"error": done.error}
        command = done.error.partition("`")[2].partition("`")[0].split()
        assert Checkout(shell.fake.root).run(".venv/bin/python", *command[1:]).code == 0
        assert shell.measure("--iterations", "1", "--uncached", "--", *shell.serve).code == 0
    finally:
        version.write_text(before)
        remove_tracer(shell.fake)
        install_tracer(shell.fake)


def test_a_port_in_use_is_named_before_anything_is_started(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", shell.port)):
        done = shell.measure("--json", "--", *shell.serve)
    assert done.code == 2
    last = done.err.splitlines()[-1]
    assert last.startswith(
        f"error: http://127.0.0.1:{shell.port}: something listens there already and would answer for"
    )
    assert document(done)["error"] == last.removeprefix("error: ")
    assert (shell.stored(), shell.fake.starts()) == ([], [])


def test_a_file_that_is_no_program_is_one_line_and_nothing_is_stored(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "start").write_bytes(b"\x00\x01")
    (tmp_path / "start").chmod(0o755)
    done = shell.measure("--", "./start")
    assert done.code == 2
    assert done.err.splitlines()[-1] == f"error: {tmp_path}/start: cannot be started (Exec format error); mend it"
    assert shell.stored() == []
