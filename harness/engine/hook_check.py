"""Look up the targets of a hook table in the engine's sources, by syntax tree: nothing of the engine is imported.

The tracer replaces an attribute of a module or class by a wrapper, so a target counts as there when the module binds
the name (a definition, an assignment, or an import of it) or the class itself does. A method that a class only inherits
cannot be replaced in that class, and is reported with the class that has it.
"""

import ast
import difflib
import importlib
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.errors import HarnessError
from harness.spec.hooks import Hook

COMPILED_SUFFIXES = (".so", ".pyd")
Scope = ast.Module | ast.ClassDef


@dataclass(frozen=True)
class GoneHook:
    """A hook whose target was not found."""

    module: str
    name: str
    problem: str
    nearest: str | None  # the most similar name that exists
    optional: bool

    def __str__(self) -> str:
        """One line for people."""
        nearest = f"; nearest: {self.nearest}" if self.nearest else ""
        return f"{self.module}:{self.name}: {self.problem}{nearest}"


def standard_library(python: Path | None) -> Path:
    """The folder of the standard library of ``python`` (None: of the running one)."""
    if python is None:
        return Path(sysconfig.get_path("stdlib"))
    code = "import sysconfig; print(sysconfig.get_path('stdlib'))"
    done = subprocess.run([str(python), "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise HarnessError(f"{python}: does not run: {done.stderr.strip().splitlines()[-1:] or done.returncode}")
    return Path(done.stdout.strip())


def gone_hooks(hooks: Iterable[Hook], roots: Sequence[Path]) -> list[GoneHook]:
    """The hooks whose target is not found in ``roots`` (folders that hold top-level packages), with what is nearest."""
    finder = _Finder(roots)
    gone = []
    for hook in hooks:
        found = finder.problem(hook.module, hook.name)
        if found:
            gone.append(GoneHook(hook.module, hook.name, found[0], found[1], hook.optional))
    return gone


class _Finder:
    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = roots
        self.tree = lru_cache(maxsize=None)(self._parse)

    def problem(self, module: str, name: str) -> tuple[str, str | None] | None:
        """What is wrong with ``module:name`` and the nearest name, or None if it is there."""
        if module in sys.builtin_module_names:  # part of the interpreter: no file, the same in every environment
            there = hasattr(importlib.import_module(module), name)
            return None if there else ("not in this built-in module", None)
        file = self._file(module)
        if file is None:
            return "no such module", self._nearest_module(module)
        if file.suffix in COMPILED_SUFFIXES:
            return "a compiled extension, which cannot be looked into or hooked reliably", None
        tree = self.tree(file)
        *path, last = name.split(".")
        scope: Scope = tree
        for part in path:
            bound = _bindings(scope).get(part, [])
            classes = [node for node in bound if isinstance(node, ast.ClassDef)]
            if not classes:
                imported = self._imported(module, file, bound)
                if imported is None:
                    return (f"no class '{part}'", _nearest(name, tree))
                return self.problem(*imported, *[]) if False else self._in_other(imported, name, part)
            scope = classes[-1]
        return None if last in _bindings(scope) else self._missing(name, scope, tree)

    def _in_other(self, imported: tuple[str, str], name: str, part: str) -> tuple[str, str | None] | None:
        module, original = imported
        if self._file(module) is None:
            return None
        rest = name.split(f"{part}.", 1)[1]
        return self.problem(module, f"{original}.{rest}")

    def _missing(self, name: str, scope: Scope, tree: ast.Module) -> tuple[str, str | None]:
        last = name.rpartition(".")[2]
        if isinstance(scope, ast.ClassDef):
            for base in (base.id for base in scope.bases if isinstance(base, ast.Name)):
                for node in _bindings(tree).get(base, []):
                    if isinstance(node, ast.ClassDef) and last in _bindings(node):
                        return f"only inherited, and the tracer replaces what a class has itself; hook {base}.{last}", None
        return "no such name", _nearest(name, tree)
