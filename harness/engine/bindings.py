"""Which names a module or class binds, read from its syntax tree."""

from ast import AST, AnnAssign, Assign, AsyncFunctionDef, ClassDef, FunctionDef, Import, ImportFrom, Module, Name, stmt
from collections.abc import Iterator

Scope = Module | ClassDef


def bindings(scope: Scope) -> dict[str, list[stmt]]:
    """Name → the statements that bind it, inside ``if``, ``try`` and other blocks too.

    ``"*"`` holds the star imports.
    """
    bound: dict[str, list[stmt]] = {}
    for statement in _statements(scope):
        for name in _names(statement):
            bound.setdefault(name, []).append(statement)
    return bound


def qualified_names(scope: Scope, prefix: str = "") -> Iterator[str]:
    """Every function and class, nested classes and methods included, as ``Class.method``."""
    for name, statements in bindings(scope).items():
        for statement in statements:
            if isinstance(statement, FunctionDef | AsyncFunctionDef | ClassDef):
                yield prefix + name
            if isinstance(statement, ClassDef):
                yield from qualified_names(statement, f"{prefix}{name}.")


def import_source(statement: stmt, name: str, module: str, is_package: bool) -> tuple[str, str] | None:
    """(module, original name) of what ``statement`` in ``module`` imports as ``name``; None if it is no such import."""
    if not isinstance(statement, ImportFrom):
        return None
    package = module.split(".") if is_package else module.split(".")[:-1]
    base = package[: len(package) - statement.level + 1] if statement.level else []
    source = ".".join([*base, *([statement.module] if statement.module else [])])
    for alias in statement.names:
        if name in (alias.asname, alias.name):
            return source, alias.name
    return None


def _statements(block: AST) -> Iterator[stmt]:
    """Statements that run when the block does: what is inside functions and classes is not its own."""
    for field in ("body", "handlers", "cases", "orelse", "finalbody"):
        for child in getattr(block, field, ()):
            if isinstance(child, stmt):
                yield child
            if not isinstance(child, FunctionDef | AsyncFunctionDef | ClassDef):
                yield from _statements(child)


def _names(statement: stmt) -> Iterator[str]:
    match statement:
        case FunctionDef() | AsyncFunctionDef() | ClassDef():
            yield statement.name
        case Import():
            yield from (alias.asname or alias.name.split(".")[0] for alias in statement.names)
        case ImportFrom():
            yield from (alias.asname or alias.name for alias in statement.names)
        case Assign():
            yield from (target.id for target in statement.targets if isinstance(target, Name))
        case AnnAssign(target=Name(id=name), value=value) if value is not None:
            yield name
