"""Calls that are too many for spans: when their functions are replaced, what is added up, and where it ends up."""

import pytest

from tests.tracer.parts_toy import LOAD, TOY, WITHIN, many
from tests.tracer.world import World, span_of


@pytest.fixture
def toy(world: World) -> World:
    world.module("toy", TOY)
    return world


def test_calls_are_added_up_by_part_in_the_open_span_each_without_what_lies_inside(toy: World):
    toy.hooks(LOAD, *many())
    inside = toy.run("import json, toy; print(json.dumps([toy.load(3, seconds=0.02), toy.is_replaced()]))").value
    assert inside == [[True, True, "function"], [False, False, "type"]]
    span = span_of(toy.process(), "load")
    parts = span.attrs["parts"]
    assert {name: part["calls"] for name, part in parts.items()} == {"copy cpu to cuda": 3, "deserialise": 4, "open": 1}
    assert parts["copy cpu to cuda"]["bytes"] == 3000
    assert parts["copy cpu to cuda"]["read_bytes"] == 0
    assert "bytes" not in parts["deserialise"]
    assert "read_bytes" not in parts["open"]
    assert parts["copy cpu to cuda"]["ns"] >= 30e6
    assert parts["deserialise"]["ns"] >= 60e6
    assert parts["open"]["ns"] >= 20e6
    assert sum(part["ns"] for part in parts.values()) <= span.end_ns - span.begin_ns
    assert [s.name for s in toy.process().spans if s.name in ("weights", "Tensor.copy_", "Opened")] == []


def test_nothing_stays_replaced_after_an_exception_and_the_span_still_has_its_parts(toy: World):
    toy.hooks(LOAD, *many())
    program = """
        import json, toy
        before = toy.Base.copy_, toy.weights, toy.Opened
        try:
            toy.load(2, fails=True)
        except KeyError as error:
            text = str(error)
        print(json.dumps([text, before == (toy.Tensor.copy_, toy.weights, toy.Opened), toy.is_replaced()]))
    """
    assert toy.run(program).value == ["'no weight'", True, [False, False, "type"]]
    assert span_of(toy.process(), "load").attrs["parts"]["copy cpu to cuda"]["calls"] == 2


def test_a_span_inside_a_call_keeps_its_time_and_an_import_its_calls(toy: World):
    toy.module("slow", "import time, toy\ntime.sleep(0.05)\ntoy.Opened('inside')\n")
    outer = {"module": "toy", "name": "load_with", "phase": "load_weights"}
    parse = {"module": "toy", "name": "parse", "part": "parse"}
    helper = {"module": "toy", "name": "helper", "phase": "config"}
    toy.hooks(outer, helper, *many("toy:load_with", parse))
    program = """
        import toy
        def both(text):
            toy.parse(text)
            import slow
            toy.Opened("outside")
        toy.load_with(both, "x")
    """
    assert toy.run(program).code == 0
    process = toy.process()
    parts = span_of(process, "load_with").attrs["parts"]
    assert parts["parse"]["calls"] == 1
    assert 30e6 <= parts["parse"]["ns"] < 69e6, "without the 40 ms of the span inside"
    assert parts["open"]["calls"] == 1, "what an import calls is the import's"
    assert "parts" not in span_of(process, "helper").attrs


def test_a_call_belongs_to_the_innermost_span_of_its_own_thread(toy: World):
    inner = {"module": "toy", "name": "load", "phase": "load_weights"}
    outer = {"module": "toy", "name": "load_with", "kind": "container"}
    toy.hooks(outer, inner, *many("toy:load_with"))
    program = """
        import threading, toy
        def both():
            toy.load(2)
            toy.Opened("outer")
            thread = threading.Thread(target=toy.Opened, args=("no span is open there",))
            thread.start()
            thread.join()
        toy.load_with(both)
    """
    assert toy.run(program).code == 0
    process = toy.process()
    assert span_of(process, "load").attrs["parts"]["copy cpu to cuda"]["calls"] == 2
    assert {name: part["calls"] for name, part in span_of(process, "load_with").attrs["parts"].items()} == {"open": 1}


