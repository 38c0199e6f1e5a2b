"""The cold-start study: one case per model, started from empty caches once (warm-up), then from filled ones."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
PROMPT = "The first token shows that the engine works."


def readable_name(model: str, pin: str, mode: str, eager: bool, storage: str, setting: Mapping[str, Any]) -> str:
    """Readable part of a case's name; ``setting`` is what a figure varies besides the model."""
    parts = [model, pin, "eager" if eager else "compiled", *(["serve"] if mode == "serve" else [])]
    parts += [storage.partition(":")[0]] if storage != "ram" else []
    parts += [re.sub(r"[^A-Za-z0-9.]+", "-", f"{name} {value}").strip("-")[:40] for name, value in setting.items()]
    return "_".join(parts)


def request(model_path: Path, parameters: dict[str, Any], eager: bool) -> dict[str, Any]:
    """What worker_start.py is asked to do."""
    return {
        "engine_args": {"model": str(model_path), "enforce_eager": eager, **parameters},
        "prompt": PROMPT,
    }


def offline_command(python: Path, request_file: Path, result_file: Path) -> list[str]:
    """The offline start that is measured."""
    return [str(python), str(FOLDER / "worker_start.py"), str(request_file), str(result_file)]


def server_command(python: Path, model_path: Path, parameters: dict[str, Any], eager: bool, port: int) -> list[str]:
    """The server's start that is measured: engine arguments as the options that vLLM derives from them."""
    options = {"port": port, "host": "127.0.0.1", "enforce_eager": eager, **parameters}
    command = [str(python), str(python.with_name("vllm")), "serve", str(model_path)]
    for name, value in options.items():
        option = name.replace("_", "-")
        match value:
            case bool():
                command.append(f"--{option}" if value else f"--no-{option}")
            case str() | int() | float():
                command += [f"--{option}", str(value)]
            case list():  # vLLM's options that take several values take them as words
                command += [f"--{option}", *map(str, value)]
            case _:
                command += [f"--{option}", json.dumps(value)]
    return command


def environment() -> dict[str, str]:
    """Variables of every start: time stamps with milliseconds, as in the paper's logs; nothing written into the engine.

    Bytecode is a part of the installation, complete after set-up: a start that wrote some would change the next one.
    """
    return {"VLLM_LOGGING_CONFIG_PATH": str(FOLDER / "logging.json"), "PYTHONDONTWRITEBYTECODE": "1"}


def sha256() -> str:
    """Identity of what a start is asked to do: this module, the worker and the logging configuration."""
    files = (FOLDER / name for name in ("study.py", "worker_start.py", "logging.json"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
