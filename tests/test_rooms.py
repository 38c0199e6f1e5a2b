"""The rooms of the harness: who may import whom, by syntax tree. The rules are those of ARCHITECTURE.md."""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAX_LINES = 250

OURS = ("harness", "experiments", "figures")
ENGINE_PACKAGES = ("vllm", "torch", "transformers", "tokenizers", "ray", "triton")
PROCESSES = ("subprocess", "psutil", "signal", "multiprocessing", "resource", "pty")
ACTING_ROOMS = ("harness.engine", "harness.state", "harness.measure")
BELOW_COMMANDS = (*ACTING_ROOMS, "harness.analyse", "harness.record", "harness.spec", "harness.traces", "experiments")
STATISTICS = ("statistics", "scipy", "numpy", "pandas")
CLOCKS = ("time",)
# Calls that read a clock or act on processes without an import that would say so.
ACTS = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "os": {"system", "popen", "fork", "kill", "killpg", "times"} | {f"exec{s}" for s in ("l", "le", "v", "ve", "vp")},
}

# Doors that touch the world only to hand on to the rooms that do: file → what it may import.
DOORS = {
    "harness/bootstrap.py": {"subprocess"},  # makes .venv before any of ours can be imported
    "experiments/model_free/worker_replay.py": {"multiprocessing"},  # forks itself once vLLM is imported
    "experiments/prefix_routing/worker_deploy.py": {"signal"},  # is told to stop, and then stops Ray
}


def imported(tree: ast.Module, path: PurePosixPath) -> Iterator[str]:
    """Dotted names that a file imports anywhere: ``from a import b`` gives a and a.b."""
    package = list(path.parent.parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            around = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*around, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node)[-1:] in (["import_module"], ["__import__"]):
            yield from (str(argument.value) for argument in node.args[:1] if isinstance(argument, ast.Constant))


def _called(node: ast.Call) -> list[str]:
    """``["os", "system"]`` of the call ``os.system(…)``; empty if it is not a plain name."""
    names: list[str] = []
    function = node.func
    while isinstance(function, ast.Attribute):
        names.insert(0, function.attr)
        function = function.value
    return [function.id, *names] if isinstance(function, ast.Name) else []


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


Rule = Callable[[PurePosixPath, set[str], ast.Module], Iterator[str]]


def record_stands_alone(path: PurePosixPath, names: set[str], _: ast.Module) -> Iterator[str]:
    """``record`` imports nothing of ours but itself, and nothing but the standard library."""
    if within(_module(path), ("harness.record",)):
        for name in names:
            if within(name, OURS) and name != "harness" and not within(name, ("harness.record",)):
                yield f"record imports {name}"
            if name.partition(".")[0] not in (*sys.stdlib_module_names, *OURS):
                yield f"record imports {name}, which is not in the standard library"


def pure_rooms_are_pure(path: PurePosixPath, names: set[str], tree: ast.Module) -> Iterator[str]:
    """``analyse``, ``show`` and ``traces`` touch no engine, process or clock."""
    if not within(_module(path), ("harness.analyse", "harness.show", "harness.traces")):
        return
    forbidden = (*ENGINE_PACKAGES, *PROCESSES, *CLOCKS, *ACTING_ROOMS, "experiments")
    yield from (f"a pure room imports {name}" for name in names if within(name, forbidden))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and len(called := _called(node)) >= 2 and called[-1] in ACTS.get(called[-2], ()):
            yield f"a pure room calls {'.'.join(called)}"


def studies_do_not_plot(path: PurePosixPath, names: set[str], _: ast.Module) -> Iterator[str]:
    """``experiments/`` never plots."""
    if path.parts[0] == "experiments":
        yield from (f"a study imports {name}" for name in names if within(name, ("harness.show", "matplotlib")))


def engines_are_imported_by_workers(path: PurePosixPath, names: set[str], _: ast.Module) -> Iterator[str]:
    """What imports an engine is a worker; it brings only ``harness.record``, siblings and the model-free engine."""
    worker = path.name.startswith("worker_")
    if not worker:
        yield from (f"imports {name} outside a worker" for name in names if within(name, ENGINE_PACKAGES))
        return
    allowed = ("harness.record", ".".join((*path.parent.parts, "worker_")), "experiments.model_free.worker_")
    for name in names:
        inside = within(name, ("harness.record",)) or name.startswith(allowed[1:])
        if within(name, OURS) and not inside and not any(allowed_name.startswith(name) for allowed_name in allowed):
            yield f"a worker imports {name}"
    if path.parts[0] != "experiments":
        yield "a worker lies outside its study's folder"


