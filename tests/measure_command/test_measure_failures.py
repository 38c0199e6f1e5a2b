"""``python3 harness measure``: starts that fail, secrets, and input that is refused."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from harness.engine import process_tree
from tests.checkout import Checkout
from tests.measure.fake_server import install_tracer, remove_tracer
from tests.measure_command.shell import KEY, Shell, document, names
from tests.processes import all_ended, is_gone

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
    assert all_ended(pids, within_s=1)
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