def test_windows_that_overlap_set_a_function_once_and_the_last_takes_it_out(toy: World):
    outer = {"module": "toy", "name": "load_with", "kind": "container"}
    toy.hooks(outer, LOAD, *many(), *many("toy:load_with"))
    program = """
        import json, toy
        print(json.dumps(toy.load_with(lambda: [toy.load(1), toy.is_replaced()]) + [toy.is_replaced()]))
    """
    assert toy.run(program).value == [[True, True, "function"], [True, True, "function"], [False, False, "type"]]
    assert span_of(toy.process(), "load").attrs["parts"]["copy cpu to cuda"]["calls"] == 1


@pytest.mark.parametrize("end", ["toy.ready()", "os._exit(0) if os.fork() == 0 and not check() else os.wait()"])
def test_a_process_that_is_ready_and_a_forked_child_have_nothing_replaced(toy: World, end: str):
    outer = {"module": "toy", "name": "load_with", "phase": "load_weights"}
    toy.hooks(outer, {"module": "toy", "name": "ready", "disarm": "after"}, *many("toy:load_with"))
    program = f"""
        import os, sys, toy
        def check():
            print(toy.is_replaced(), flush=True)
        def within():
            check()
            {end}
            check()
        toy.load_with(within)
        check()
    """
    done = toy.run(program)
    assert (done.code, done.err) == (0, "")
    replaced, child_or_ready, *rest = done.out.splitlines()
    assert replaced == "[True, True, 'function']"
    assert child_or_ready == "[False, False, 'type']"
    assert rest[-1] == "[False, False, 'type']"


def test_what_other_code_replaced_meanwhile_is_left(toy: World):
    outer = {"module": "toy", "name": "load_with", "phase": "load_weights"}
    toy.hooks(outer, *many("toy:load_with"))
    program = """
        import json, toy
        mine = lambda self, other: "mine"
        toy.load_with(setattr, toy.Tensor, "copy_", mine)
        print(json.dumps(toy.Tensor(0).copy_(None)))
    """
    assert toy.run(program).value == "mine"


def test_a_generator_that_is_added_up_sends_throws_closes_and_returns_as_before(toy: World):
    toy.module(
        "maker",
        """
        def make():
            log = []
            try:
                got = yield 1
                log.append(got)
                try:
                    yield 2
                except KeyError:
                    log.append("caught")
                yield log
            finally:
                closed.append(True)
            return "returned"
        closed = []
        def use():
            made = make()
            values = [next(made), made.send("sent"), made.throw(KeyError()), next(made, "done")]
            half = make()
            next(half)
            half.close()
            def all_of():
                return (yield from make())
            whole = all_of()
            seen = []
            try:
                while True:
                    seen.append(next(whole))
            except StopIteration as end:
                seen.append(end.value)
            return values, closed, seen
        """,
    )
    use = {"module": "maker", "name": "use", "phase": "load_weights"}
    added = {"module": "maker", "name": "make", "part": "make", "many": True, "items": True, "within": "maker:use"}
    toy.hooks(use, added)
    program = "import json, maker; print(json.dumps([maker.use.__wrapped__(), maker.closed.clear(), maker.use()]))"
    plain, _, traced = toy.run(program).value
    plain[1] = traced[1] = len(traced[1])
    assert traced == plain
    assert span_of(toy.process(), "use").attrs["parts"]["make"]["calls"] == 9


