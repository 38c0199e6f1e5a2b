"""A throw-away checkout, to type commands in as a user does without touching this checkout's store and engines.

It holds copies of this checkout's source files, and a ``.venv`` of links to the environment that runs the tests. With a
fake engine (tests/measure) the whole of ``bash run_figure.sh 2`` takes two seconds.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from harness.spec.figure import load_figure
from harness.workspace import ROOT, Workspace
from tests.measure.fake_engine import HOOKS, FakeEngine, fake_pin, make_fake_engine

MODELS = ("tiny", "small")
TOOLS = ("bash", "dirname", "env", "git", "g++", "cat")  # what the scripts may need from PATH, besides Python


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The error, which must be one line and no traceback."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: "), self.err
        return lines[0].removeprefix("error: ")


Call = Callable[..., Done]  # what is typed after a command


@dataclass(frozen=True)
class Checkout:
    """A checkout below a temporary folder."""

    root: Path

    def environment(self, **variables: str) -> dict[str, str]:
        """What a login shell has, without the HARNESS_ variables of who runs the tests."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        # The terminal's width must not break lines, and the Python that runs the tests is the one that made .venv/.
        # Whether the machine is quiet is of no matter here.
        own = {"COLUMNS": "400", "HARNESS_PYTHON": sys.executable, "HARNESS_QUIET_WAIT": "0"}
        return {**kept, **own, **variables}

    def run(self, *command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> Done:
        """Run a command in the checkout."""
        environment = self.environment() if env is None else env
        done = subprocess.run(
            command, cwd=cwd or self.root, env=environment, capture_output=True, text=True, timeout=60
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def figure(self, *arguments: str, **variables: str) -> Done:
        """``bash run_figure.sh ARGUMENTS``, without looking at the environment first."""
        return self.run(".venv/bin/python", "-m", "harness", "figure", *arguments, env=self.environment(**variables))

    def files(self) -> dict[str, bytes]:
        """Every file that a command could have changed: all but locks, bytecode and what links lead to."""
        found = [path for path in self.root.rglob("*") if path.is_file() and not path.is_symlink()]
        kept = [path for path in found if "__pycache__" not in path.parts and not path.name.endswith(".lock")]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in kept}


def make_checkout(root: Path, venv: bool = True) -> Checkout:
    """Copy the source files; with ``venv``, give it an environment."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("needs a git checkout to know which files are source")
    for name in listed.stdout.split("\0"):
        if name and not name.startswith("tests/") and (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
            if name.endswith(".py"):
                _copy_bytecode(ROOT / name, root / name)
    if venv:
        link_venv(root)
    return Checkout(root)


def _copy_bytecode(source: Path, copy: Path) -> None:
    """Bytecode, if there is some: to compile all modules anew takes a checkout's first command two seconds."""
    cached = Path(importlib.util.cache_from_source(str(source)))
    if cached.is_file():
        there = Path(importlib.util.cache_from_source(str(copy)))
        there.parent.mkdir(exist_ok=True)
        shutil.copy2(cached, there)


def link_venv(root: Path) -> None:
    """Give a checkout a complete ``.venv``."""
    if not (Path(sys.prefix) / "pyvenv.cfg").exists():
        pytest.skip("needs to be run in .venv/: bash run_tests.sh")
    (root / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (root / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    requirements = (root / "requirements.txt").read_bytes()
    (root / ".venv" / ".complete").write_text(hashlib.sha256(requirements).hexdigest())


def add_fake_engine(checkout: Checkout, timeout_s: float = 20.0, plot: bool = False) -> FakeEngine:
    """Make ``--engine fake`` work there, and figure 2 a matter of a second: two models that are only a configuration.

    Without ``plot``, figure 2's plot.py only notes that it was run: drawing takes longer than all the rest.
    """
    pin = fake_pin()
    folder = checkout.root / "patches" / pin.name
    folder.mkdir()
    (folder / "pin.yaml").write_text(yaml.safe_dump(pin.model_dump(mode="json")))
    (folder / "requirements.lock").write_text("")
    (folder / "hooks.toml").write_text(HOOKS)
    fake = make_fake_engine(checkout.root, traced=False)
    lock_sha256 = hashlib.sha256(b"" + pin.torch.encode()).hexdigest()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    fake.engine.stamp.write_text(json.dumps({"lock_sha256": lock_sha256, "python": python}))
    _declare_models(checkout)
    figure = load_figure("2", Workspace(checkout.root)).model_dump(mode="json")
    figure |= {"models": ["tiny"], "iterations": 2, "timeout_s": timeout_s, "parameters_on": {}}
    folder = checkout.root / "figures" / "figure-2"
    (folder / "figure.yaml").write_text(yaml.safe_dump(figure, sort_keys=False))
    if not plot:
        (folder / "plot.py").write_text("from pathlib import Path\n\nPath(__file__).with_name('drawn').touch()\n")
    return fake


def _declare_models(checkout: Checkout) -> None:
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "num_hidden_layers": 1,
        "hidden_size": 8,
        "num_attention_heads": 2,
        "vocab_size": 16,
    }
    entry = {
        "hub_id": "test/tiny",
        "revision": None,
        "gated": False,
        "parameters_billion": 0.001,
        "tokenizer_mb": None,
        "compiled_graph_kb": None,
        "checkpoint": {"tensor_bytes": 2, "files": 1},
        "tokenizer": {"file_bytes": 1, "special_tokens": 1, "merges": None},
        "config": config,
        "twin": {"hidden_size": 4},
        "sources": dict.fromkeys(
            ("hub_id", "gated", "parameters_billion", "checkpoint", "tokenizer", "config"), "this test"
        ),
    }
    (checkout.root / "models.yaml").write_text(yaml.safe_dump({"models": dict.fromkeys(MODELS, entry)}))
    for name in MODELS:
        model = checkout.root / "models" / name
        model.mkdir(parents=True)
        (model / "config.json").write_text(json.dumps(config))
        (model / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")  # no tensors


def forget_runs(fake: FakeEngine) -> None:
    """Make a checkout as it was before anything was measured in it."""
    for folder in (fake.workspace.runs, fake.workspace.caches, fake.workspace.figure("2") / "node0"):
        shutil.rmtree(folder, ignore_errors=True)
    (fake.workspace.figure("2") / "drawn").unlink(missing_ok=True)
    (fake.engine.site_packages / "journal.jsonl").unlink(missing_ok=True)
    fake.behave("ok")


def tool_folder(folder: Path, *without: str, python: Path | None = None) -> Path:
    """A folder that can be the whole of PATH: links to the tools that the scripts need, except those in ``without``."""
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        if tool not in without and found is not None:
            (folder / tool).symlink_to(found)
    if python is not None:
        (folder / "python3").symlink_to(python)
    return folder
