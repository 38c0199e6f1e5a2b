"""The end of tracing: the interpreter's exit, and what disarming puts back and what it leaves."""

from tests.tracer.world import World, span_of


def test_the_interpreters_exit_begins_before_its_exit_handlers_and_after_its_threads(world: World):
    program = """
        import atexit, threading, time
        atexit.register(time.sleep, 0.03)
        began = time.monotonic_ns()
        thread = threading.Thread(target=time.sleep, args=(0.05,))
        thread.start()
        print(began)
    """
    began_ns = world.run(program).value
    process = world.process()
    leaving = span_of(process, "interpreter exit")
    (left,) = [span for span in process.spans if span.name == "tracer exit"]
    assert leaving.begin_ns - began_ns >= 50_000_000  # a thread that is waited for works: that is no exit
    assert left.begin_ns - leaving.begin_ns >= 29_000_000
    assert leaving.end_ns is None
    assert leaving.attrs == {"phase": "interpreter"}


def test_disarming_leaves_what_others_put_over_it_and_what_they_took_away(world: World):
    world.module("toy", "def ready(): pass\n")
    world.hooks({"module": "toy", "name": "ready", "phase": "config", "disarm": "after"})
    program = """
        import gc, json, threading, toy
        under = threading._shutdown
        threading._shutdown = over = lambda: under()
        gc.callbacks.clear()
        toy.ready()
        print(json.dumps([threading._shutdown is over, gc.callbacks]))
    """
    assert world.run(program).value == [True, []]
    assert len(world.process().notes("tracer disarmed")) == 1
