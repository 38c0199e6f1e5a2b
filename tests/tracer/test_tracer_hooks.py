"""Hooks: what a hooked function looks like, and what its span says."""

import json

from tests.tracer.world import World, hook, span_of, spans_of


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


def test_a_wrapper_of_c_code_has_no_annotations_of_its_own(world: World):
    world.module("toy", "from math import hypot\n")
    world.hooks(hook("hypot", phase="config"))
    program = "import json, toy, typing; print(json.dumps([toy.hypot(3, 4), typing.get_type_hints(toy.hypot)]))"
    assert world.run(program).value == [5, {}]
    assert span_of(world.process(), "hypot").end_ns


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
