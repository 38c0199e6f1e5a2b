"""The line of a definition, held against Python's own parser."""

import ast
from pathlib import Path

import pytest

from harness.analyse.source_lines import line_of

TEXT = '''"""A module."""


def function():
    def inner(): ...


class Outer(
    Base,
):
    x = 1

    def other(self):
        def method(): ...

# a comment at the margin
    @decorated
    async def method(self):
        pass

    class Inner:
        def method(self): ...


def method(): ...
'''


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("function", 4),
        ("function.inner", 5),
        ("Outer", 8),
        ("Outer.method", 18),
        ("Outer.Inner.method", 22),
        ("method", 25),
        ("Outer.absent", None),
        ("met", None),
    ],
)
def test_a_definition_is_found_where_it_is(name: str, line: int | None):
    assert line_of(TEXT, name) == line


@pytest.mark.parametrize(
    "path", ["harness/analyse/partition.py", "harness/record/store.py", "harness/engine/guardian.py"]
)
def test_every_definition_of_a_module_is_found_on_the_parsers_line(path: str):
    text = (Path(__file__).resolve().parents[2] / path).read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            assert line_of(text, node.name) == node.lineno
            for inner in ast.iter_child_nodes(node):
                if isinstance(node, ast.ClassDef) and isinstance(inner, ast.FunctionDef):
                    assert line_of(text, f"{node.name}.{inner.name}") == inner.lineno
