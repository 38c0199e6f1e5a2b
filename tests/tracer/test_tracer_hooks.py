"""Hooks: what a hooked function looks like, what its span says, and what happens when the hook itself fails.

Over 300 lines: one short real program per claim, and the claims belong together.
"""

import json

import pytest

from tests.tracer.world import World, span_of, spans_of


def hook(name: str, **columns: object) -> dict[str, object]:
    return {"module": "toy", "name": name, **columns}


def test_a_wrapper_keeps_name_doc_signature_attributes_and_pickles_by_reference(world: World):
    world.module(
        "toy",
        """
        import functools

        def work(a, /, b: int = 2, *rest, c=3, **more) -> str:
            '''Works.'''
            return a, b, rest, c, more
        work.mark = "kept"

        @functools.cache
        def cached(number):
            '''Cached.'''
            return object()

        class Engine:
            def method(self, x): '''Method.'''
        """,
    )
    world.hooks(*(hook(name, phase="config") for name in ("work", "cached", "Engine.method")))
    program = """
        import inspect, json, pickle, toy
        found = []
        for wrapper in (toy.work, toy.cached, toy.Engine.method):
            original = wrapper.__wrapped__
            found.append([
                original is not wrapper,
                (wrapper.__name__, wrapper.__qualname__) == (original.__name__, original.__qualname__),
                (wrapper.__module__, wrapper.__doc__) == (original.__module__, original.__doc__),
                inspect.signature(wrapper) == inspect.signature(original),
                getattr(wrapper, "__annotations__", None) == getattr(original, "__annotations__", None),
                pickle.loads(pickle.dumps(wrapper)) is wrapper,
            ])
        first = toy.cached(1)
        kept = toy.cached(1) is first
        toy.cached.cache_clear()
        print(json.dumps([found, toy.work.mark, toy.work(1, 5, 6, c=7, d=8), kept, toy.cached(1) is not first,
                          toy.cached.cache_info().misses]))
    """
    found, mark, value, kept, cleared, misses = world.run(program).value
    assert found == [[True] * 6] * 3
    assert mark == "kept"
    assert value == [1, 5, [6], 7, {"d": 8}]
    assert (kept, cleared, misses) == (True, True, 1)


def test_an_exception_passes_through_unchanged_and_its_span_says_raised(world: World):
    world.module(
        "toy",
        """
        error = KeyError("mine")
        def fails():
            raise error
        def leaves():
            raise SystemExit(3)
        """,
    )
    world.hooks(hook("fails", phase="config"), hook("leaves", phase="config"))
    program = """
        import json, toy
        try:
            toy.fails()
        except KeyError as error:
            print(json.dumps([error is toy.error, error.__context__, error.__cause__]), flush=True)
        toy.leaves()
    """
    done = world.run(program)
    assert json.loads(done.out) == [True, None, None]
    assert (done.code, done.err) == (3, "")
    process = world.process()
    assert span_of(process, "fails").attrs["raised"] == "KeyError"
    assert span_of(process, "leaves").attrs["raised"] == "SystemExit"
    assert all(span_of(process, name).end_ns for name in ("fails", "leaves"))


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


def test_a_graph_that_is_handed_over_leaves_its_size_as_it_was_before_the_call(world: World):
    world.module(
        "toy",
        """
        from types import SimpleNamespace
        class Graph:
            def __init__(self, nodes, code):
                self.nodes, self.code = nodes, code
            def python_code(self, root):
                return SimpleNamespace(src=self.code)
        class Output:
            def compile(self, module, inputs=None):
                module.graph.nodes.clear()
                module.graph.code = ""
        """,
    )
    world.hooks(hook("Output.compile", phase="dynamo_transform_time", graph=1))
    program = """
        import toy
        for given in (toy.SimpleNamespace(graph=toy.Graph([1, 2, 3], "déf")),), (object(),), ():
            try:
                toy.Output().compile(*given)
            except (AttributeError, TypeError):
                pass
    """
    assert world.run(program).code == 0
    process = world.process()
    sizes = [(s.attrs.get("graph_nodes"), s.attrs.get("graph_code_bytes")) for s in spans_of(process, "Output.compile")]
    assert sizes == [(3, 4), (None, None)]  # of what is no graph there is no span, and what is absent has no size
    assert [note["hook"] for note in process.notes("hook error")] == ["Output.compile"]


