"""The tracer's life in a process: silent when off, readable after a kill, gone when disarmed, harmless in failure."""

import os
import resource
import signal
from pathlib import Path

import pytest

from tests.tracer.world import World, span_of, spans_of

TOY = """
    import gc
    import time

    class Engine:
        @staticmethod
        def static(value):
            return value + 1

        @classmethod
        def make(cls):
            return cls()

        def plain(self):
            return "plain"

    def work(value=1):
        '''Works.'''
        return value * 2

    def ready():
        return "ready"

    def outer(inner):
        return inner()
"""
TOY_HOOKS = (
    {"module": "toy", "name": "work", "phase": "config"},
    {"module": "toy", "name": "outer", "kind": "container"},
    {"module": "toy", "name": "Engine.static", "phase": "config"},
    {"module": "toy", "name": "Engine.make", "phase": "config"},
    {"module": "toy", "name": "Engine.plain", "phase": "config"},
    {"module": "toy", "name": "ready", "phase": "warmup", "disarm": "after"},
)


@pytest.fixture
def toy(world: World) -> World:
    """A world with a toy engine."""
    world.module("toy", TOY)
    world.hooks(*TOY_HOOKS)
    return world


def test_without_the_variable_nothing_of_the_tracer_is_loaded_and_nothing_is_written(toy: World):
    program = """
        import _frozen_importlib, gc, json, sys, toy
        toy.outer(toy.work)
        print(json.dumps([
            [name for name in sys.modules if name.startswith("coldstart")],
            (_frozen_importlib._find_and_load, _frozen_importlib._load_unlocked) == sys.originals,
            len(gc.callbacks),
            hasattr(toy.work, "__wrapped__"),
        ]))
    """
    done = toy.run(program, trace=False)
    assert done.value == [[], True, 0, False]
    assert done.err == ""
    assert list(toy.spans.iterdir()) == []


def test_tracing_prints_nothing_and_changes_no_result(toy: World):
    program = """
        import toy
        print(toy.outer(toy.work), toy.Engine.make().plain(), toy.Engine.static(4), toy.Engine().static(4))
    """
    traced, plain = toy.run(program), toy.run(program, trace=False)
    assert (traced.code, traced.out, traced.err) == (plain.code, plain.out, plain.err) == (0, "2 plain 5 5\n", "")


def test_a_span_file_has_a_header_then_lines_whose_end_supersedes_their_begin(toy: World):
    done = toy.run("import json, os, toy; toy.outer(toy.work); print(json.dumps([os.getpid(), os.getppid()]))")
    process = toy.process()
    header, *lines = toy.lines(process)
    assert header["schema"] == 1
    assert header["clock"] == "CLOCK_MONOTONIC"
    assert [header["pid"], header["parent_pid"]] == done.value == [process.pid, os.getpid()]
    assert (header["role"], header["start"]) == ("main", "exec")
    assert header["exec_ns"] < header["traced_ns"] < header["exec_ns"] + 5_000_000_000
    assert header["python"].startswith("3.1")
    for name in ("outer", "work"):
        begin, end = (line for line in lines if line["name"] == name)
        assert begin["end_ns"] is None
        assert begin["begin_ns"] == end["begin_ns"] < end["end_ns"]
        assert {"name", "begin_ns", "end_ns", "pid", "tid", "role", "kind", "attrs"} == end.keys()
        assert span_of(process, name).end_ns == end["end_ns"]
    outer, work = span_of(process, "outer"), span_of(process, "work")
    assert outer.begin_ns <= work.begin_ns < work.end_ns <= outer.end_ns
    assert (outer.kind, work.kind) == ("container", "work")
    assert (outer.tid, work.attrs) == (process.pid, {"module": "toy", "phase": "config"})


