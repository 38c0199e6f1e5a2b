"""Children: each process has its own file, the role its parent's hook named, and waits name whom they wait for."""

import os
import signal
import time

import pytest

from harness.analyse.spans import read_processes
from tests.tracer.world import World, span_of, spans_of

LAUNCH = (
    {"module": "multiprocessing.popen_spawn_posix", "name": "Popen._launch", "phase": "process_spawn"},
    {"module": "multiprocessing.popen_fork", "name": "Popen._launch", "phase": "process_spawn"},
    {"module": "subprocess", "name": "Popen.__init__"},
)
HOOKS = (
    *({**hook, "starts_child": True} for hook in LAUNCH),
    {"module": "subprocess", "name": "Popen.wait", "kind": "wait", "waits_for": "child"},
    {"module": "multiprocessing.resource_tracker", "name": "ResourceTracker.ensure_running", "child_role": "tracker"},
    {"module": "toy", "name": "start", "phase": "process_spawn", "child_role": "engine"},
    {"module": "toy", "name": "start_worker", "phase": "process_spawn", "child_role": "worker"},
    {"module": "toy", "name": "wait_engine", "kind": "wait", "waits_for": "engine"},
    {"module": "toy", "name": "wait_process", "kind": "wait", "waits_for": "child"},
    {"module": "toy", "name": "work", "phase": "config"},
)
TOY = """
    import os

    def start(begin, *args):
        return begin(*args)
    def start_worker(begin, *args):
        return begin(*args)
    def wait_engine(wait, *args):
        return wait(*args)
    def wait_process(process, *args):
        return process.join(*args)
    def work(role="?"):
        return role
    def engine():
        work()
"""


@pytest.fixture
def toy(world: World) -> World:
    world.module("toy", TOY)
    world.hooks(*HOOKS)
    return world


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_multiprocessing_child_has_its_own_file_and_role(toy: World, method: str):
    program = f"""
        import json, multiprocessing, os, toy
        if __name__ == "__main__":
            context = multiprocessing.get_context({method!r})
            first, second = context.Process(target=toy.engine), context.Process(target=toy.engine)
            toy.work()
            toy.start(first.start)
            toy.start_worker(second.start)
            toy.wait_engine(first.join)
            toy.wait_process(second)
            print(json.dumps([os.getpid(), first.pid, second.pid]))
    """
    main_pid, engine_pid, worker_pid = toy.run(program).value
    roles = {process.pid: process.role for process in toy.processes() if process.role != "tracker"}
    assert roles == {main_pid: "main", engine_pid: "engine", worker_pid: "worker"}
    main = toy.process()
    for role in ("engine", "worker"):
        child = toy.process(role)
        header = toy.lines(child)[0]
        assert (header["role"], header["start"]) == (role, "fork" if method == "fork" else "exec")
        assert child.parent_pid == main_pid
        assert {line["pid"] for line in toy.lines(child)} == {child.pid}
        assert child.exec_ns <= child.traced_ns
        span = span_of(child, "work")
        assert span.tid == child.pid
        assert child.traced_ns <= span.begin_ns
    assert [span.attrs["child"] for span in spans_of(main, "Popen._launch")] == [engine_pid, worker_pid]
    assert span_of(main, "wait_engine").attrs["waits_for"] == [engine_pid]
    assert span_of(main, "wait_process").attrs["waits_for"] == [worker_pid]
    assert len(spans_of(main, "work")) == 1


def test_a_subprocess_inherits_the_role_that_was_named_around_its_start_and_no_other_process_does(toy: World):
    program = """
        import json, os, subprocess, sys, toy
        command = [sys.executable, "-c", "import toy; toy.work()"]
        engine = toy.start(subprocess.Popen, command)
        other = subprocess.Popen(command)
        nested = [sys.executable, "-c", "import subprocess, sys; subprocess.run([sys.executable, '-c', 'pass'])"]
        worker = toy.start_worker(subprocess.Popen, nested)
        toy.wait_engine(engine.wait)
        codes = [engine.wait(), other.wait(), worker.wait()]
        print(json.dumps([engine.pid, other.pid, worker.pid, codes]))
    """
    engine, other, worker, codes = toy.run(program).value
    assert codes == [0, 0, 0]
    by_pid = {process.pid: process for process in toy.processes()}
    assert [by_pid[pid].role for pid in (engine, other, worker)] == ["engine", "child", "worker"]
    [grandchild] = [process for process in toy.processes() if process.parent_pid == worker]
    assert grandchild.role == "child"
    assert [span.attrs["waits_for"] for span in spans_of(toy.process(), "Popen.wait")] == [
        [engine],
        [engine],
        [other],
        [worker],
    ]
    assert span_of(toy.process(), "wait_engine").attrs["waits_for"] == [engine]