def test_the_detail_names_the_span_and_its_prefix_chooses_the_phase(world: World):
    world.module(
        "toy",
        """
        def call(self, method=None):
            pass
        def load_model():
            pass
        class Thing:
            pass
        """,
    )
    phases = {"load_model": "load_weights", "load": "model_init", "warm": "warmup"}
    world.hooks(hook("call", detail=1, phase="config", phases=phases))
    program = r"""
        import toy
        awkward = '"\\\n\ud800' + "x" * 200
        for method in ("load_model", "loading", "warm_up", "other", toy.load_model, toy.Thing(), awkward):
            toy.call(None, method)
        toy.call(None)
        toy.call(None, method="load_model")
    """
    assert world.run(program).code == 0
    found = [(span.attrs.get("detail"), span.attrs["phase"]) for span in spans_of(world.process(), "call")]
    assert found == [
        ("load_model", "load_weights"),
        ("loading", "model_init"),
        ("warm_up", "warmup"),
        ("other", "config"),
        ("load_model", "load_weights"),
        ("Thing", "config"),
        ('"\\\n?' + "x" * 96, "config"),  # read with ? for half a character pair, which no file could hold
        (None, "config"),
        (None, "config"),
    ]


def test_min_ms_keeps_short_calls_out_of_the_file_and_long_ones_in(world: World):
    world.module("toy", "import time\ndef work(seconds):\n    time.sleep(seconds)\n    inner()\ndef inner(): pass\n")
    world.hooks(hook("work", phase="config", min_ms=300), hook("inner", phase="config"))
    world.run("import toy; toy.work(0); toy.work(0.35); toy.work(0)")
    process = world.process()
    long = span_of(process, "work")
    assert long.end_ns - long.begin_ns >= 300_000_000
    assert len(spans_of(process, "inner")) == 3
    assert [line["end_ns"] for line in world.lines(process) if line.get("name") == "work"] == [long.end_ns]


CONTEXT = """
    import contextlib

    log = []

    @contextlib.contextmanager
    def block(name, fails=False):
        '''A block.'''
        log.append("enter " + name)
        if fails:
            raise OSError("at enter")
        try:
            yield name
        except KeyError:
            log.append("caught")
        finally:
            log.append("leave " + name)

    def inner():
        return "inner"
    def ready():
        pass
"""


@pytest.fixture
def context(world: World) -> World:
    world.module("toy", CONTEXT)
    world.hooks(
        hook("block", phase="warmup", context=True, detail=0),
        hook("inner", phase="config"),
        hook("ready", disarm="after"),
    )
    return world


def test_a_context_hook_spans_the_with_block_and_leaves_its_meaning_alone(context: World):
    program = """
        import json, toy
        with toy.block("a") as value:
            toy.inner()
        with toy.block("b"):
            raise KeyError
        made = toy.block("never entered")
        try:
            with toy.block("c", fails=True):
                toy.inner()
        except OSError as error:
            failure = str(error)
        toy.inner()
        print(json.dumps([value, failure, toy.log, toy.block.__doc__]))
    """
    value, failure, log, doc = context.run(program).value
    assert (value, failure, doc) == ("a", "at enter", "A block.")
    assert log == ["enter a", "leave a", "enter b", "caught", "leave b", "enter c"]
    process = context.process()
    a, b, c = spans_of(process, "block")
    assert [span.attrs["detail"] for span in (a, b, c)] == ["a", "b", "c"]
    assert [span.attrs.get("raised") for span in (a, b, c)] == [None, "KeyError", "OSError"]
    first, second = spans_of(process, "inner")
    assert a.begin_ns <= first.begin_ns < first.end_ns <= a.end_ns
    assert c.end_ns <= second.begin_ns