def test_a_killed_process_leaves_finished_spans_readable_and_open_ones_marked(toy: World):
    program = """
        import time, toy
        def forever():
            toy.work()
            print("working", flush=True)
            time.sleep(60)
        toy.outer(forever)
    """
    with toy.popen(program) as running:
        assert running.stdout.readline() == "working\n"
        running.send_signal(signal.SIGKILL)
    process = toy.process()
    assert running.returncode == -signal.SIGKILL
    assert process.malformed_lines == 0
    assert span_of(process, "work").end_ns is not None
    assert span_of(process, "outer").end_ns is None
    assert not spans_of(process, "interpreter exit")


def test_the_interpreters_exit_is_an_open_span_with_what_tracing_cost(toy: World):
    toy.run("import toy; toy.work()")
    process = toy.process()
    leaving = span_of(process, "interpreter exit")
    assert (leaving.kind, leaving.end_ns, leaving.attrs) == ("work", None, {"phase": "interpreter"})
    [report] = process.notes("tracer exit")
    assert 0 < report["self_ns"] < 1_000_000_000
    assert report["events"] >= len(process.spans) - 1


def test_after_disarming_nothing_of_the_tracer_is_left_and_nothing_more_is_written(toy: World):
    program = """
        import _frozen_importlib, gc, json, os, pickle, sys, toy
        hooked = [toy.Engine.__dict__["static"].__func__, toy.Engine.__dict__["make"].__func__,
                  toy.Engine.__dict__["plain"], toy.work, toy.outer, toy.ready]
        originals = [wrapper.__wrapped__ for wrapper in hooked]
        kinds = [type(toy.Engine.__dict__[name]).__name__ for name in ("static", "make", "plain")]
        captured = toy.work
        toy.ready()
        size = sum(file.stat().st_size for file in os.scandir(os.environ["COLDSTART_TRACE_DIR"]))
        now = [toy.Engine.__dict__["static"].__func__, toy.Engine.__dict__["make"].__func__,
               toy.Engine.__dict__["plain"], toy.work, toy.outer, toy.ready]
        restored = [a is b for a, b in zip(now, originals)]
        import decimal
        value = [toy.work(), captured(), toy.Engine.make().plain(), toy.ready()]
        gc.collect()
        print(json.dumps({
            "restored": restored,
            "kinds": [kinds, [type(toy.Engine.__dict__[name]).__name__ for name in ("static", "make", "plain")]],
            "imports": (_frozen_importlib._find_and_load, _frozen_importlib._load_unlocked) == sys.originals,
            "gc": len(gc.callbacks),
            "value": value,
            "pickled": pickle.loads(pickle.dumps(toy.work)) is toy.work,
            "grown": sum(file.stat().st_size for file in os.scandir(os.environ["COLDSTART_TRACE_DIR"])) - size,
        }))
    """
    value = toy.run(program).value
    assert value["restored"] == [True] * 6
    assert value["kinds"] == [["staticmethod", "classmethod", "function"]] * 2
    assert value["imports"] is True
    assert value["gc"] == 0
    assert value["value"] == [2, 2, "plain", "ready"]
    assert value["pickled"] is True
    assert value["grown"] == 0
    process = toy.process()
    assert span_of(process, "ready").end_ns is not None
    [report] = process.notes("tracer disarmed")
    assert (report["restored"], report["kept"]) == (6, [])
    assert toy.lines(process)[-1]["name"] == "tracer disarmed"


def test_disarming_leaves_what_other_code_put_in_the_place_of_a_hook(toy: World):
    program = """
        import json, toy
        toy.work = mine = lambda: "mine"
        toy.ready()
        print(json.dumps([toy.work is mine, toy.work()]))
    """
    assert toy.run(program).value == [True, "mine"]
    assert toy.process().notes("tracer disarmed")[0]["kept"] == ["work"]


