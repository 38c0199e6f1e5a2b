"""A fake engine: a real interpreter, a real process tree and real spans, in a tenth of a second.

``engines/fake/`` looks like an installed environment: an interpreter, a ``vllm`` and a ``torch`` package, and the real
tracer with a small hook table, loaded by its ``.pth``. A start has one to three processes. What it does is read
from ``control.json`` beside the packages, not from the environment, so that it can change between the runs of one
case; every start appends what it saw to ``journal.jsonl``.
"""

import contextlib
import json
import os
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from harness.engine.environment import Engine
from harness.engine.patch_set import PACKAGE, PTH, PTH_TEXT
from harness.measure.case import declared_environment, figure_environment
from harness.measure.one_run import Case, Place, execute
from harness.measure.session import CaseSession, Progress, measure, open_session
from harness.measure.start import OfflineStart
from harness.record.run import Run, read_run
from harness.record.store import CaseStore
from harness.spec.hooks import load_hooks
from harness.spec.pin import PATCHES, Pin
from harness.state.sandbox import Sandbox
from harness.workspace import Workspace

CACHES = ("TMPDIR", "VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
NODE: dict[str, Any] = {"id": "node-test", "cpu_model": "a test"}
VERSION = "1.2.3"

VLLM = (Path(__file__).parent / "fake_vllm_package.py").read_text()
FAULTS = (Path(__file__).parent / "fake_faults.py").read_text()
HOOKS = (Path(__file__).parent / "fake_hooks.toml").read_text()


@dataclass(frozen=True)
class FakeEngine:
    """The fake engine below ``root``, which is a workspace of its own."""

    root: Path
    engine: Engine
    timeout_s: float = 20.0
    processes: int = 2  # 1: the engine core's work is done in the front end, which is twice as fast; 3: in a worker

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root)

    def behave(self, *modes: str, compiles: str = "once", **facts: str | int) -> None:
        """From now on: what each start does, one after the other, the last one for ever after.

        ``compiles``: a start puts a compiled object into the cache ``once`` (if there is none) or ``always``.
        ``facts``: what a fault (fake_faults.py) needs to know.
        """
        control = {"modes": modes, "compiles": compiles, "processes": self.processes, "from": len(self.starts())}
        control["facts"] = facts
        (self.engine.site_packages / "control.json").write_text(json.dumps(control))

    def journal(self, event: str) -> list[dict[str, Any]]:
        """What the engine's processes noted: ``start`` by every front end, ``hanging`` by each that hangs."""
        path = self.engine.site_packages / "journal.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [entry for entry in map(json.loads, lines) if entry["event"] == event]

    def starts(self) -> list[dict[str, Any]]:
        """One entry per start: ``arguments``, ``environ``, ``cwd``, and the files it found in its ``caches``."""
        return self.journal("start")

    def case(
        self, name: str = "fake-00000000", parameters: dict[str, Any] | None = None, eager: bool = False, **changes: Any
    ) -> Case:
        """A case of the cold-start study on this engine: an offline start, unless ``changes`` has another one."""
        case = Case(
            name=name,
            label="fake",
            definition={"study": "cold_start", "model": "fake", "parameters": {}, "eager": False, "name": name},
            engine_facts={"pin": self.engine.pin.name, "version": VERSION},
            model_facts={"name": "fake", "twin": True, "revision": None, "files_sha256": "0" * 64},
            start=OfflineStart(self.engine.python, self.root / "models" / "fake", parameters or {}, eager),
            environment=figure_environment(self.engine.pin),
            declared=declared_environment(self.engine.pin),
            timeout_s=self.timeout_s,
        )
        return replace(case, **changes)

    def session(
        self, iterations: int, case: Case | None = None, again: bool = False, node: dict[str, Any] | None = None
    ) -> CaseSession:
        """The case's session, as the figure command opens it."""
        return open_session(case or self.case(), self.workspace, node or NODE, iterations, again)

    def measure(self, *sessions: CaseSession) -> list[Run]:
        """Measure what is missing in ``sessions``; returns the runs made."""
        return measure(list(sessions), NODE, Progress(*[lambda *_: None] * 3))

    def start(self, kind: str = "warmup", **changes: Any) -> Run:
        """One run outside any session's plan; the record is what was stored, not what was returned."""
        place = Place("s1", self.store(), Sandbox(self.root / "caches"), NODE)
        run = execute(self.case(**changes), kind, place, lambda _: None)
        stored = read_run(self.folder(run))
        assert stored == run
        return stored

    def folder(self, run: Run) -> Path:
        """Where a run of ``start`` is stored."""
        return self.store().run_folder(run.session, run.run)

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
        ("vllm/faults.py", FAULTS),
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


def end_for_certain(pids: list[int]) -> None:
    """Kill those of ``pids`` that are still a fake engine's processes: what a failed test left."""
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if any("/engines/fake/" in part for part in process.cmdline()):  # and not a new process of that number
                process.kill()
