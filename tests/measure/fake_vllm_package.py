"""The fake ``vllm`` package: installed as ``vllm/__init__.py``, never imported from here.

A start: LLM() reads a configuration, starts the engine core's process and waits for it; the core loads and compiles.
Modes: ok · recompile (ok, and compiles again) · recompile_in_place (into the same file) · crash (an exception in a
hooked function) · hang · stubborn (hangs and ignores SIGTERM) · no_token · silent (exit 0 without a result) · sigkill
(of itself) · orphan (leaves a process of its own session behind).
"""

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
    build_graph({"recompile": "always", "recompile_in_place": "in place"}.get(mode, compiles))


def load_weights(mode):
    time.sleep(0.01)
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
        while not _noted("hanging"):
            time.sleep(0.005)


class LLM:
    def __init__(self, **arguments):
        control, number = _control(), len(_noted("start"))
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

    def generate(self, *_arguments, **_options):
        class Result:
            token_ids = [] if self.mode == "no_token" else [42]
            outputs = ()

        Result.outputs = (Result,)
        return [Result]
