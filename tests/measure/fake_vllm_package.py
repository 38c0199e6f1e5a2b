"""The fake ``vllm`` package: installed as ``vllm/__init__.py``, never imported from here.

A start: LLM() reads a configuration, starts the engine core's process and waits for it; the core loads and compiles.
With three processes the core has a worker do that, both live on, and generate() asks them for the token.
Modes: ok · recompile (ok, and compiles again) · recompile_in_place (into the same file) · reads_first (the front end
reads the weights) · finds_another_cache (so says its log) · crash (an exception in a hooked function) · hang · stubborn
(hangs and ignores SIGTERM) · no_token · silent (exit 0 without a result) · sigkill (of itself) · orphan (leaves a
process of its own session behind) · PROCESS:STAGE:FAULT (fake_faults.py).
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import time

import torch  # noqa: F401  the start asks for its version

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JOURNAL = os.path.join(HERE, "journal.jsonl")
CACHES = ("TMPDIR", "VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
PROCESS = os.environ.get("FAKE_PROCESS", "main")  # main · engine · worker
MODE = os.environ.get("FAKE_MODE", "")  # the front end's is read from control.json


def _noted(event):
    if not os.path.exists(JOURNAL):
        return []
    with open(JOURNAL) as file:
        return [line for line in map(json.loads, file) if line["event"] == event]


def _note(event, **facts):
    with open(JOURNAL, "a") as file:
        file.write(json.dumps({"event": event, "pid": os.getpid(), **facts}) + "\n")


def _control():
    with open(os.path.join(HERE, "control.json")) as file:
        return json.load(file)


def _next_mode(control):
    """What the start that begins now does."""
    return control["modes"][min(len(_noted("start")) - control["from"], len(control["modes"]) - 1)]


def _stage(stage):
    """This process has come to a stage: if the mode has a fault for it, that happens now."""
    at, _, fault = MODE.rpartition(":")
    if at == f"{PROCESS}:{stage}":
        from vllm import faults

        getattr(faults, fault)()


def _files(folder):
    return sorted(os.path.join(where, name) for where, _, names in os.walk(folder) for name in names)


def _sleep_for_ever(stubborn):
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _note("hanging")
    while True:
        time.sleep(60)


class SamplingParams:
    def __init__(self, max_tokens, **_arguments):
        self.max_tokens = max_tokens


class _Child:
    """A process that says when it is ready and lives until its standard input is closed."""

    def __init__(self, process, code):
        self.answers, said = os.pipe()
        environment = {**os.environ, "FAKE_PROCESS": process, "FAKE_MODE": MODE, "FAKE_SAYS": str(said)}
        command = [sys.executable, "-c", code]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(said,), env=environment, bufsize=0)
        os.close(said)

    def wait(self):
        return bool(os.read(self.answers, 1))

    def ask(self):
        self.process.stdin.write(b"?")
        return self.wait()

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def _answer(child=None):
    """Live as a ``_Child``: be ready, answer each question when the own child has, end it when nobody asks any more."""
    says = int(os.environ["FAKE_SAYS"])
    os.write(says, b".")
    while os.read(0, 1):
        _stage("token")
        if child and not child.ask():
            raise RuntimeError("Executor failed.")
        os.write(says, b".")
    _stage("end")
    if child:
        child.end()


class Core:
    """The engine core's process, as the front end sees it."""

    def start(self, mode, compiles, processes):
        _stage("spawn")
        if processes == 3:
            self.child = _Child("engine", f"import vllm; vllm._answer(vllm.core({mode!r}, {compiles!r}, True))")
            self.process = self.child.process
        else:
            self.child = None
            self.process = subprocess.Popen([sys.executable, "-c", f"import vllm; vllm.core({mode!r}, {compiles!r})"])
        self.pid = self.process.pid

    def wait(self):
        if not (self.child.wait() if self.child else self.process.wait() == 0):
            raise RuntimeError("Engine core initialization failed. See root cause above.")