def plots_only_draw(path: PurePosixPath, names: set[str], _: ast.Module) -> Iterator[str]:
    """A figure's ``plot.py`` reaches no engine and computes no statistic."""
    if path.parts[0] == "figures":
        forbidden = (*ACTING_ROOMS, *STATISTICS, *PROCESSES)
        yield from (f"a plot imports {name}" for name in names if within(name, forbidden))


def nothing_below_asks_a_command(path: PurePosixPath, names: set[str], _: ast.Module) -> Iterator[str]:
    """Commands use the rooms, never the other way round; what is shown may name the type of a command's answer."""
    if within(_module(path), BELOW_COMMANDS):
        yield from (f"imports {name}" for name in names if within(name, ("harness.commands", "harness.cli")))


def only_acting_rooms_act(path: PurePosixPath, names: set[str], _: ast.Module) -> Iterator[str]:
    """Only engine, state and measure start, look at or signal processes."""
    if within(_module(path), ACTING_ROOMS):
        return
    allowed = DOORS.get(str(path), set())
    acting = (name for name in names if within(name, PROCESSES))
    yield from (f"imports {name}" for name in acting if name.partition(".")[0] not in allowed)


def _module(path: PurePosixPath) -> str:
    return ".".join(path.with_suffix("").parts)


RULES: tuple[Rule, ...] = (
    record_stands_alone,
    pure_rooms_are_pure,
    studies_do_not_plot,
    engines_are_imported_by_workers,
    plots_only_draw,
    nothing_below_asks_a_command,
    only_acting_rooms_act,
)


def violations(path: str, source: str) -> list[str]:
    """Every rule that this file breaks."""
    relative = PurePosixPath(path)
    tree = ast.parse(source)
    names = set(imported(tree, relative))
    return [f"{rule.__name__}: {found}" for rule in RULES for found in sorted(rule(relative, names, tree))]


def sources() -> list[str]:
    """Our Python files, relative to the root."""
    folders = (ROOT / name for name in OURS)
    found = [path for folder in folders for path in folder.rglob("*.py") if "__pycache__" not in path.parts]
    return sorted(path.relative_to(ROOT).as_posix() for path in [*found, *ROOT.glob("*.py")])


