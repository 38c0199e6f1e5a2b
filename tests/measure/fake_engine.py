"""A fake engine: a real interpreter, a real process tree and real spans, in a tenth of a second.

``engines/fake/`` looks like an installed environment: an interpreter, a ``vllm`` and a ``torch`` package, and the real
tracer with a small hook table, loaded by its ``.pth``. A start has two processes, as a real one. What it does is read
from ``control.json`` beside the packages, not from the environment, so that it can change between the runs of one
case; every start appends what it saw to ``journal.jsonl``.
"""

import json
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.engine.patch_set import PACKAGE, PTH, PTH_TEXT
from harness.measure.one_run import Case
from harness.measure.session import CaseSession, Progress, measure, open_session
from harness.record.run import Run
from harness.record.store import CaseStore
from harness.spec.hooks import load_hooks
from harness.spec.pin import PATCHES, Pin
from harness.workspace import Workspace

CACHES = ("TMPDIR", "VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
NODE: dict[str, Any] = {"id": "node-test", "cpu_model": "a test"}
VERSION = "1.2.3"

# A start: LLM() reads a configuration, starts the engine core's process and waits for it; the core loads and compiles.
# Modes: ok · recompile (ok, and compiles again) · crash (an exception in a hooked function) · hang · stubborn (hangs
# and ignores SIGTERM) · no_token · silent (exit 0 without a result) · sigkill (of itself) · orphan (leaves a process of
# its own session behind).
VLLM = '''
import json, os, signal, subprocess, sys, time
import torch

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JOURNAL = os.path.join(HERE, "journal.jsonl")
CACHES = ("TMPDIR", "VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")


def _starts():
    if not os.path.exists(JOURNAL):
        return []
    with open(JOURNAL) as file:
        return [line for line in map(json.loads, file) if line["event"] == "start"]


def _note(event, **facts):
    with open(JOURNAL, "a") as file:
        file.write(json.dumps({"event": event, "pid": os.getpid(), **facts}) + "\\n")


def _control():
    with open(os.path.join(HERE, "control.json")) as file:
        return json.load(file)


def _files(folder):
    return sorted(os.path.join(where, name) for where, _, names in os.walk(folder) for name in names)


def _sleep_for_ever(stubborn):
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _note("hanging")
    while True:
        time.sleep(60)


class SamplingParams:
    def __init__(self, **arguments):
        pass


class Core:
    """The engine core's process, as the front end sees it."""

    def start(self, mode, compiles):
        code = f"import vllm; vllm.core({mode!r}, {compiles!r})"
        self.process = subprocess.Popen([sys.executable, "-c", code])
        self.pid = self.process.pid

    def wait(self):
        if self.process.wait() != 0:
            raise RuntimeError("Engine core initialization failed. See root cause above.")


def core(mode, compiles):
    load_weights(mode)
    compile_graph("always" if mode == "recompile" else compiles)


def load_weights(mode):
    time.sleep(0.01)
    if mode == "crash":
        raise ValueError("the checkpoint is damaged")
    if mode in ("hang", "stubborn"):
        code = f"import vllm; vllm._sleep_for_ever({mode == 'stubborn'})"
        subprocess.Popen([sys.executable, "-c", code])
        _sleep_for_ever(mode == "stubborn")


def compile_graph(compiles):
    folder = os.environ["TORCHINDUCTOR_CACHE_DIR"]
    old = _files(folder)
    if compiles == "always" or (compiles == "once" and not old):
        with open(os.path.join(folder, f"kernel{len(old)}.so"), "w") as file:
            file.write("compiled")
    with open(os.path.join(os.environ["TMPDIR"], "header.h"), "w") as file:
        file.write("scratch")


def read_config(mode):
    print("INFO 11-20 12:00:00.000 [front.py:1] NEW: Init Tokenizer took 0.29 seconds", flush=True)
    if mode == "sigkill":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "silent":
        os._exit(0)
    if mode == "orphan":
        script = "import subprocess, sys; subprocess.Popen(sys.argv[1:], start_new_session=True)"
        code = "import vllm; vllm._sleep_for_ever(False)"
        subprocess.run([sys.executable, "-c", script, sys.executable, "-c", code], check=True)
        while not any(line["event"] == "hanging" for line in map(json.loads, open(JOURNAL))):
            time.sleep(0.005)


class LLM:
    def __init__(self, **arguments):
        control, number = _control(), len(_starts())
        modes = control["modes"]
        self.mode = modes[min(number - control["from"], len(modes) - 1)]
        caches = {name: _files(os.environ[name]) for name in CACHES}
        _note("start", arguments=arguments, environ=dict(os.environ), cwd=os.getcwd(), caches=caches)
        read_config(self.mode)
        if control["processes"] == 1:
            core(self.mode, control["compiles"])
            return
        self.core = Core()
        self.core.start(self.mode, control["compiles"])
        if self.mode == "stubborn":
            _sleep_for_ever(True)
        self.core.wait()

    def generate(self, prompts, sampling, use_tqdm):
        class Result:
            token_ids = [] if self.mode == "no_token" else [42]
            outputs = ()

        Result.outputs = (Result,)
        return [Result]
'''

HOOKS = """
[[hook]]
module = "vllm"
name = "LLM.__init__"
kind = "container"
role = "main"
disarm = "after"
why = "the whole start"

[[hook]]
module = "vllm"
name = "read_config"
kind = "work"
phase = "config"
why = "configuration"

[[hook]]
module = "vllm"
name = "Core.start"
kind = "work"
phase = "process_spawn"
starts_child = true
child_role = "engine"
why = "starts the core's process"

[[hook]]
module = "vllm"
name = "Core.wait"
kind = "wait"
waits_for = "child"
why = "the core starts meanwhile"

[[hook]]
module = "vllm"
name = "load_weights"
kind = "work"
phase = "load_weights"
why = "weights"

[[hook]]
module = "vllm"
name = "compile_graph"
kind = "work"
phase = "graph_compile_general_shape"
why = "compilation"
"""


@dataclass(frozen=True)
class FakeEngine:
    """The fake engine below ``root``, which is a workspace of its own."""

    root: Path
    engine: Engine
    timeout_s: float = 20.0
    processes: int = 2  # 1: the engine core's work is done in the front end, which is twice as fast

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root)

    def behave(self, *modes: str, compiles: str = "once") -> None:
        """From now on: what each start does, one after the other, the last one for ever after.

        ``compiles``: a start puts a compiled object into the cache ``once`` (if there is none) or ``always``.
        """
        control = {"modes": modes, "compiles": compiles, "processes": self.processes, "from": len(self.starts())}
        (self.engine.site_packages / "control.json").write_text(json.dumps(control))

    def journal(self, event: str) -> list[dict[str, Any]]:
        """What the engine's processes noted: ``start`` by every front end, ``hanging`` by each that hangs."""
        path = self.engine.site_packages / "journal.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [entry for entry in map(json.loads, lines) if entry["event"] == event]

    def starts(self) -> list[dict[str, Any]]:
        """One entry per start: ``arguments``, ``environ``, ``cwd``, and the files it found in its ``caches``."""
        return self.journal("start")

    def case(self, name: str = "fake-00000000", **changes: Any) -> Case:
        """A case of the cold-start study on this engine."""
        definition = {"study": "cold_start", "model": "fake", "parameters": {}, "eager": False, "name": name}
        facts = {"pin": self.engine.pin.name, "version": VERSION}
        model = ModelFiles(self.root / "models" / "fake", "fake", twin=True, revision=None, files_sha256="0" * 64)
        return replace(Case(name, definition, self.engine, facts, model, {}, False, self.timeout_s), **changes)

    def session(self, iterations: int, case: Case | None = None, again: bool = False) -> CaseSession:
        """The case's session, as the figure command opens it."""
        return open_session(case or self.case(), self.workspace, "node-test", iterations, again)

    def measure(self, *sessions: CaseSession) -> list[Run]:
        """Measure what is missing in ``sessions``; returns the runs made."""
        return measure(list(sessions), NODE, Progress(lambda *_: None, lambda *_: None))

    def store(self, case: Case | None = None) -> CaseStore:
        """Where the case's runs are."""
        return CaseStore.of(self.workspace.runs, "node-test", "cold_start", (case or self.case()).name)


