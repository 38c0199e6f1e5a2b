"""Hooked coroutine functions: a span per step, nothing for what they wait for, and no difference to their callers."""

import itertools

import pytest

from tests.tracer.world import World, spans_of

SERVER = """
    import asyncio

    class Awaited:
        def __await__(self):
            yield from asyncio.sleep(0.03).__await__()
            return "answer"

    class Server:
        async def startup(self, first, *, second=2):
            '''Starts.'''
            answer = await Awaited()
            await asyncio.sleep(0)
            return first, second, answer

        @staticmethod
        async def fails():
            await asyncio.sleep(0)
            raise KeyError("mine")

        @classmethod
        async def waits(cls):
            try:
                await asyncio.sleep(60)
            finally:
                cls.cleaned = True
"""


def hook(name: str, **columns: object) -> dict[str, object]:
    return {"module": "toy", "name": name, "phase": "server_start", **columns}


def test_each_step_is_a_span_and_the_waiting_between_them_is_not(world: World) -> None:
    world.module("toy", SERVER)
    world.hooks(hook("Server.startup"))
    program = """
        import asyncio, json, toy
        print(json.dumps(asyncio.run(toy.Server().startup(1, second=3))))
    """
    assert world.run(program).value == [1, 3, "answer"]
    steps = spans_of(world.process(), "Server.startup")
    assert len(steps) == 3  # up to each of two awaits, and to the end
    assert all(step.end_ns is not None for step in steps)
    assert "raised" not in steps[-1].attrs  # it returned
    waited_ns = steps[1].begin_ns - (steps[0].end_ns or 0)
    assert waited_ns >= 29_000_000


def test_other_tasks_run_between_the_steps_and_their_spans_do_not_nest_in_them(world: World) -> None:
    world.module("toy", SERVER)
    world.hooks(hook("Server.startup"))
    program = """
        import asyncio, json, toy
        async def main():
            return await asyncio.gather(*(toy.Server().startup(n) for n in range(3)))
        print(json.dumps(asyncio.run(main())))
    """
    assert world.run(program).value == [[n, 2, "answer"] for n in range(3)]
    steps = spans_of(world.process(), "Server.startup")
    assert len(steps) == 9
    assert all((a.end_ns or 0) <= b.begin_ns for a, b in itertools.pairwise(steps))


def test_a_wrapped_coroutine_function_is_one_still(world: World) -> None:
    world.module("toy", SERVER)
    world.hooks(hook("Server.startup"), hook("Server.fails"), hook("Server.waits"))
    program = """
        import asyncio, inspect, json, toy
        functions = toy.Server.startup, toy.Server.fails, toy.Server.waits
        coroutine = toy.Server.fails()
        found = [all(map(inspect.iscoroutinefunction, functions)), asyncio.iscoroutine(coroutine),
                 toy.Server.startup.__doc__, list(inspect.signature(toy.Server.startup).parameters)]
        coroutine.close()
        print(json.dumps(found))
    """
    assert world.run(program).value == [True, True, "Starts.", ["self", "first", "second"]]


def test_exceptions_and_cancellation_pass_through_and_are_noted(world: World) -> None:
    world.module("toy", SERVER)
    world.hooks(hook("Server.fails"), hook("Server.waits"))
    program = """
        import asyncio, json, toy
        async def main():
            try:
                await toy.Server.fails()
            except KeyError as error:
                failed = error.args[0]
            task = asyncio.create_task(toy.Server.waits())
            await asyncio.sleep(0.01)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                return failed, "cancelled", toy.Server.cleaned
        print(json.dumps(asyncio.run(main())))
    """
    assert world.run(program).value == ["mine", "cancelled", True]
    assert spans_of(world.process(), "Server.fails")[-1].attrs["raised"] == "KeyError"
    assert spans_of(world.process(), "Server.waits")[-1].attrs["raised"] == "CancelledError"


@pytest.mark.parametrize("steps", [1, 3])
def test_a_coroutine_that_disarms_does_so_when_it_returns(world: World, steps: int) -> None:
    world.module(
        "toy",
        f"""
        import asyncio, sys
        armed = []
        async def answer():
            for _ in range({steps}):
                armed.append(sys.modules["coldstart_tracer._spans"].tracer.armed)
                await asyncio.sleep(0)
            return "200"
        """,
    )
    world.hooks(hook("answer", disarm="after"))
    program = """
        import asyncio, json, toy
        print(json.dumps([asyncio.run(toy.answer()), asyncio.run(toy.answer()), toy.armed]))
    """
    assert world.run(program).value == ["200", "200", [True] * steps + [False] * steps]
    assert len(world.process().notes("tracer disarmed")) == 1
    assert len(spans_of(world.process(), "answer")) == steps + 1
