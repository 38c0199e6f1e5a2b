"""A hook whose target is missing, cannot be wrapped, or fails: it is noted, and the program does not notice."""

import pytest

from tests.tracer.world import World, hook, span_of


@pytest.mark.parametrize(
    ("name", "loaded_before"),
    [("gone", False), ("Engine.gone", False), ("NoClass.method", False), ("Child.inherited", False), ("gone", True)],
)
def test_a_hook_whose_target_is_missing_is_noted_and_the_others_are_set(world: World, name: str, loaded_before: bool):
    world.module(
        "toy",
        """
        class Engine:
            def inherited(self): pass
        class Child(Engine):
            pass
        def work():
            return "worked"
        """,
    )
    world.hooks(hook(name, phase="config"), hook("work", phase="config"))
    if loaded_before:  # by a site hook that runs before ours
        site = world.folder / "sitecustomize.py"
        site.write_bytes(b"import toy\n" + site.read_bytes())
    done = world.run("import toy; print(toy.work(), toy.Child().inherited())")
    assert (done.code, done.out, done.err) == (0, "worked None\n", "")
    process = world.process()
    [note] = process.notes("hook failed")
    assert (note["module"], note["hook"]) == ("toy", name)
    assert "Error" in note["error"]
    assert span_of(process, "work").end_ns is not None


def test_an_optional_hook_may_be_missing_without_a_note(world: World):
    world.module("toy", "")
    world.hooks(hook("gone", phase="config", optional=True))
    assert world.run("import toy").code == 0
    assert world.process().notes("hook failed") == []


@pytest.mark.parametrize(
    ("source", "use"),
    [
        ("class target: pass", "isinstance(toy.target(), toy.target)"),
        ("class C:\n    target = property(lambda self: True)", "toy.C().target"),
        ("def target(): yield True", "inspect.isgeneratorfunction(toy.target)"),
        ("async def target(): yield True", "inspect.isasyncgenfunction(toy.target)"),
        ("target = 7", "toy.target == 7"),
    ],
)
def test_what_a_wrapper_cannot_stand_in_for_is_left_as_it_is_and_noted(world: World, source: str, use: str):
    world.module("toy", source + "\n")
    name = "C.target" if source.startswith("class C") else "target"
    world.hooks(hook(name, phase="config"))
    assert world.run(f"import inspect, json, toy; print(json.dumps({use}))").value is True
    assert [note["hook"] for note in world.process().notes("hook failed")] == [name]


AWKWARD = """
    class Awkward:
        '''Breaks whatever looks at it.'''
        @property
        def pid(self):
            raise RuntimeError("no pid for you")
        @property
        def __name__(self):
            raise RuntimeError("no name for you")

    class Worse(Exception):
        def __repr__(self):
            raise RuntimeError("no text for you")

    class Worst:
        @property
        def pid(self):
            raise Worse

    def outer(inner, *args):
        return inner(*args)
    def target(thing, then=str):
        then()
        return "worked"
    def ready():
        pass
"""


@pytest.mark.parametrize(
    "columns",
    [
        {"detail": 0, "phase": "config"},
        {"kind": "wait", "waits_for": "child"},
        {"starts_child": True, "phase": "process_spawn"},
        {"starts_child": True, "min_ms": 1000},
    ],
    ids=str,
)
@pytest.mark.parametrize("thing", ["toy.Awkward()", "toy.Worst()"])
def test_a_hook_that_fails_is_noted_and_its_span_still_ends(world: World, columns: dict, thing: str):
    world.module("toy", AWKWARD)
    world.hooks(hook("target", **columns), hook("outer", kind="container"), hook("ready", disarm="after"))
    done = world.run(f"import toy; print(toy.outer(toy.target, {thing})); toy.ready()")
    assert (done.code, done.out, done.err) == (0, "worked\n", "")
    process = world.process()
    failed = {note["hook"] for note in process.notes("hook error")}
    assert failed == (set() if "detail" in columns and thing == "toy.Worst()" else {"target"})
    assert [span.name for span in process.spans if span.end_ns is None] == []
    assert len(process.notes("tracer disarmed")) == 1


def test_a_hook_that_fails_gives_children_their_parents_role_back_and_passes_exceptions_on(world: World):
    world.module("toy", AWKWARD)
    world.hooks(hook("target", child_role="engine", starts_child=True))
    program = """
        import json, os, toy
        roles = []
        def then():
            roles.append(os.environ["COLDSTART_TRACE_ROLE"])
            raise LookupError("unchanged")
        try:
            toy.target(toy.Awkward(), then)
        except LookupError as error:
            print(json.dumps([roles, os.environ["COLDSTART_TRACE_ROLE"], error.args]))
    """
    assert world.run(program).value == [["engine"], "child", ["unchanged"]]
    assert span_of(world.process(), "target").attrs["raised"] == "LookupError"