def fake_pin() -> Pin:
    return Pin(
        name="fake",
        distribution="vllm",
        version=VERSION,
        vllm_version=VERSION,
        device="cpu",
        python=("3.11", "3.12"),
        torch="torch==0.0.1",
        environment={"FAKE_PIN": "1"},
        files={},
    )


def make_fake_engine(root: Path, traced: bool = True) -> FakeEngine:
    """Install the fake engine below ``root``; without ``traced`` its tracer is missing."""
    engine = Engine(fake_pin(), root / "engines" / "fake")
    base = Path(os.path.realpath(sys.executable))
    (engine.folder / "bin").mkdir(parents=True)
    engine.python.symlink_to(base)
    (engine.folder / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
    site = engine.site_packages
    for name, text in (
        ("vllm/__init__.py", VLLM),
        ("vllm/_version.py", f"__version__ = '{VERSION}'\n"),
        ("torch/__init__.py", "__version__ = '0.0.1+fake'\n"),
    ):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    if traced:
        _install_tracer(site)
    fake = FakeEngine(root, engine)
    fake.behave("ok")
    return fake


def _install_tracer(site: Path) -> None:
    """What ``apply_patches.py`` installs, without its record."""
    shutil.copytree(PATCHES / "tracer" / PACKAGE, site / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    table = site / "hooks.toml"
    table.write_text(HOOKS)
    hooks = [hook.model_dump(exclude_defaults=True) for hook in load_hooks(table).hook]
    (site / PACKAGE / "hook_table.py").write_text(f"HOOKS = {hooks!r}\n")
    (site / PTH).write_bytes(PTH_TEXT)


def is_gone(pid: int, within_s: float = 0.0) -> bool:
    """Whether no process has this pid (not even a zombie) after at most ``within_s``."""
    deadline = time.monotonic() + within_s
    while psutil.pid_exists(pid):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def end_for_certain(pids: list[int]) -> None:
    """Clean-up of a test that found survivors."""
    for pid in pids:
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)
