"""What does not belong to a call alone: the accelerator's work, other threads, garbage collections."""

import pytest

from tests.tracer.world import World, hook, span_of, spans_of


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
