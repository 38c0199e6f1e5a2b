"""What a command that somebody typed runs in: the Python whose vLLM it starts, and its variables."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.errors import HarnessError

# Variables that change what an engine does: recorded, unless they hold a secret.
_DEFINING = re.compile(r"(VLLM|TORCH|PYTORCH|CUDA|NCCL|OMP|MKL|TRITON|FLASHINFER|HF_HUB_OFFLINE|LD_PRELOAD)")
# What belongs to this harness, not to the engine it starts.
_OURS = re.compile(r"(HARNESS|COLDSTART)_")


def python_of(command: Sequence[str], venv: Path | None, python: Path | None) -> Path:
    """The interpreter whose vllm the command starts.

    A command typed with its path is run by the Python beside it; then ``python`` and ``venv`` come, then PATH.

    Raises:
        HarnessError: there is none.
    """
    typed = Path(command[0])
    if typed.name != command[0] and (beside := _beside(typed)):
        return beside
    if python is not None:
        return python
    if venv is not None:
        inside = venv / "bin" / "python"
        if not inside.exists():
            raise HarnessError(f"--env {venv}: not a virtual environment (it has no bin/python)")
        return inside
    found = _beside(find_program(command[0], os.environ.get("PATH", os.defpath)))
    if found is None:
        raise HarnessError(f"'{command[0]}': cannot tell which Python's vLLM it starts; name it with --env or --python")
    return found


def find_program(name: str, path: str) -> Path:
    """The program called ``name`` on ``path``. Raises HarnessError if there is none."""
    found = shutil.which(name, path=path)
    if found is None:
        raise HarnessError(f"'{name}': no such program on PATH; name the environment it is in with --env or --python")
    return Path(found)


def _beside(program: Path) -> Path | None:
    """The program itself if it is a Python, else the one in its folder."""
    if program.name.startswith("python") and program.exists():
        return program.absolute()
    python = program.absolute().with_name("python")
    return python if python.exists() else None


def environment_of(python: Path, venv: Path | None) -> dict[str, str]:
    """The caller's variables, with the interpreter's folder first on PATH."""
    environment = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
    environment["PATH"] = f"{python.parent.absolute()}{os.pathsep}{environment.get('PATH', os.defpath)}"
    if venv is not None:
        environment["VIRTUAL_ENV"] = str(venv.absolute())
    # The sandbox moves XDG_CACHE_HOME, below which downloaded models would then be looked for in vain.
    cache = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    environment.setdefault("HF_HOME", str(cache / "huggingface"))
    return environment


def declared(environment: dict[str, str], secrets: frozenset[str]) -> dict[str, str]:
    """What is recorded: variables that change a start, without secrets; of a path only its last part."""
    return {
        name: f"…/{Path(value).name}" if value.startswith("/") else value
        for name, value in sorted(environment.items())
        if _DEFINING.match(name) and value not in secrets
    }
