"""Where a hook's phase does not hold: inside work of phases that it yields to."""

import pytest

from tests.tracer.world import World, spans_of

TOY = """
    import gc, threading

    def capture(of): of()
    def size(of): of()
    def compile_(of): of()
    def serve(of): of()
    def wait(of): of()
    def helper(of): of()
    def collect(): gc.collect()
    def in_thread():
        thread = threading.Thread(target=collect)
        thread.start()
        thread.join()
"""

HOOKS = [
    {"module": "gc", "name": "collect", "phase": "gc_freeze", "yields_to": ["graph_capturing", "warmup"]},
    {"module": "toy", "name": "capture", "phase": "graph_capturing"},
    {"module": "toy", "name": "size", "part": "8"},
    {"module": "toy", "name": "compile_", "phase": "graph_compile_cached"},
    {"module": "toy", "name": "serve", "kind": "container"},
    {"module": "toy", "name": "wait", "kind": "wait", "waits_for": "worker"},
    {"module": "toy", "name": "helper", "part": "helper", "many": True, "within": "toy:capture"},
]


@pytest.mark.parametrize(
    ("call", "phase"),
    [
        ("toy.collect()", "gc_freeze"),
        ("toy.capture(toy.collect)", None),
        ("toy.capture(lambda: toy.size(toy.collect))", None),
        ("toy.capture(lambda: toy.helper(toy.collect))", None),
        ("toy.compile_(toy.collect)", "gc_freeze"),
        ("toy.capture(lambda: toy.compile_(toy.collect))", "gc_freeze"),
        ("toy.compile_(lambda: toy.capture(toy.collect))", None),
        ("toy.capture(lambda: toy.serve(toy.collect))", "gc_freeze"),
        ("toy.capture(lambda: toy.wait(toy.collect))", "gc_freeze"),
        ("toy.capture(toy.in_thread)", "gc_freeze"),
        ("toy.capture(lambda: __import__('collects'))", "gc_freeze"),
    ],
)
def test_a_call_keeps_the_phase_of_the_work_right_around_it_if_its_hook_yields_to_that(
    world: World, call: str, phase: str | None
):
    world.module("toy", TOY)
    world.module("collects", "import toy\ntoy.collect()\n")
    world.hooks(*HOOKS)
    done = world.run(f"import toy; {call}")
    assert (done.code, done.err) == (0, "")
    process = world.process()
    [span] = spans_of(process, "collect")
    assert span.attrs.get("phase") == phase
    assert process.notes("hook error") == []


def test_a_phase_that_the_detail_chose_yields_too(world: World):
    world.module("toy", "def around(of): of()\ndef stage(name): pass\n")
    stage = {"module": "toy", "name": "stage", "detail": 0, "phases": {"gc": "gc_freeze"}, "yields_to": ["warmup"]}
    world.hooks({"module": "toy", "name": "around", "phase": "warmup"}, stage)
    assert world.run("import toy; toy.stage('gc'); toy.around(lambda: toy.stage('gc'))").code == 0
    assert [span.attrs.get("phase") for span in spans_of(world.process(), "stage")] == ["gc_freeze", None]
