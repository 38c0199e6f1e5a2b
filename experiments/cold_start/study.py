"""The cold-start study: one case per model, started from empty caches once (warm-up), then from filled ones."""

import hashlib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent


def readable_name(model: str, pin: str, eager: bool) -> str:
    """Readable part of a case's name."""
    return f"{model}_{pin}_{'eager' if eager else 'compiled'}"


def request(model_path: Path, parameters: dict[str, Any], eager: bool) -> dict[str, Any]:
    """What worker_start.py is asked to do."""
    return {
        "engine_args": {"model": str(model_path), "enforce_eager": eager, **parameters},
        "prompt": "The first token shows that the engine works.",
    }


def command(python: Path, request_file: Path, result_file: Path) -> list[str]:
    """The start command that is measured."""
    return [str(python), str(FOLDER / "worker_start.py"), str(request_file), str(result_file)]


def environment() -> dict[str, str]:
    """Variables of every start: time stamps with milliseconds, as in the paper's logs."""
    return {"VLLM_LOGGING_CONFIG_PATH": str(FOLDER / "logging.json")}


def sha256() -> str:
    """Identity of what a start is asked to do: this module, the worker and the logging configuration."""
    files = (FOLDER / name for name in ("study.py", "worker_start.py", "logging.json"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