def test_a_context_hook_used_as_a_decorator_spans_each_call_until_disarmed(context: World):
    program = """
        import json, toy
        @toy.block("d")
        def work(x):
            '''Works.'''
            toy.inner()
            return x
        values = [work(1), work(2)]
        toy.ready()
        values.append(work(3))
        print(json.dumps([values, toy.log, work.__name__, work.__doc__]))
    """
    values, log, name, doc = context.run(program).value
    assert values == [1, 2, 3]
    assert log == ["enter d", "leave d"] * 3
    assert (name, doc) == ("work", "Works.")
    assert [span.attrs["detail"] for span in spans_of(context.process(), "block")] == ["d", "d"]


@pytest.mark.parametrize(("asked", "waits"), [("1", 2), ("0", 0)])
def test_a_sync_hook_waits_for_the_accelerator_inside_its_span_when_asked(world: World, asked: str, waits: int):
    world.module(
        "torch",
        """
        import time

        class cuda:
            at = []

            def is_initialized():
                return True

            def synchronize():
                time.sleep(0.02)
                cuda.at.append(time.monotonic_ns())
                if len(cuda.at) == 2:
                    raise RuntimeError("device lost")
        """,
    )
    world.module("toy", "def work(): return 'worked'\n")
    world.hooks(hook("work", phase="warmup", sync=True))
    program = "import json, torch, toy; toy.work(); toy.work(); print(json.dumps(torch.cuda.at))"
    at = world.run(program, env={"COLDSTART_TRACE_SYNC": asked}).value
    assert len(at) == waits
    process = world.process()
    spans = spans_of(process, "work")
    assert len(spans) == 2
    assert all(span.begin_ns < ns < span.end_ns for span, ns in zip(spans, at, strict=False))
    assert len(process.notes("hook error")) == (1 if waits else 0)


def test_spans_of_two_threads_do_not_mix(world: World):
    world.module(
        "toy",
        """
        import threading
        barrier = threading.Barrier(2)
        def outer(): barrier.wait(); inner(); barrier.wait()
        def inner(): barrier.wait()
        """,
    )
    world.hooks(hook("outer", kind="container"), hook("inner", phase="config"))
    program = """
        import json, threading, toy
        thread = threading.Thread(target=toy.outer)
        thread.start()
        toy.outer()
        thread.join()
        print(json.dumps([threading.main_thread().native_id, thread.native_id]))
    """
    tids = world.run(program).value
    process = world.process()
    assert tids[0] == process.pid
    for name in ("outer", "inner"):
        assert sorted(span.tid for span in spans_of(process, name)) == sorted(tids)
        assert all(span.end_ns for span in spans_of(process, name))
    outer = {span.tid: span for span in spans_of(process, "outer")}
    inner = {span.tid: span for span in spans_of(process, "inner")}
    for tid in tids:
        assert outer[tid].begin_ns <= inner[tid].begin_ns < inner[tid].end_ns <= outer[tid].end_ns
    slices = process.main_thread(process.exec_ns, process.exec_ns + 10**12)
    assert {span.tid for piece in slices for span in piece.stack} == {process.pid}


COLLECT = """
    import gc

    def outer(inner):
        inner()

    def collect():
        cycles = []
        for _ in range(100_000):
            cycle = []
            cycle.append(cycle)
            cycles.append(cycle)
        gc.collect()
"""


@pytest.mark.parametrize("min_ms", [0, 60_000])
def test_a_garbage_collection_is_an_attribute_of_the_span_it_interrupts(world: World, min_ms: float):
    world.module("toy", COLLECT)
    world.hooks(hook("outer", kind="container"), hook("collect", phase="warmup", min_ms=min_ms))
    assert world.run("import toy; toy.outer(toy.collect); toy.outer(str)").code == 0
    process = world.process()
    interrupted = spans_of(process, "outer")[0] if min_ms else span_of(process, "collect")
    assert interrupted.attrs["gc"]
    for begin_ns, end_ns, generation in interrupted.attrs["gc"]:
        assert interrupted.begin_ns <= begin_ns < end_ns <= interrupted.end_ns
        assert end_ns - begin_ns >= 1_000_000
        assert generation in (0, 1, 2)
    others = [span for span in process.spans if span is not interrupted and span.kind != "note"]
    assert not any("gc" in span.attrs for span in others if span.begin_ns >= interrupted.begin_ns)
    assert {span.name for span in others if "import" not in span.name} <= {"outer", "interpreter exit"}
