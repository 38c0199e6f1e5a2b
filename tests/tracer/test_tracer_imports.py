"""Imports are spans: every one that takes time, by package, wherever it happens. Nothing else about them changes."""

import pytest

from harness.analyse.spans import Process, Span
from tests.tracer.world import World, span_of, spans_of

SLEEP = "import time; time.sleep({})\n"


def imports(process: Process) -> list[Span]:
    return [span for span in process.spans if span.package is not None]


def inside(inner: Span, outer: Span) -> bool:
    assert inner.end_ns is not None
    assert outer.end_ns is not None
    return outer.begin_ns <= inner.begin_ns < inner.end_ns <= outer.end_ns


def test_imports_are_nested_spans_with_their_top_level_package(world: World):
    world.module("alpha/__init__", "import beta\nfrom alpha import sub\n" + SLEEP.format(0.002))
    world.module("alpha/sub", SLEEP.format(0.003))
    world.module("beta", SLEEP.format(0.002))
    world.run("import alpha")
    process = world.process()
    alpha, beta, sub = (span_of(process, f"import {name}") for name in ("alpha", "beta", "alpha.sub"))
    assert [span.package for span in (alpha, beta, sub)] == ["alpha", "beta", "alpha"]
    assert {span.kind for span in (alpha, beta, sub)} == {"work"}
    assert inside(beta, alpha)
    assert inside(sub, alpha)
    assert not inside(sub, beta)
    begin = next(line for line in world.lines(process) if line.get("name") == "import alpha")
    assert begin["end_ns"] is None  # the outermost one announces itself


def test_short_imports_are_left_to_the_import_around_them(world: World):
    names = [f"m{number}" for number in range(40)]
    world.module("pack/__init__", "".join(f"import pack.{name}\nimport other_{name}\n" for name in names))
    for name in names:
        world.module(f"pack/{name}", "")
        world.module(f"other_{name}", "")
    world.run("import pack", trace=False)  # compiles them: then each takes about 0.2 ms
    world.run("import pack")
    process = world.process()
    pack = span_of(process, "import pack")
    nested = [span for span in imports(process) if span is not pack and inside(span, pack)]
    for span in nested:
        assert (span.end_ns or 0) - span.begin_ns >= (1_000_000 if span.package == "pack" else 200_000)
    assert len([span for span in nested if span.package == "pack"]) < len(names)


def test_an_outermost_import_has_a_span_however_short_it_is(world: World):
    world.module("tiny", "")
    world.run("import tiny")
    assert span_of(world.process(), "import tiny").end_ns is not None


def test_a_lazy_import_inside_a_hooked_function_is_seen_once(world: World):
    world.module("toy", "def work():\n    import lazy\n    return lazy.value\n")
    world.module("lazy", SLEEP.format(0.002) + "value = 1\n")
    world.hooks({"module": "toy", "name": "work", "phase": "config"})
    world.run("import toy; toy.work(); toy.work()")
    process = world.process()
    first, second = spans_of(process, "work")
    assert inside(span_of(process, "import lazy"), first)
    assert not any(inside(span, second) for span in imports(process))


def test_an_import_that_fails_ends_its_span_and_looks_as_it_does_without_the_tracer(world: World):
    world.module("broken", "import time\ntime.sleep(0.001)\nraise ValueError('broken module')\n")
    world.module("around", "import broken\n")
    for statement in ("import around", "import missing.thing", "import importlib as i; i.import_module('missing')"):
        traced, plain = world.run(statement), world.run(statement, trace=False)
        assert traced.code == plain.code == 1
        ours = [line for line in traced.err.splitlines() if "_traced_find_and_load" not in line]
        assert ours == plain.err.splitlines()
        assert "coldstart" not in traced.err
    process = world.processes()[0]
    assert inside(span_of(process, "import broken"), span_of(process, "import around"))


def test_a_warning_at_import_names_the_line_that_imports(world: World):
    world.module("old", "import warnings\nwarnings.warn('old is old', DeprecationWarning, stacklevel=2)\n")
    traced = world.run("import old")
    assert "program.py:1: DeprecationWarning: old is old" in traced.err
    assert traced.err == world.run("import old", trace=False).err


def test_hooks_are_set_as_soon_as_a_modules_body_has_run(world: World):
    world.module("toy", "def work(): pass\n")
    world.module("user", "from toy import work\nwork()\n")
    world.hooks({"module": "toy", "name": "work", "phase": "config"})
    world.run("import user; user.work()")
    assert len(spans_of(world.process(), "work")) == 2


@pytest.mark.parametrize("hooked", ["pack.sub", "pack.deep.er", "later"])
def test_a_module_whose_import_began_before_the_tracer_still_gets_its_hooks(tmp_path, python: str, hooked: str):
    world = World(tmp_path, python, site_hook=False)
    world.module("pack/__init__", "__import__('coldstart_tracer')\n")
    world.module("pack/sub", "def work(): return 'worked'\n")
    world.module("pack/deep/__init__", "")
    world.module("pack/deep/er", "def work(): return 'worked'\n")
    world.module("later", "def work(): return 'worked'\n")
    world.hooks({"module": hooked, "name": "work", "phase": "config"})
    program = f"""
        import pack.sub, pack.deep.er, later
        import {hooked} as module
        print(module.work())
    """
    done = world.run(program)
    assert (done.code, done.out, done.err) == (0, "worked\n", "")
    process = world.process()
    assert span_of(process, "work").end_ns is not None
    assert process.notes("hook failed") == []
    assert process.exec_ns < process.traced_ns < process.exec_ns + 5_000_000_000


def test_a_module_loaded_before_the_tracer_gets_its_hooks_when_it_arms(world: World):
    world.module("toy", "def work(): return 'worked'\n")
    world.hooks({"module": "toy", "name": "work", "phase": "config"})
    site = world.folder / "sitecustomize.py"
    site.write_bytes(b"import toy\n" + site.read_bytes())
    assert world.run("import toy; print(toy.work())").out == "worked\n"
    assert span_of(world.process(), "work").end_ns is not None
