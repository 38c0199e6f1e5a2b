"""Hooks of context managers: the span is the ``with`` block, or each call of what it decorates."""

import pytest

from tests.tracer.world import World, hook, spans_of

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
