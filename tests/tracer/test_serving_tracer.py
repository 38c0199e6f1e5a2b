"""Serving hooks: rows in windows and nowhere else, the right work under the right name, callers that notice nothing."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness.errors import MeasurementFailed
from harness.measure.serving_trace import VARIABLE, Sampling, ServingTracers
from tests.tracer.serving_toy import PROGRAM, TOY, Toy
from tests.tracer.serving_toy import toy as toy
from tests.tracer.world import World


def test_calls_make_rows_only_inside_windows_and_work_has_its_own_functions_name(toy: Toy):
    toy.do("toy.outer(0.01)")
    with toy.window("w1"):
        toy.do("assert toy.outer(0.05) == 'answer'")
    toy.do("toy.outer(0.01)")
    with toy.window("w2"):
        pass
    (outer,), (burn,) = toy.rows("w1")["outer"], toy.rows("w1")["burn"]
    assert burn["cpu"] == pytest.approx(50e6, rel=0.1)
    assert outer["cpu"] == pytest.approx(100e6, rel=0.1)
    assert outer["own"] == outer["cpu"] - burn["cpu"]  # what it calls without a hook is its own
    header = toy.lines()[0]
    assert header["hooks"][burn["parent"]]["name"] == "outer"
    assert outer["parent"] == -1
    assert outer["begin"] <= burn["begin"] <= burn["end"] <= outer["end"]
    assert not toy.rows("w2")


def test_a_window_says_what_the_process_and_each_of_its_threads_used(toy: Toy):
    with toy.window("w"):
        toy.do("thread = threading.Thread(target=toy.burn_unhooked, args=(0.04,)); thread.start(); thread.join()")
        toy.do("toy.burn(0.05)")
    window = toy.lines()[-1]
    assert window["main_cpu_ns"] == pytest.approx(50e6, rel=0.3)
    assert window["process_cpu_ns"] >= window["main_cpu_ns"] + 35e6  # a thread that has ended counts, too
    assert window["begin_ns"] < window["end_ns"]
    assert window["events"] == 1
    (main,) = (each for each in window["threads"] if each["tid"] == toy.lines()[0]["main_tid"])
    assert main["cpu_ns"] == pytest.approx(window["main_cpu_ns"], rel=0.3)


def test_a_coroutine_is_timed_by_step_and_a_generator_by_item_under_their_tasks(toy: Toy):
    toy.do("toy.result = None")
    with toy.window("w", Sampling(0.2, 0.4, 0)):
        for _ in range(4):  # so that some of it is in a detail interval, in which tasks make rows
            toy.do("toy.result = asyncio.run(toy.main())")
    toy.do("assert toy.result == ['answer', [0, 1, 2]], toy.result")
    rows = toy.rows("w")
    assert len(rows["coroutine"]) == 4 * 2
    assert len(rows["generator"]) == 4 * 7  # three items of two steps each, and its end
    assert sum(row["own"] for row in rows["coroutine"]) == pytest.approx(4 * 20e6, rel=0.2)
    steps = sorted(rows["coroutine"], key=lambda row: row["begin"])
    for first, second in zip(steps[::2], steps[1::2], strict=True):
        assert first["end"] + 45e6 <= second["begin"]  # what it awaits is not its work
    header = toy.lines()[0]
    assert {header["hooks"][row["parent"]]["name"] for row in rows["generator"] if row["parent"] >= 0} == {"task"}
    assert {header["hooks"][row["parent"]]["name"] for row in rows["coroutine"] if row["parent"] >= 0} <= {"*"}


def test_hooks_of_every_token_make_rows_only_while_detail_is_on(toy: Toy):
    with toy.window("w"):
        toy.do("[toy.often() for _ in range(100)]")
    assert not toy.rows("w")["often"]
    with toy.window("d", Sampling(0.2, 0.4, 0)):
        toy.do("end = toy.time.monotonic() + 0.6")
        toy.do("while toy.time.monotonic() < end: toy.often(); toy.time.sleep(0.001)")
    rows, window = toy.rows("d")["often"], toy.lines()[-1]
    assert window["detail"]
    assert rows
    assert all(any(each["begin_ns"] <= row["begin"] <= each["end_ns"] for each in window["detail"]) for row in rows)
    assert sum(each["events"] for each in window["detail"]) == len(rows)


def test_a_wait_over_an_edge_of_the_window_is_cut_there(toy: Toy, tmp_path: Path):
    toy.begin_to_wait(tmp_path / "first")
    with toy.window("w"):
        (tmp_path / "first").touch()
        toy.finish()
        toy.begin_to_wait(tmp_path / "second")
    window = toy.lines()[-1]
    first, second = toy.rows("w")["wait"]
    assert first["begin"] == window["begin_ns"]
    assert first["end"] < second["begin"]
    assert second["end"] == window["end_ns"]
    assert second["own"] < 20e6  # it slept
    (tmp_path / "second").touch()
    toy.finish()


def test_only_the_main_threads_waits_make_rows(toy: Toy):
    with toy.window("w"):
        toy.do("thread = threading.Thread(target=toy.wait); thread.start(); toy.waiting.put(1); thread.join()")
    assert not toy.rows("w")["wait"]


def test_a_wrapped_coroutine_looks_like_its_own_to_whoever_inspects_it(toy: Toy):
    toy.do("import inspect; from coldstart_tracer._serving_calls import Steps")
    toy.do("steps = Steps(toy.yields(), 0, 1)")
    toy.do("assert inspect.getcoroutinestate(steps) == inspect.CORO_CREATED")
    toy.do("steps.send(None)")
    toy.do("assert inspect.getcoroutinestate(steps) == inspect.CORO_SUSPENDED and steps.cr_frame is not None")
    toy.do("steps.close()")
    toy.do("assert inspect.getcoroutinestate(steps) == inspect.CORO_CLOSED")


def test_a_function_of_c_code_is_still_pickled_by_its_name(toy: Toy):
    toy.do("import pickle")
    with toy.window("w"):
        toy.do("found = pickle.loads(pickle.dumps(pickle.loads))")
    toy.do("assert found is pickle.loads and hasattr(found, '__wrapped__')")
    assert len(toy.rows("w")["loads"]) == 1


def test_an_exception_reaches_the_caller_and_ends_the_row(toy: Toy):
    with toy.window("w"):
        toy.do("exec('try: toy.fails()\\nexcept KeyError as error: assert error.args == (\"mine\",)')")
        toy.do("toy.burn(0.001)")
    rows = toy.rows("w")
    assert len(rows["fails"]) == 1
    assert rows["burn"][0]["parent"] == -1


def test_what_a_call_costs_is_measured_in_the_process_itself(toy: Toy):
    with toy.window("w"):
        toy.do("toy.burn(0.001)")
    header = toy.lines()[0]
    assert 0 < header["inside_ns"] < header["event_ns"] < 100_000
    assert header["pass_ns"] < header["event_ns"]


@pytest.mark.parametrize("hook", [{"module": "toy", "name": "gone"}, {"module": "never_loaded", "name": "gone"}])
def test_a_function_that_is_not_there_or_another_number_of_processes_is_refused(
    world: World, toy: Toy, hook: dict[str, str]
):
    with (
        pytest.raises(MeasurementFailed, match="were expected"),
        ServingTracers.of(toy.folder, {"api": 1, "engine": 1}),
    ):
        pass
    world.serving_hooks(hook)
    with tempfile.TemporaryDirectory(prefix="serving-") as name:
        process = world.popen(PROGRAM, env={VARIABLE: name}, stdin=subprocess.PIPE)
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(MeasurementFailed, match="gone"), ServingTracers.of(Path(name), {"api": 1}):
            pass
        process.communicate()


def test_a_process_that_ends_in_a_window_is_said(toy: Toy):
    def dies() -> None:
        with toy.window("w"):
            toy.process.kill()
            toy.process.wait()

    with pytest.raises(MeasurementFailed, match="gone"):
        dies()


def test_without_the_variable_nothing_is_hooked_and_nothing_listens(world: World):
    world.module("toy", TOY)
    world.hooks({"module": "toy", "name": "ready", "phase": "server_start", "disarm": "after"})
    world.serving_hooks({"module": "toy", "name": "burn"})
    program = """
        import json, sys, toy
        toy.ready()
        print(json.dumps([hasattr(toy.burn, "__wrapped__"), "coldstart_tracer._serving" in sys.modules]))
    """
    assert world.run(program, env={VARIABLE: ""}).value == [False, False]
    assert VARIABLE not in os.environ
