"""Look up the targets of a hook table in the engine's sources, by syntax tree: nothing of the engine is imported.

The tracer replaces an attribute of a module or class by a wrapper, so a target counts as there when the module binds
the name (a definition, an assignment, or an import of it), or the class itself does. A method that a class only
inherits cannot be replaced in that class: it is reported, with the class that has it. A function that is added up
(``many``) may be inherited: it is replaced for a while and deleted again.
"""

import difflib
import importlib
import subprocess
import sys
import sysconfig
from ast import ClassDef, Module, Name, parse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.engine.bindings import bindings, import_source, qualified_names
from harness.errors import HarnessError
from harness.spec.hooks import Hook
from harness.spec.serving_hooks import ServingHook

Scopes = list[Module | ClassDef]
Problem = tuple[str, str | None]  # what is wrong, and the nearest name that exists


@dataclass(frozen=True)
class GoneHook:
    """A hook whose target was not found."""

    module: str
    name: str
    problem: str
    nearest: str | None  # the most similar name that exists
    optional: bool
    disarm: bool = False  # it tells that its process is ready

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
        raise HarnessError(f"{python}: does not run (exit code {done.returncode}); reinstall the engine")
    return Path(done.stdout.strip())


def gone_hooks(hooks: Iterable[Hook | ServingHook], roots: Sequence[Path]) -> list[GoneHook]:
    """The hooks whose target is not found in ``roots`` (folders that hold top-level packages)."""
    sources = _Sources(roots)
    found = ((hook, sources.problem(hook.module, hook.name, isinstance(hook, Hook) and hook.many)) for hook in hooks)
    return [
        GoneHook(hook.module, hook.name, *problem, hook.optional, isinstance(hook, Hook) and hook.disarm is not None)
        for hook, problem in found
        if problem
    ]


class _Sources:
    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = roots
        self.trees: dict[Path, Module | None] = {}

    def problem(
        self, module: str, name: str, inherited: bool = False, followed: frozenset[str] = frozenset()
    ) -> Problem | None:
        """What is wrong with ``module:name``, or None if it is there.

        ``inherited``: a base class, which may be compiled, may have it. ``followed``: modules that sent us here.
        """
        if module in sys.builtin_module_names:  # has no file; part of every interpreter
            return None if hasattr(importlib.import_module(module), name) else ("no such name", None)
        file = self.file(module)
        if file is None:
            return "no such module", self.nearest_module(module)
        if file.suffix != ".py":
            return "in a compiled extension, which cannot be looked up or hooked", None
        tree = self.tree(file)
        if tree is None:
            return f"its file does not parse as Python {sys.version_info.major}.{sys.version_info.minor}", None
        scopes: Scopes = [tree]
        parts = name.split(".")
        for depth, part in enumerate(parts[:-1]):
            bound = [statement for scope in scopes for statement in bindings(scope).get(part, ())]
            scopes = [statement for statement in bound if isinstance(statement, ClassDef)]
            if not scopes:
                sources = [import_source(statement, part, module, _is_package(file)) for statement in bound]
                source = next((source for source in sources if source), None)
                if source is None or source[0] in followed:
                    return f"no class '{part}'", _nearest(name, tree)
                if self.file(source[0]) is None:
                    return None  # re-exported from a package that is not here: it cannot be told
                rest = ".".join([source[1], *parts[depth + 1 :]])
                return self.problem(source[0], rest, inherited, followed | {module})
        if inherited and any(isinstance(scope, ClassDef) and scope.bases for scope in scopes):
            return None
        if any(parts[-1] in bindings(scope) for scope in scopes) or self._starred(module, file, name, followed):
            return None
        return _inherited(parts[-1], scopes, tree) or ("no such name", _nearest(name, tree))

    def _starred(self, module: str, file: Path, name: str, followed: frozenset[str]) -> bool:
        """Whether a star import in ``module`` binds ``name``."""
        tree = self.tree(file)
        stars = bindings(tree).get("*", ()) if tree else ()
        sources = [import_source(statement, "*", module, _is_package(file)) for statement in stars]
        return any(
            self.problem(source[0], name, followed=followed | {module}) is None
            for source in sources
            if source and source[0] not in followed
        )

    def tree(self, file: Path) -> Module | None:
        """The module's syntax tree; None if it is written for another Python."""
        if file not in self.trees:
            self.trees[file] = syntax_tree(file)
        return self.trees[file]

    def file(self, module: str) -> Path | None:
        """The module's source file, or its compiled one."""
        for root in self.roots:
            path = root.joinpath(*module.split("."))
            for candidate in (path / "__init__.py", path.with_name(path.name + ".py")):
                if candidate.is_file():
                    return candidate
            for folder in (path.parent, root / "lib-dynload"):
                if compiled := sorted(folder.glob(f"{path.name}.*.so")):
                    return compiled[0]
        return None

    def nearest_module(self, module: str) -> str | None:
        """The most similar name among the modules of the innermost package that exists."""
        package = module.rpartition(".")[0]
        while package:
            file = self.file(package)
            if file and file.name == "__init__.py":
                inside = {path.stem for path in file.parent.glob("*.py")} - {"__init__"}
                inside |= {path.parent.name for path in file.parent.glob("*/__init__.py")}
                return _closest(module, [f"{package}.{name}" for name in inside])
            package = package.rpartition(".")[0]
        return None


def syntax_tree(file: Path) -> Module | None:
    """The file's syntax tree; None if it does not parse as this Python."""
    try:
        return parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError):  # ValueError: null bytes
        return None


def _is_package(file: Path) -> bool:
    return file.name == "__init__.py"


def _inherited(name: str, scopes: Scopes, tree: Module) -> Problem | None:
    """The base class in the same file that has ``name``, when the class itself has not."""
    for scope in scopes:
        for base in (base.id for base in getattr(scope, "bases", ()) if isinstance(base, Name)):
            for found in bindings(tree).get(base, ()):
                if isinstance(found, ClassDef) and name in bindings(found):
                    return "inherited, so not this class's to replace", f"{base}.{name}"
    return None


def _nearest(name: str, tree: Module) -> str | None:
    return _closest(name, list(qualified_names(tree)))


def _closest(name: str, names: list[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, sorted(names), n=1)), None)
