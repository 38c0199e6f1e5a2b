"""Which Python's vLLM a typed command starts, and what it runs in."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.measure.own_environment import declared, environment_of, find_program, python_of
from harness.record.secrets import secret_values
from harness.state.sandbox import PLACES


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def venv(folder: Path) -> Path:
    """A virtual environment with a vllm; returns its Python."""
    python = program(folder / "bin" / "python", "ELF")
    program(folder / "bin" / "vllm", f"#!{python}\n")
    return python


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody's environment, activated; bash comes from elsewhere."""
    python = venv(tmp_path / "mine")
    program(tmp_path / "usr" / "bash", "ELF")
    program(tmp_path / "usr" / "python", "ELF")
    monkeypatch.setenv("PATH", f"{tmp_path}/mine/bin:{tmp_path}/usr")
    monkeypatch.chdir(tmp_path)
    return python


@pytest.mark.parametrize("command", ["vllm", "python", "bash"])
def test_without_options_it_is_the_environment_on_the_path(mine: Path, command: str) -> None:
    assert python_of([command, "x"], None, None) == mine


@pytest.mark.parametrize("command", ["vllm", "python", "bash", "unknown"])
def test_an_option_names_it_whatever_is_on_the_path(mine: Path, tmp_path: Path, command: str) -> None:
    other = venv(tmp_path / "other")
    assert python_of([command, "x"], tmp_path / "other", None) == other
    assert python_of([command, "x"], None, other) == other
    assert python_of([command, "x"], tmp_path / "mine", other) == other
    assert mine.exists()


@pytest.mark.parametrize("name", ["vllm", "python", "serve-it"])
def test_a_command_typed_with_its_path_says_it_itself(mine: Path, tmp_path: Path, name: str) -> None:
    other = venv(tmp_path / "other")
    program(tmp_path / "other" / "bin" / "serve-it", "#!/bin/sh\n'''exec' python\n")  # as pip writes for long paths
    assert python_of([f"other/bin/{name}"], tmp_path / "mine", mine) == other


@pytest.mark.parametrize("command", ["usr/bash", "./start.sh"])
def test_a_wrapper_typed_with_its_path_does_not_say_it(mine: Path, tmp_path: Path, command: str) -> None:
    program(tmp_path / "start.sh")
    other = venv(tmp_path / "other")
    assert python_of([command], tmp_path / "other", None) == other
    assert python_of([command], None, None) == mine


def test_the_first_line_of_a_script_names_its_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = program(tmp_path / "usr" / "python3.12", "ELF")
    program(tmp_path / "local" / "vllm", f"#!{python}\n")
    monkeypatch.setenv("PATH", str(tmp_path / "local"))
    assert python_of(["vllm", "serve"], None, None) == python


def test_what_cannot_be_told_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bash", "ELF")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HarnessError, match=r"^'bash': cannot tell which Python's vLLM it starts; name it with --env"):
        python_of(["bash", "start.sh"], None, None)
    with pytest.raises(HarnessError, match=r"^'vllm': no such program on PATH; name the environment it is in with"):
        python_of(["vllm", "serve"], None, None)
    with pytest.raises(HarnessError, match=r": not a virtual environment \(it has no bin/python\)$"):
        python_of(["vllm", "serve"], tmp_path, None)


def test_a_program_in_the_current_folder_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "start.sh")
    monkeypatch.chdir(tmp_path)
    assert find_program("./start.sh", "/nowhere") == tmp_path / "start.sh"
    (tmp_path / "start.sh").chmod(0o644)
    with pytest.raises(HarnessError, match=r"^'\./start\.sh': no such program, or it cannot be executed$"):
        find_program("./start.sh", "/nowhere")


def test_a_start_gets_what_the_caller_has_but_for_our_own_variables_and_the_caches(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*PLACES, "HARNESS_MODE", "COLDSTART_TRACE_DIR", "MY_VARIABLE"):
        monkeypatch.setenv(name, "/set")
    monkeypatch.delenv("HF_HOME", raising=False)
    found = environment_of(mine, tmp_path / "mine", on_path=True)
    assert found["MY_VARIABLE"] == "/set"
    assert set(found) & {*PLACES, "HARNESS_MODE", "COLDSTART_TRACE_DIR"} == {"HOME", "VLLM_CONFIG_ROOT"}
    assert found["HOME"] == os.environ["HOME"]  # the user's: only a figure's engine has one of its own
    assert found["VLLM_CONFIG_ROOT"] == "/set"  # settings are no cache: an opt-out stands there
    assert found["PATH"] == f"{tmp_path}/mine/bin:{os.environ['PATH']}"
    assert found["VIRTUAL_ENV"] == str(tmp_path / "mine")
    assert found["HF_HOME"] == "/set/huggingface"  # where downloads are looked for without the sandbox
    monkeypatch.setenv("HF_HOME", "/models")
    assert environment_of(mine, None, on_path=False)["HF_HOME"] == "/models"
    assert environment_of(mine, None, on_path=False)["PATH"] == os.environ["PATH"]
    monkeypatch.delenv("VLLM_CONFIG_ROOT")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/settings")
    assert environment_of(mine, None, on_path=False)["VLLM_CONFIG_ROOT"] == "/settings/vllm"


NAMES = ["VLLM_USE_V1", "CUDA_VISIBLE_DEVICES", "HOME", "VLLM_API_KEY", "HF_TOKEN", "NCCL_DEBUG", "VLLM_PROXY"]


@given(st.dictionaries(st.sampled_from(NAMES), st.text(st.characters(codec="ascii", exclude_characters="\0"))))
def test_what_is_recorded_are_variables_that_change_a_start_and_never_a_secret(environment: dict[str, str]) -> None:
    environment["VLLM_PROXY"] = "http://me:hunter22@proxy"
    found = declared(environment, secret_values([], environment))
    assert set(found) <= set(environment) - {"HOME", "VLLM_API_KEY", "HF_TOKEN"}
    assert found["VLLM_PROXY"] == "http://me:***@proxy"
    assert not any(value.startswith("/") for value in found.values())


def test_of_a_path_only_its_last_part_is_recorded() -> None:
    assert declared({"VLLM_LOGGING_CONFIG_PATH": "/home/me/log.json"}, frozenset()) == {
        "VLLM_LOGGING_CONFIG_PATH": "…/log.json"
    }


def test_an_environment_that_is_named_wins_over_a_path_unless_a_vllm_lies_there(tmp_path: Path, mine: Path) -> None:
    launcher = tmp_path / "other" / "bin" / "python"
    launcher.parent.mkdir(parents=True)
    launcher.touch(mode=0o755)
    command = [str(launcher), "launcher.py"]
    assert python_of(command, None, None) == launcher
    assert python_of(command, None, mine) == mine
    launcher.with_name("vllm").touch()
    assert python_of(command, None, mine) == launcher  # as for one of two commands that are compared


def test_variables_that_change_a_start_are_recorded_and_no_others() -> None:
    given = {"PYTHONDONTWRITEBYTECODE": "1", "KMP_AFFINITY": "none", "EDITOR": "vi", "VLLM_CONFIG_ROOT": "/home/x"}
    assert declared(given, frozenset()) == {"KMP_AFFINITY": "none", "PYTHONDONTWRITEBYTECODE": "1"}