@pytest.mark.parametrize("path", sources())
def test_every_file_keeps_to_its_room(path: str):
    assert violations(path, (ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "source", "rule"),
    [
        ("harness/record/run.py", "from harness.errors import HarnessError", "record_stands_alone"),
        ("harness/record/run.py", "from .. import errors", "record_stands_alone"),
        ("harness/record/run.py", "from ..spec import pin", "record_stands_alone"),
        ("harness/record/run.py", "def f():\n    import pydantic", "record_stands_alone"),
        ("harness/analyse/stats.py", "import subprocess", "pure_rooms_are_pure"),
        ("harness/analyse/stats.py", "from time import monotonic", "pure_rooms_are_pure"),
        ("harness/analyse/stats.py", "from datetime import datetime\ndatetime.now()", "pure_rooms_are_pure"),
        ("harness/analyse/stats.py", "import datetime\ndatetime.datetime.utcnow()", "pure_rooms_are_pure"),
        ("harness/analyse/stats.py", "import os\nos.system('true')", "pure_rooms_are_pure"),
        ("harness/analyse/stats.py", "from harness.measure import one_run", "pure_rooms_are_pure"),
        ("harness/show/style.py", "from harness import engine", "pure_rooms_are_pure"),
        ("harness/traces/arrivals.py", "import time", "pure_rooms_are_pure"),
        ("harness/traces/check.py", "import tokenizers", "pure_rooms_are_pure"),
        ("harness/show/style.py", "import torch.nn", "pure_rooms_are_pure"),
        ("experiments/cold_start/study.py", "from matplotlib import pyplot", "studies_do_not_plot"),
        ("experiments/cold_start/study.py", "import harness.show.style", "studies_do_not_plot"),
        ("experiments/cold_start/study.py", "import vllm", "engines_are_imported_by_workers"),
        ("harness/engine/twin.py", "def f():\n    import transformers", "engines_are_imported_by_workers"),
        ("download_models.py", "__import__('torch')", "engines_are_imported_by_workers"),
        ("experiments/a/worker_a.py", "from harness.spec.pin import load_pin", "engines_are_imported_by_workers"),
        ("experiments/a/worker_a.py", "from experiments.b.worker_b import f", "engines_are_imported_by_workers"),
        ("experiments/a/worker_a.py", "from experiments.a import study", "engines_are_imported_by_workers"),
        ("harness/engine/worker_a.py", "import vllm", "engines_are_imported_by_workers"),
        ("figures/figure-2/plot.py", "import harness.engine.detect", "plots_only_draw"),
        ("figures/figure-2/plot.py", "from scipy import stats", "plots_only_draw"),
        ("harness/spec/pin.py", "import subprocess", "only_acting_rooms_act"),
        ("harness/measure/session.py", "from harness.commands.figure import plan", "nothing_below_asks_a_command"),
        ("harness/engine/patching.py", "import harness.cli.figure", "nothing_below_asks_a_command"),
        ("harness/commands/figure/command.py", "import psutil", "only_acting_rooms_act"),
        ("experiments/cold_start/study.py", "from multiprocessing import Process", "only_acting_rooms_act"),
    ],
)
def test_each_rule_is_broken_by_what_it_forbids(path: str, source: str, rule: str):
    assert rule in {found.partition(":")[0] for found in violations(path, source)}


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("harness/record/run.py", "import json\nfrom harness.record.atomic import write_json\nfrom . import slot"),
        ("harness/analyse/logs.py", "from datetime import datetime\ndatetime(2000, 1, 1)"),
        ("harness/show/style.py", "import os\nos.path.join('a')\nos.environ.get('a')"),
        ("harness/measure/one_run.py", "import subprocess, time\nfrom harness.engine import twin"),
        ("harness/bootstrap.py", "import subprocess"),
        ("experiments/a/worker_a.py", "import vllm\nfrom harness.record import atomic"),
        ("experiments/a/worker_a.py", "from experiments.a.worker_b import f\nfrom experiments.a import worker_b"),
        ("experiments/a/worker_a.py", "from experiments.model_free.worker_trace import Trace"),
        ("figures/figure-2/plot.py", "from harness.show import style\nfrom harness.analyse import startup"),
    ],
)
def test_no_rule_is_broken_by_what_it_allows(path: str, source: str):
    assert violations(path, source) == []


def test_every_door_is_still_needed():
    for path, packages in DOORS.items():
        names = imported(ast.parse((ROOT / path).read_text(encoding="utf-8")), PurePosixPath(path))
        assert packages <= set(names), f"{path} no longer imports {packages}"


@pytest.mark.parametrize("path", sources())
def test_every_module_says_what_it_is_and_fits_on_a_few_screens(path: str):
    text = (ROOT / path).read_text(encoding="utf-8")
    assert (ast.get_docstring(ast.parse(text)) or "").strip()
    assert len(text.splitlines()) <= MAX_LINES


SERVING = ("_serving.py", "_serving_cost.py", "_serving_window.py")


def what_runs(text: str) -> ast.Module:
    """The syntax tree without what only mypy reads."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return tree


def test_the_tracer_imports_nothing_but_the_standard_library_and_is_no_larger():
    folder = ROOT / "patches" / "tracer" / "coldstart_tracer"
    cheap = {"_frozen_importlib", "_json", "_thread", "atexit", "gc", "os", "sys", "time", "coldstart_tracer"}
    for path in folder.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        names = {name.partition(".")[0] for name in imported(what_runs(text), PurePosixPath(path.name))}
        # Loaded only while serving is traced, and by then the engine has all of these.
        allowed = cheap | {"asyncio", "collections", "json", "socket", "threading"} if path.name in SERVING else cheap
        assert names <= allowed, f"{path.name} imports {names - allowed}: each costs every process of the engine"
        assert len(text.splitlines()) <= MAX_LINES


@pytest.mark.parametrize("declaration", sorted(ROOT.glob("figures/figure-*/figure.yaml")), ids=lambda p: p.parent.name)
def test_every_declared_figure_has_a_plot_beside_it(declaration: Path):
    assert (declaration.parent / "plot.py").is_file()


def test_every_plot_belongs_to_a_declared_figure():
    for plot in ROOT.glob("figures/*/plot.py"):
        assert (plot.parent / "figure.yaml").is_file()
        assert plot.parent.name.startswith("figure-")
