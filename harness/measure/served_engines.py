"""Engines that are started here to be compared, each with its own OpenAI-compatible server on the same weights.

vllm          ``vllm serve``, float32, without the defaults of sampling that a model may bring
llama.cpp     its server in a Python wheel (experiments/engine_anatomy/worker_llama_server.py) on a GGUF of the weights
transformers  ``transformers serve``, float32; one request at a time, the others wait; on a view of the model's folder
              whose generation_config.json names its end tokens alone
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.engine.environment import Installed
from harness.engine.model_store import ModelFiles
from harness.engine.process_tree import Tree, process_tree
from harness.engine.study_worker import run_worker
from harness.errors import MeasurementFailed
from harness.measure.address import Address
from harness.measure.cause import said_last
from harness.measure.inherited import THREADS, inherited
from harness.workspace import ROOT

_GGUF_WORKER = "experiments.engine_anatomy.worker_gguf"
_LLAMA_WORKER = "experiments.engine_anatomy.worker_llama_server"
_STUDY = ROOT / "experiments" / "engine_anatomy"
_GGUF_SOURCES = ("worker_gguf.py", "worker_gguf_layout.py", "worker_safetensors.py")
_LLAMA_SOURCES = (*_GGUF_SOURCES, "worker_llama_server.py")
_GENERATION = "generation_config.json"
_NEUTRAL = ("bos_token_id", "eos_token_id", "pad_token_id")
_GGUF_S = 600.0
_POLL_S = 0.05
_REASON = 240  # characters


@dataclass(frozen=True)
class Shape:
    """What is the same for every engine, and defines how it serves."""

    threads: int
    slots: int  # requests at once, at most
    context: int  # tokens of prompt and answer
    eager: bool  # of vLLM: without torch.compile


@dataclass(frozen=True)
class Serving:
    """How an engine serves. ``caches``: kept from call to call; ``scratch``: of this one."""

    model: ModelFiles
    name: str  # of the model, towards clients: its folder's
    port: int
    shape: Shape
    ready_s: float
    limit_s: float
    scratch: Path
    caches: Path


@dataclass(frozen=True)
class Command:
    """What is run."""

    words: list[str]
    environment: dict[str, str]
    cwd: Path


def options_of(kind: str, shape: Shape) -> dict[str, Any]:
    """What the engine's server is told, without model and port: part of a case's identity, and of its record."""
    threads: dict[str, Any] = {"threads": shape.threads}
    if kind == "vllm":
        # "vllm": its own defaults; else a model's generation_config.json changes greedy answers (repetition_penalty).
        options: dict[str, Any] = {
            "--dtype": "float32",
            "--generation-config": "vllm",
            "--max-model-len": str(shape.context),
        }
        return threads | options | {"--max-num-seqs": str(shape.slots), "eager": shape.eager}
    if kind == "llama.cpp":
        sources = hashlib.sha256(_contents(_LLAMA_SOURCES)).hexdigest()
        told = {"slots": shape.slots, "context": shape.context, "kv_cache": "f32", "flash_attention": False}
        return threads | told | {"sources_sha256": sources}
    return threads | {"--device": "cpu", "--dtype": "float32", "generation_config": "end tokens alone"}


def _script(engine: Installed, name: str) -> list[str]:
    """A command of the environment, by its Python: a script's first line holds the place where it was installed."""
    return [str(engine.python), str(engine.python.with_name(name))]


def _words(options: dict[str, Any]) -> list[str]:
    return [word for name, value in options.items() if name.startswith("--") for word in (name, value)]


def _contents(sources: tuple[str, ...]) -> bytes:
    return b"".join((_STUDY / name).read_bytes() for name in sources)


def _vllm(engine: Installed, how: Serving) -> Command:
    words = [*_script(engine, "vllm"), "serve", how.name, "--host", "127.0.0.1", "--port", str(how.port)]
    words += _words(options_of("vllm", how.shape))
    if how.shape.eager:
        words.append("--enforce-eager")
    cache = how.caches / "engines-vllm"
    environment = {
        "VLLM_CACHE_ROOT": str(cache / "vllm"),
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"),
        "VLLM_LOGGING_LEVEL": "INFO",  # the pin's DEBUG writes lines for each step
    }
    return Command(words, environment, how.model.path.parent)