class Worker:
    """The worker's process, as the engine core sees it."""

    def start(self, mode, compiles):
        _stage("spawn")
        self.child = _Child("worker", f"import vllm; vllm.worker({mode!r}, {compiles!r}); vllm._answer()")
        self.pid = self.child.process.pid

    def wait(self):
        if not self.child.wait():
            raise Exception("WorkerProc initialization failed due to an exception in a background process.")


def core(mode, compiles, has_worker=False):
    if not has_worker:
        _load_and_compile(mode, compiles)
        return None
    worker = Worker()
    worker.start(mode, compiles)
    worker.wait()
    allocate_cache()
    return worker.child


def worker(mode, compiles):
    _load_and_compile(mode, compiles)


def _load_and_compile(mode, compiles):
    load_weights(mode)
    build_graph({"recompile": "always", "recompile_in_place": "in place"}.get(mode, compiles))


def _read_model():
    for path in _files(os.environ.get("FAKE_MODEL", "")):
        with open(path, "rb") as file:
            while file.read(1 << 20):
                pass


def load_weights(mode):
    _stage("load_weights")
    time.sleep(0.01)
    _read_model()
    if mode == "crash":
        raise ValueError("the checkpoint is damaged")
    if mode in ("hang", "stubborn"):
        code = f"import vllm; vllm._sleep_for_ever({mode == 'stubborn'})"
        subprocess.Popen([sys.executable, "-c", code])
        _sleep_for_ever(mode == "stubborn")


def build_graph(compiles):
    folder = os.environ["TORCHINDUCTOR_CACHE_DIR"]
    old = _files(folder)
    if compiles == "always" or (compiles == "once" and not old):
        compile_graph(os.path.join(folder, f"kernel{len(old)}.so"))
    if compiles == "in place":
        compile_graph(os.path.join(folder, "kernel0.so"))
    with open(os.path.join(os.environ["TMPDIR"], "header.h"), "w") as file:
        file.write("scratch")


def compile_graph(kernel):
    with open(kernel, "w") as file:
        file.write("compiled")
    _stage("compile")


def allocate_cache():
    _stage("kv_cache")


def read_config(mode):
    print("INFO 11-20 12:00:00.000 [front.py:1] NEW: Init Tokenizer took 0.29 seconds", flush=True)
    _stage("config")
    if mode == "reads_first":
        _read_model()
    if mode == "finds_another_cache":
        print("Directly load the compiled graph(s) for dynamic shape from the cache, took 0.1 s", flush=True)
    if mode == "sigkill":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "silent":
        os._exit(0)
    if mode == "orphan":
        script = "import subprocess, sys; subprocess.Popen(sys.argv[1:], start_new_session=True)"
        code = "import vllm; vllm._sleep_for_ever(False)"
        subprocess.run([sys.executable, "-c", script, sys.executable, "-c", code], check=True)
        while not _noted("hanging"):
            time.sleep(0.005)


class LLM:
    def __init__(self, **arguments):
        global MODE
        control = _control()
        self.mode = MODE = _next_mode(control)
        caches = {name: _files(os.environ[name]) for name in CACHES}
        _note("start", arguments=arguments, environ=dict(os.environ), cwd=os.getcwd(), caches=caches)
        os.environ["FAKE_MODEL"] = arguments.get("model", "")
        read_config(self.mode)
        if control["processes"] == 1:
            self.child = core(self.mode, control["compiles"])
            return
        core_process = Core()
        core_process.start(self.mode, control["compiles"], control["processes"])
        if self.mode == "stubborn":
            _sleep_for_ever(True)
        core_process.wait()
        self.child = core_process.child
        atexit.register(self._end)

    def _end(self):
        _stage("end")
        if self.child:
            self.child.end()

    def generate(self, _prompts, params, **_options):
        _stage("token")
        if self.child and not self.child.ask():
            raise RuntimeError("EngineCore encountered an issue. See stack trace (above) for the root cause.")

        class Result:
            token_ids = [] if self.mode == "no_token" else list(range(42, 42 + params.max_tokens))
            outputs = ()

        Result.outputs = (Result,)
        return [Result]


if "COLDSTART_TRACE_DIR" in os.environ:
    MODE = MODE or _next_mode(_control())
    _stage("imports")
