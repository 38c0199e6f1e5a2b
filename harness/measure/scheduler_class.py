"""A scheduler class that somebody names, looked up before an engine is started: seconds, for a typing error."""

import ast
from pathlib import Path

from harness.engine.environment import Engine
from harness.errors import HarnessError
from harness.record.plain import printable
from harness.workspace import ROOT


def scheduler_class(typed: str, engine: Engine) -> str:
    """``package.module.Class`` as vLLM's ``--scheduler-cls`` takes it → ``package.module:Class``.

    Raises:
        HarnessError: neither the checkout nor the engine has this module, or it has no such name.
    """
    module, _, name = typed.rpartition(".")
    shown = f"--scheduler-cls {printable(typed, 100)}"
    if not all(part.isidentifier() for part in typed.split(".")) or not module:
        raise HarnessError(f"{shown}: give it as package.module.Class")
    path = _file_of(module, (ROOT, engine.vllm_dir.parent))
    if path is None:
        raise HarnessError(f"{shown}: neither the checkout nor engine {engine.pin.name} has a module {module}")
    if name not in _names_of(path):
        raise HarnessError(f"{shown}: module {module} has no {name}")
    return f"{module}:{name}"


def _file_of(module: str, roots: tuple[Path, ...]) -> Path | None:
    parts = Path(*module.split("."))
    places = (place for root in roots for place in (root / f"{parts}.py", root / parts / "__init__.py"))
    return next((place for place in places if place.is_file()), None)


def _names_of(path: Path) -> set[str]:
    """What the module defines or imports at its top."""
    found: set[str] = set()
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            found |= {each.asname or each.name for each in node.names}
    return found