@pytest.mark.parametrize(
    ("hook", "call", "disarmed"),
    [
        ({"disarm": "after"}, "toy.ready()", True),
        ({"disarm": "before"}, "toy.ready()", True),
        ({"disarm": "after", "role": "main"}, "toy.ready()", True),
        ({"disarm": "after", "role": "worker"}, "toy.ready()", False),
        ({"disarm": "before", "role": "worker"}, "toy.ready()", False),
        ({"disarm": "after"}, "toy.fails()", False),
    ],
    ids=lambda value: str(value),
)
def test_a_process_disarms_at_its_own_hook_and_only_after_success(world: World, hook, call: str, disarmed: bool):
    world.module("toy", "def ready(): pass\ndef fails(): raise OSError\n")
    world.hooks({"module": "toy", "name": call[4:-2], **hook})
    world.run(f"import toy\ntry:\n    {call}\nexcept OSError:\n    pass\n")
    process = world.process()
    assert len(process.notes("tracer disarmed")) == disarmed
    assert len(process.notes("tracer exit")) == (not disarmed)
    assert len(spans_of(process, call[4:-2])) == (not (disarmed and hook["disarm"] == "before"))


PROGRAM = """
    import toy
    for number in range(50):
        toy.outer(toy.work)
    toy.ready()
    print("done")
"""


def test_a_trace_folder_that_is_not_there_costs_one_line_and_leaves_no_hook(toy: World, tmp_path: Path):
    program = """
        import _frozen_importlib, gc, json, sys, toy
        toy.outer(toy.work)
        untouched = (_frozen_importlib._find_and_load, _frozen_importlib._load_unlocked) == sys.originals
        print(json.dumps([untouched, len(gc.callbacks), hasattr(toy.work, "__wrapped__")]))
    """
    done = toy.run(program, env={"COLDSTART_TRACE_DIR": str(tmp_path / "nowhere")})
    assert done.value == [True, 0, False]
    assert done.err.startswith("coldstart_tracer: not tracing this process: FileNotFoundError")
    assert done.err.count("\n") == 1


def test_a_trace_folder_that_cannot_be_written_costs_one_line(toy: World):
    done = toy.run(PROGRAM, env={"COLDSTART_TRACE_DIR": "/proc/self"})  # not writable, whoever asks
    assert (done.code, done.out) == (0, "done\n")
    assert done.err.startswith("coldstart_tracer: not tracing this process: ")
    assert done.err.count("\n") == 1


def test_a_missing_hook_table_costs_one_line(toy: World):
    (toy.folder / "coldstart_tracer" / "hook_table.py").unlink()
    done = toy.run(PROGRAM)
    assert (done.code, done.out) == (0, "done\n")
    assert done.err.startswith("coldstart_tracer: not tracing this process: ModuleNotFoundError")


@pytest.mark.parametrize("limit", [400, 1000, 2500])
def test_a_disk_that_fills_up_ends_the_tracing_and_nothing_else(toy: World, limit: int):
    done = toy.run(PROGRAM, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert (done.code, done.out, done.err) == (0, "done\n", "")
    process = toy.process()
    assert process.malformed_lines <= 1  # the line that did not fit
    assert not process.notes("tracer disarmed")


def test_span_files_that_cannot_be_written_from_the_start_cost_one_line(toy: World):
    def no_bytes_in_files() -> None:  # runs between fork and exec
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    done = toy.run(PROGRAM, preexec_fn=no_bytes_in_files)
    assert (done.code, done.out) == (0, "done\n")
    assert done.err.startswith("coldstart_tracer: not tracing this process: OSError(27")


def test_a_span_file_of_another_process_of_that_number_is_not_written_into(toy: World):
    def taken() -> None:  # runs between fork and exec: the pid stays
        (toy.spans / f"main-{os.getpid()}.jsonl").write_text("another's")

    assert toy.run(PROGRAM, preexec_fn=taken).code == 0
    files = {path.name.removeprefix("main-").lstrip("0123456789"): path for path in toy.spans.glob("main-*")}
    assert set(files) == {".jsonl", "-2.jsonl"}
    assert files[".jsonl"].read_text() == "another's"


def test_the_tracer_imports_no_module_that_python_has_not_loaded_anyway(world: World):
    program = """
        import json, sys
        print(json.dumps(sorted(sys.modules)))
    """
    traced, plain = set(world.run(program).value), set(world.run(program, trace=False).value)
    assert {name for name in traced - plain if not name.startswith("coldstart_tracer")} <= {"atexit", "_json", "gc"}
