"""``python3 harness measure -- COMMAND`` on an environment that the harness did not make, with a fake ``vllm serve``.

Most commands are typed in this process, which saves half a second each; the ones about processes are typed in a shell.
"""

import json
import os
import re
from pathlib import Path

import pytest

from tests.checkout import Checkout
from tests.measure.fake_server import install_tracer, remove_tracer
from tests.measure_command.shell import PROGRAM, Shell, document, names
from tests.processes import is_gone

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


@pytest.mark.alone
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
