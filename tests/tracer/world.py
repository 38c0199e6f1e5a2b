"""A world for the tracer: a folder with the tracer, a hook table and toy modules, and real Python processes in it."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

from harness.analyse.spans import Process, Span, read_processes
from harness.engine.patch_set import PTH_TEXT, tracer_sources
from harness.spec.hooks import HookTable
from harness.spec.serving_hooks import ServingTable

# Python's own functions, noted before the tracer is loaded, so that a program can look for what is left of it.
NOTE_ORIGINALS = b"import sys, _frozen_importlib as b; sys.originals = (b._find_and_load, b._load_unlocked)\n"


@cache
def pythons() -> dict[str, str]:
    """Minor version → interpreter: the running one, and every supported one on PATH that works."""
    found = {}
    for name in (sys.executable, "python3.11", "python3.12"):
        path = shutil.which(name)
        if path is None:
            continue
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            found.setdefault(done.stdout.strip(), path)
    return found


def hook(name: str, **columns: object) -> dict[str, object]:
    """A hook of the module ``toy``."""
    return {"module": "toy", "name": name, **columns}


@dataclass
class Done:
    """A program that ended."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """What the program printed last, as JSON."""
        assert self.code == 0, self.err
        return json.loads(self.out.splitlines()[-1])


class World:
    """One test's folder. ``site_hook=False``: nothing loads the tracer before the program does."""

    def __init__(self, root: Path, python: str, site_hook: bool = True) -> None:
        self.python = python
        self.folder = root / "site"
        self.spans = root / "spans"
        self.spans.mkdir(parents=True)
        for path, data in tracer_sources().items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(data)
        if site_hook:
            (self.folder / "sitecustomize.py").write_bytes(NOTE_ORIGINALS + PTH_TEXT)
        self.hooks()

    def hooks(self, *hooks: dict[str, Any]) -> None:
        """Write the hook table in the form that apply_patches.py gives it."""
        table = HookTable.model_validate({"hook": [{"why": "a test", "kind": "work", **hook} for hook in hooks]})
        lines = "".join(f"    {hook.model_dump(exclude_defaults=True)!r},\n" for hook in table.hook)
        (self.folder / "coldstart_tracer" / "hook_table.py").write_text(f"HOOKS = [\n{lines}]\n", encoding="utf-8")

    def serving_hooks(self, *hooks: dict[str, Any], tasks: dict[str, str] | None = None) -> None:
        """Write the serving table in the form that apply_patches.py gives it; ``tasks``: name → stage."""
        named = {"*": "http", **(tasks or {})}
        table = ServingTable.model_validate(
            {
                "hook": [{"why": "a test", "role": "api", "stage": "http", **hook} for hook in hooks],
                "task": [{"name": name, "stage": stage, "why": "a test"} for name, stage in named.items()],
            }
        )
        arrays = {"HOOKS": table.hook, "TASKS": table.task}
        text = "".join(
            f"{name} = {[entry.model_dump(exclude_defaults=True) for entry in entries]!r}\n"
            for name, entries in arrays.items()
        )
        (self.folder / "coldstart_tracer" / "serving_table.py").write_text(text, encoding="utf-8")

    def module(self, name: str, source: str) -> None:
        """Write a toy module (``pkg/__init__`` for a package)."""
        path = self.folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source), encoding="utf-8")

    def popen(self, program: str, trace: bool = True, env: dict[str, str] | None = None, **popen: Any) -> Any:
        """Start ``program`` as a script; its output goes to pipes."""
        script = self.folder / "program.py"
        script.write_text(dedent(program), encoding="utf-8")
        environment = {key: value for key, value in os.environ.items() if not key.startswith("COLDSTART_")}
        environment |= {"PYTHONPATH": str(self.folder)}
        if trace:
            environment["COLDSTART_TRACE_DIR"] = str(self.spans)
        return subprocess.Popen(
            [self.python, str(script)],
            env=environment | (env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **popen,
        )

    def run(self, program: str, trace: bool = True, env: dict[str, str] | None = None, **popen: Any) -> Done:
        """Run ``program`` to its end."""
        with self.popen(program, trace, env, **popen) as process:
            out, err = process.communicate(timeout=60)
        return Done(process.returncode, out, err)

    def processes(self) -> list[Process]:
        """What the tracer wrote, as the harness reads it."""
        return read_processes(self.spans)

    def process(self, role: str = "main") -> Process:
        """The only process of ``role``."""
        found = [process for process in self.processes() if process.role == role]
        assert len(found) == 1, [process.role for process in self.processes()]
        return found[0]

    def lines(self, process: Process) -> list[dict[str, Any]]:
        """Every line of a process's file, header first."""
        text = (self.spans / f"{process.role}-{process.pid}.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


def spans_of(process: Process, name: str) -> list[Span]:
    """The spans called ``name``, by begin."""
    return [span for span in process.spans if span.name == name]


def span_of(process: Process, name: str) -> Span:
    """The only span called ``name``."""
    found = spans_of(process, name)
    assert len(found) == 1, f"{len(found)} spans '{name}' among {[s.name for s in process.spans]}"
    return found[0]
