"""Looking up hook targets in sources, without importing them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engine.bindings import bindings, import_source, qualified_names
from harness.engine.hook_check import GoneHook, gone_hooks, standard_library
from harness.spec.hooks import Hook

SOURCES = {
    "pkg/__init__.py": "from .core import Engine as TheEngine\nfrom .stars import *\nfrom absent import Thing\n",
    "pkg/core.py": """
import sys
from pkg.helpers import helper

if sys.platform == "linux":
    def guarded(): ...
else:
    guarded = None

try:
    from fast import tried
except ImportError:
    def tried(): ...

class Base:
    def inherited(self): ...

class Engine(Base):
    with open("x") as f:
        def in_block(self): ...
    async def serve(self): ...
    @staticmethod
    def start(): ...
    alias = start
    declared: int
    class Inner:
        def method(self): ...

def outer():
    def nested(): ...
""",
    "pkg/helpers.py": "def helper(): ...\n",
    "pkg/stars.py": "from .helpers import *\ndef starred(): ...\n",
    "pkg/loop_a.py": "from pkg.loop_b import *\nfrom pkg.loop_b import Loop\n",
    "pkg/loop_b.py": "from pkg.loop_a import *\nfrom pkg.loop_a import Loop\n",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    for path, text in SOURCES.items():
        (site / path).parent.mkdir(exist_ok=True)
        (site / path).write_text(text)
    (site / "pkg" / "fast.cpython-311-x86_64-linux-gnu.so").write_bytes(b"\x7fELF")
    return site


def look_up(site: Path, module: str, name: str, optional: bool = False) -> GoneHook | None:
    hook = Hook(module=module, name=name, kind="container", why="a test", optional=optional)
    found = gone_hooks([hook], [site, standard_library(None)])
    return found[0] if found else None


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("pkg.core", "guarded"),
        ("pkg.core", "tried"),
        ("pkg.core", "helper"),  # imported: the module's own name for it
        ("pkg.core", "outer"),
        ("pkg.core", "Engine.start"),
        ("pkg.core", "Engine.serve"),
        ("pkg.core", "Engine.alias"),
        ("pkg.core", "Engine.in_block"),
        ("pkg.core", "Engine.Inner.method"),
        ("pkg", "TheEngine.start"),  # re-exported under another name
        ("pkg", "starred"),
        ("pkg", "helper"),  # through two star imports
        ("pkg", "Thing.anything"),  # from a package that is not here: it cannot be told
        ("subprocess", "Popen.communicate"),  # standard library
        ("multiprocessing.popen_fork", "Popen._launch"),
        ("gc", "collect"),  # built into the interpreter
    ],
)
def test_a_target_that_the_tracer_could_replace_is_found(site: Path, module: str, name: str) -> None:
    assert look_up(site, module, name) is None


@pytest.mark.parametrize(
    ("module", "name", "problem", "nearest"),
    [
        ("pkg.core", "Engine.begin_start", "no such name", "Engine.start"),
        ("pkg.core", "Engin.start", "no class 'Engin'", "Engine.start"),
        ("pkg.core", "Engine.declared", "no such name", "Engine.serve"),
        ("pkg.core", "nested", "no such name", None),
        ("pkg.core", "Engine.inherited", "inherited, so not this class's to replace", "Base.inherited"),
        ("pkg.cores", "Engine.start", "no such module", "pkg.core"),
        ("no_such_package.core", "f", "no such module", None),
        ("pkg.fast", "f", "in a compiled extension, which cannot be looked up or hooked", None),
        ("pkg.loop_a", "Loop.f", "no class 'Loop'", None),
        ("pkg.loop_a", "f", "no such name", None),
        ("gc", "colect", "no such name", None),
    ],
)
def test_a_target_that_is_gone_is_reported_with_the_nearest_name(
    site: Path, module: str, name: str, problem: str, nearest: str | None
) -> None:
    found = look_up(site, module, name)
    assert found is not None
    assert (found.problem, found.nearest) == (problem, nearest)


def test_what_is_added_up_may_be_inherited_from_a_class_that_is_not_there_to_be_read(site: Path) -> None:
    span = {"module": "pkg.core", "kind": "work", "why": "a test"}
    added = {**span, "many": True, "part": "x", "within": "pkg.core:outer"}
    names = ("Engine.inherited", "Engine.of_a_base", "Base.of_no_base", "Engine.Gone.x")
    gone = gone_hooks([Hook(name=name, **added) for name in names], [site])  # type: ignore[arg-type]
    assert [hook.name for hook in gone] == ["Base.of_no_base", "Engine.Gone.x"]


def test_the_report_is_one_line_and_keeps_whether_the_hook_is_optional(site: Path) -> None:
    found = look_up(site, "pkg.core", "Engine.begin_start", optional=True)
    assert found is not None
    assert found.optional
    assert str(found) == "pkg.core:Engine.begin_start: no such name; nearest: Engine.start"


@given(
    package=st.lists(st.sampled_from("abc"), min_size=1, max_size=4),
    level=st.integers(0, 4),
    tail=st.sampled_from(["", "x", "x.y"]),
)
def test_relative_imports_resolve_as_python_resolves_them(package: list[str], level: int, tail: str) -> None:
    from ast import parse
    from importlib.util import resolve_name

    if level > len(package) or not (level or tail):
        return
    statement = parse(f"from {'.' * level}{tail} import thing as other").body[0]
    expected = resolve_name("." * level + tail, ".".join(package)) if level else tail
    assert import_source(statement, "other", ".".join([*package, "module"]), False) == (expected, "thing")
    assert import_source(statement, "other", ".".join(package), True) == (expected, "thing")
    assert import_source(statement, "absent", ".".join(package), True) is None


@given(st.lists(st.sampled_from(["def", "async def", "class"]), min_size=1, max_size=5), st.data())
def test_a_definition_is_found_however_deep_the_blocks_around_it_are(kinds: list[str], data: st.DataObject) -> None:
    from ast import parse

    lines = []
    for index, kind in enumerate(kinds):
        blocks = data.draw(st.lists(st.sampled_from(["if x:", "else:", "try:", "for i in x:", "with x:"]), max_size=3))
        opened = 0
        for block in blocks:
            if block == "else:":
                lines += ["    " * opened + "if x:", "    " * (opened + 1) + "pass"]
            lines.append("    " * opened + block)
            opened += 1
        lines.append("    " * opened + f"{kind} name_{index}{'' if kind == 'class' else '()'}: pass")
        lines += [
            "    " * (opened - 1 - back) + "finally: pass" for back, b in enumerate(reversed(blocks)) if b == "try:"
        ]
    tree = parse("\n".join(lines))
    wanted = {f"name_{index}" for index in range(len(kinds))}
    assert wanted == set(bindings(tree)) - {"i"}
    assert wanted == set(qualified_names(tree))
