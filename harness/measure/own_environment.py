"""What a command that somebody typed runs in: the Python whose vLLM it starts, and its variables."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.errors import HarnessError
from harness.record.secret_names import is_secret_name
from harness.record.secrets import redacted
from harness.state.sandbox import PLACES

# Variables that change what an engine does: recorded.
_DEFINING = re.compile(
    "VLLM|TORCH|PYTORCH|PYTHON|CUDA|NVIDIA|HIP|HSA|ROC|NCCL|GLOO|UCX|OMP|GOMP|KMP|MKL|MALLOC|TRITON|FLASHINFER|HF_HUB_"
    "|TOKENIZERS|SAFETENSORS|RAY|LD_PRELOAD"
)
# What belongs to this harness, not to the engine it starts.
_OURS = re.compile(r"(HARNESS|COLDSTART)_")


def python_of(command: Sequence[str], venv: Path | None, python: Path | None) -> Path:
    """The interpreter whose vllm the command starts.

    A command typed with its path can say it itself, if there is a vllm beside that Python; then ``python`` and ``venv``
    come; then the command on PATH, and for one that does not say it (``bash start.sh``) the vllm and the Python that it
    would find there.

    Raises:
        HarnessError: there is none.
    """
    typed = Path(command[0])
    said = _said_by(typed) if "/" in command[0] else None
    if said is not None and (said.with_name("vllm").exists() or not (python or venv)):
        return said
    if python is not None:
        return python
    if venv is not None:
        inside = venv / "bin" / "python"
        if not inside.exists():
            raise HarnessError(f"--env {venv}: not a virtual environment (it has no bin/python)")
        return inside
    path = os.environ.get("PATH", os.defpath)
    find_program(command[0], path)
    for name in (command[0], "vllm", "python", "python3"):
        found = shutil.which(name, path=path)
        if found is not None and (said := _said_by(Path(found))):
            return said
    raise HarnessError(f"'{command[0]}': cannot tell which Python's vLLM it starts; name it with --env or --python")


def find_program(name: str, path: str) -> Path:
    """The program called ``name`` on ``path``. Raises HarnessError if there is none."""
    found = shutil.which(name, path=path)
    if found is None and "/" in name:
        raise HarnessError(f"'{name}': no such program, or it cannot be executed")
    if found is None:
        raise HarnessError(f"'{name}': no such program on PATH; name the environment it is in with --env or --python")
    return Path(found).absolute()  # a bare name would be looked for on PATH once more


def _said_by(program: Path) -> Path | None:
    """The Python that runs ``program``, if the program says it: it is one, its first line names one, or it lies in the
    folder of an environment's vllm."""
    program = program.absolute()
    if not program.is_file():
        return None
    with program.open("rb") as file:
        first = file.readline(500)
    interpreter = Path(os.fsdecode(first[2:].strip())) if first.startswith(b"#!") else program
    if interpreter.name.startswith("python") and interpreter.exists():
        return interpreter
    python = program.with_name("python")
    return python if python.exists() and program.with_name("vllm").exists() else None


def environment_of(python: Path, venv: Path | None, on_path: bool) -> dict[str, str]:
    """The caller's variables; ``on_path``: with the interpreter's folder first on PATH."""
    kept = (name for name in os.environ if not _OURS.match(name) and (name == "HOME" or name not in PLACES))
    environment = {name: os.environ[name] for name in kept}
    environment.setdefault("PATH", os.defpath)
    if on_path:
        environment["PATH"] = f"{python.parent.absolute()}{os.pathsep}{environment['PATH']}"
    if venv is not None:
        environment["VIRTUAL_ENV"] = str(venv.absolute())
    home = os.path.expanduser("~")
    # The sandbox moves XDG_CACHE_HOME, below which downloaded models would then be looked for in vain, and vLLM's
    # settings, where a user may have said that nothing is to be reported.
    cache = os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache"
    settings = os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    environment.setdefault("HF_HOME", f"{cache}/huggingface")
    environment["VLLM_CONFIG_ROOT"] = os.environ.get("VLLM_CONFIG_ROOT") or f"{settings}/vllm"
    return environment


def declared(environment: dict[str, str], secrets: frozenset[str]) -> dict[str, str]:
    """What is recorded: variables that change a start, without secrets; of a path only its last part."""
    return {
        name: redacted(f"…/{Path(value).name}" if value.startswith("/") else value, secrets)
        for name, value in sorted(environment.items())
        if _DEFINING.match(name) and not is_secret_name(name) and name != "VLLM_CONFIG_ROOT"
    }