def _llama(engine: Installed, how: Serving) -> Command:
    shape = how.shape
    request = how.scratch / "llama-server.json"
    asked: dict[str, Any] = {"threads": shape.threads, "slots": shape.slots, "context": shape.context}
    asked |= {"gguf": str(gguf_of(how, engine)), "name": how.name, "port": how.port}
    request.write_text(json.dumps(asked), encoding="utf-8")
    return Command([str(engine.python), "-m", _LLAMA_WORKER, str(request)], {}, ROOT)


def _transformers(engine: Installed, how: Serving) -> Command:
    # Served by its folder's name, from the folder above: an absolute path would be its model's name.
    view = neutral_view(how.model.path, how.scratch / "transformers" / how.name)
    words = [*_script(engine, "transformers"), "serve", how.name, "--host", "127.0.0.1"]
    words += ["--port", str(how.port), *_words(options_of("transformers", how.shape))]
    return Command(words, {}, view.parent)


def neutral_view(model: Path, view: Path) -> Path:
    """The model's folder as links, with a generation_config.json that names its end tokens and nothing else.

    ``transformers serve`` has no option against the defaults of sampling that a model brings.
    """
    shutil.rmtree(view, ignore_errors=True)
    view.mkdir(parents=True)
    for path in model.iterdir():
        if path.name != _GENERATION:
            (view / path.name).symlink_to(path.resolve())
    source = model / _GENERATION if (model / _GENERATION).is_file() else model / "config.json"
    told = json.loads(source.read_text(encoding="utf-8"))
    neutral = {name: told[name] for name in _NEUTRAL if told.get(name) is not None}
    (view / _GENERATION).write_text(json.dumps(neutral), encoding="utf-8")
    return view


_COMMANDS: dict[str, Callable[[Installed, Serving], Command]] = {
    "vllm": _vllm,
    "llama.cpp": _llama,
    "transformers": _transformers,
}
KINDS = tuple(_COMMANDS)


def gguf_of(how: Serving, engine: Installed) -> Path:
    """The model as GGUF, made once for its files and this writer. Raises HarnessError: it cannot be written."""
    writer = hashlib.sha256(_contents(_GGUF_SOURCES)).hexdigest()
    path = how.caches / "gguf" / f"{how.name}-{how.model.files_sha256[:8]}-{writer[:8]}.gguf"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        making = path.with_name(f".{path.name}.{os.getpid()}.making")
        request, result = how.scratch / "gguf.json", how.scratch / "gguf-made.json"
        request.write_text(json.dumps({"model": str(how.model.path.resolve()), "out": str(making)}), encoding="utf-8")
        try:
            run_worker(engine.python, _GGUF_WORKER, (request, result), {}, f"writing {how.name} as GGUF", _GGUF_S)
            making.replace(path)
        finally:
            making.unlink(missing_ok=True)
    return path


@dataclass(frozen=True)
class Served:
    """A server that answers."""

    tree: Tree
    url: str
    ready_s: float


@contextmanager
def served(kind: str, engine: Installed, how: Serving, log: Path) -> Iterator[Served]:
    """Start the engine's server; when the block is left, nothing of it runs.

    Raises:
        MeasurementFailed: it ended, or did not answer /health within ``how.ready_s`` (its own last words are quoted).
        HarnessError: it cannot be started.
    """
    command = _COMMANDS[kind](engine, how)
    environment = {**inherited(), **engine.pin.environment, **command.environment}
    environment[THREADS] = str(how.shape.threads)
    address = Address(port=how.port)
    with process_tree(command.words, environment, log, command.cwd, how.limit_s, metered=False) as tree:
        ready_s = _wait(kind, tree, address, how.ready_s, log)
        yield Served(tree, address.url, ready_s)


def _wait(kind: str, tree: Tree, address: Address, limit_s: float, log: Path) -> float:
    deadline = time.monotonic() + limit_s
    with address.client() as client:
        while tree.running and time.monotonic() < deadline:
            if address.listens() and client.healthy():
                return time.monotonic() - tree.exec_ns / 1e9
            time.sleep(_POLL_S)
    what = f"/health did not answer within {limit_s:.0f} s" if tree.running else "its server ended"
    raise MeasurementFailed(f"{kind}: {what}: {said_last(log, _REASON)}")