def test_a_hook_may_both_start_a_child_and_name_its_role(world: World):
    world.module(
        "toy",
        """
        import subprocess, sys
        class Engine:
            def start(self):
                self.process = subprocess.Popen([sys.executable, "-c", "pass"])
                self.pid = self.process.pid
        def wait(engine): engine.process.wait()
        """,
    )
    world.hooks(
        {"module": "toy", "name": "Engine.start", "child_role": "engine", "starts_child": True},
        {"module": "toy", "name": "wait", "kind": "wait", "waits_for": "engine"},
    )
    world.run("import toy; engine = toy.Engine(); engine.start(); toy.wait(engine)")
    main, engine = world.process(), world.process("engine")
    assert span_of(main, "Engine.start").attrs["child"] == engine.pid
    assert span_of(main, "wait").attrs["waits_for"] == [engine.pid]


def test_the_role_around_a_start_ends_with_it_even_if_the_program_empties_its_environment(toy: World):
    program = """
        import json, os, toy
        seen = []
        toy.start(lambda: seen.append(os.environ["COLDSTART_TRACE_ROLE"]))
        seen.append(os.environ["COLDSTART_TRACE_ROLE"])
        del os.environ["COLDSTART_TRACE_ROLE"]
        toy.start(lambda: seen.append(os.environ["COLDSTART_TRACE_ROLE"]))
        seen.append(os.environ["COLDSTART_TRACE_ROLE"])
        print(json.dumps(seen))
    """
    assert toy.run(program).value == ["engine", "child", "engine", "child"]


def test_a_fork_inside_an_open_span_begins_a_file_of_its_own(toy: World):
    program = """
        import json, os, toy
        def fork():
            pid = os.fork()
            if pid == 0:
                toy.work()
                os._exit(0)
            os.waitpid(pid, 0)
            return pid
        print(json.dumps(toy.start(fork)))
    """
    pid = toy.run(program).value
    main, child = toy.process(), toy.process("engine")
    assert child.pid == pid
    assert [span.name for span in child.spans] == ["work"]
    assert span_of(main, "start").end_ns is not None
    assert spans_of(main, "work") == []


def test_a_child_that_a_disarmed_process_forks_is_not_traced(world: World):
    world.module("toy", "def ready(): pass\ndef work(): pass\n")
    world.hooks({"module": "toy", "name": "ready", "disarm": "after"}, {"module": "toy", "name": "work"})
    program = """
        import os, toy
        toy.ready()
        if os.fork() == 0:
            toy.work()
            os._exit(0)
        os.wait()
    """
    assert world.run(program).code == 0
    assert [process.role for process in world.processes()] == ["main"]


def test_a_killed_child_leaves_its_finished_and_open_spans(toy: World):
    program = """
        import multiprocessing, os, time, toy
        def stuck():
            toy.work()
            toy.start(lambda: (print(os.getpid(), flush=True), time.sleep(60)))
        if __name__ == "__main__":
            child = multiprocessing.get_context("spawn").Process(target=stuck)
            toy.start(child.start)
            child.join()
            print(child.exitcode)
    """
    with toy.popen(program) as running:
        os.kill(int(running.stdout.readline()), signal.SIGKILL)
        assert running.communicate(timeout=60)[0] == f"{-signal.SIGKILL}\n"
    engine = toy.process("engine")
    assert span_of(engine, "work").end_ns is not None
    assert span_of(engine, "start").end_ns is None


def test_the_clock_is_the_machines_monotonic_clock(toy: World):
    before = time.monotonic_ns()
    toy.run("import toy; toy.work()")
    after = time.monotonic_ns()
    process = toy.process()
    span = span_of(process, "work")
    assert before - 10_000_000 <= process.exec_ns  # the kernel's start time has ticks of 10 ms
    assert before < process.traced_ns <= span.begin_ns < (span.end_ns or 0) < after


def test_a_launcher_that_replaces_itself_hands_its_role_on_and_is_one_process_with_its_successor(world: World):
    world.module("toy", "def ready(): pass\n")
    world.hooks({"module": "toy", "name": "ready", "phase": "config", "role": "main", "disarm": "after"})
    program = """
        import os, sys
        def launch():
            os.execv(sys.executable, [sys.executable, "-c", "import toy; toy.ready()"])
        if __name__ == "__main__":
            launch()
    """
    assert world.run(program).code == 0
    assert len(list(world.spans.iterdir())) == 2
    (process,) = read_processes(world.spans)
    assert process.role == "main"
    assert len(process.notes("tracer disarmed")) == 1  # as only a main process does
    (begun,) = [span for span in process.spans if span.name == "interpreter start"]
    ready = span_of(process, "ready")
    assert process.traced_ns <= begun.begin_ns < (begun.end_ns or 0) <= ready.begin_ns
    assert all(span.end_ns is not None for span in process.spans if span.begin_ns < begun.begin_ns)