@pytest.mark.parametrize(
    ("added", "error"),
    [
        ({"name": "gone"}, "StopIteration"),
        ({"name": "weights"}, "TypeError"),
        ({"name": "parse", "items": True}, "TypeError"),
        ({"module": "never_loaded", "name": "x"}, "KeyError"),
    ],
)
def test_what_cannot_be_added_up_is_noted_once_and_the_rest_is(toy: World, added: dict, error: str):
    hook = {"module": "toy", "part": "x", "many": True, "within": WITHIN, **added}
    others = [each for each in many() if each["name"] != added["name"]]
    toy.hooks(LOAD, hook, *others)
    assert toy.run("import toy; toy.load(1); toy.load(1)").code == 0
    process = toy.process()
    [note] = process.notes("hook failed")
    assert (note["module"], note["hook"]) == (hook["module"], hook["name"])
    assert error in note["error"]
    assert all("copy cpu to cuda" in span.attrs["parts"] for span in process.spans if span.name == "load")


def test_a_part_of_an_ordinary_span_is_named_by_its_detail_if_that_is_given_by_position(world: World):
    world.module("toy", "def capture(self, size=None):\n    pass\n")
    world.hooks({"module": "toy", "name": "capture", "detail": 1, "part": "{detail}"})
    calls = "toy.capture(0, 512); toy.capture(0, 'x'); toy.capture(0); toy.capture(0, size=256)"
    assert world.run(f"import toy; {calls}").code == 0
    spans = [span for span in world.process().spans if span.name == "capture"]
    assert [span.attrs.get("part") for span in spans] == ["512", "x", None, None]
    assert [span.attrs.get("detail") for span in spans] == ["512", "x", None, None]


def test_a_call_that_is_added_up_and_gives_no_detail_is_in_no_part(world: World):
    world.module(
        "toy",
        """
        import time
        slept_ns = []
        def work(name=None, inner=None):
            began = time.monotonic_ns()
            time.sleep(0.02)
            slept_ns.append(time.monotonic_ns() - began)
            if inner: inner()
        def load():
            work("a", inner=lambda: work(name="b"))
            work(name="c")
        """,
    )
    added = {"name": "work", "part": "{detail}", "detail": 0, "many": True, "within": WITHIN, "module": "toy"}
    world.hooks(LOAD, added)
    _, inside_ns, after_ns = world.run("import json, toy; toy.load(); print(json.dumps(toy.slept_ns))").value
    load = span_of(world.process(), "load")
    assert {name: part["calls"] for name, part in load.attrs["parts"].items()} == {"a": 1}
    own_ns = load.attrs["parts"]["a"]["ns"]
    assert 20e6 <= own_ns <= load.end_ns - load.begin_ns - inside_ns - after_ns, "without what lies inside"


def test_more_parts_than_a_span_may_have_are_one(world: World):
    world.module("toy", "def work(self, name): pass\ndef load():\n    for n in range(300): work(0, n)\n")
    added = {"name": "work", "part": "{detail}", "detail": 1, "many": True, "within": WITHIN, "module": "toy"}
    world.hooks(LOAD, added)
    assert world.run("import toy; toy.load()").code == 0
    parts = span_of(world.process(), "load").attrs["parts"]
    assert len(parts) == 201
    assert parts["more"]["calls"] == 100


def test_a_call_costs_microseconds_that_the_tracer_counts_as_its_own(world: World):
    world.module("toy", "def work(self): pass\ndef load():\n    for n in range(20_000): work(0)\ndef ready(): pass\n")
    added = {"module": "toy", "name": "work", "part": "work", "many": True, "within": WITHIN}
    world.hooks(LOAD, added, {"module": "toy", "name": "ready", "disarm": "after"})
    assert world.run("import toy; toy.load(); toy.ready()").code == 0
    process = world.process()
    load = span_of(process, "load")
    own_ns = process.notes("tracer disarmed")[0]["self_ns"]
    took_ns = load.end_ns - load.begin_ns
    print(f"{took_ns / 20_000:.0f} ns a call, of which {own_ns / 20_000:.0f} ns are told as the tracer's")
    assert load.attrs["parts"]["work"]["calls"] == 20_000
    assert load.attrs["parts"]["work"]["ns"] + own_ns > 0.3 * took_ns
