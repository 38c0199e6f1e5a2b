"""The partition, one example per rule. Main is executed at 0, its interpreter is up at 10, and it is ready at 100."""

from typing import Any

import pytest

from harness.analyse.partition import partition
from harness.analyse.phases import UNATTRIBUTED
from tests.analyse.span_files import Line, importing, span
from tests.analyse.written_starts import ENGINE, HELPER, MAIN, OTHER_WORKER, WORKER, Start


def process(pid: int, role: str, exec_ns: int, traced_ns: int, *spans: Line) -> dict[str, Any]:
    return {"pid": pid, "role": role, "exec_ns": exec_ns, "traced_ns": traced_ns, "spans": list(spans)}


def path_of(*tree: dict[str, Any]) -> list[tuple[int, int, str, str]]:
    """(begin, end, role, leaf) of each segment."""
    return [(s.begin_ns, s.end_ns, s.role, s.leaf) for s in Start(list(tree), 0, 100).parts.segments]


def test_a_wait_hands_over_to_its_child_and_takes_back_afterwards():
    main = process(
        MAIN,
        "main",
        0,
        10,
        span("setup", 10, 20, phase="config"),
        span("wait", 20, 90, "wait", waits_for=[ENGINE]),
        span("finish", 90, 100, phase="renderer"),
    )
    engine = process(ENGINE, "engine", 15, 30, importing("torch", 30, 60), span("warm", 60, 95, phase="warmup"))
    assert path_of(main, engine) == [
        (0, 10, "main", "interpreter:main"),
        (10, 20, "main", "config"),
        (20, 30, "engine", "interpreter:engine"),
        (30, 60, "engine", "imports:engine"),
        (60, 90, "engine", "warmup"),
        (90, 100, "main", "renderer"),
    ]


def test_time_before_a_waited_for_childs_exec_is_process_spawn():
    main = process(MAIN, "main", 0, 10, span("wait", 10, 100, "wait", waits_for=[ENGINE]))
    engine = process(ENGINE, "engine", 25, 40, span("warm", 40, 200, phase="warmup"))
    assert path_of(main, engine)[1:] == [
        (10, 25, "engine", "process_spawn"),
        (25, 40, "engine", "interpreter:engine"),
        (40, 100, "engine", "warmup"),
    ]


def test_of_several_workers_the_one_that_was_busy_last_is_walked():
    main = process(MAIN, "main", 0, 10, span("wait", 10, 100, "wait", waits_for=[WORKER, OTHER_WORKER]))
    early = process(WORKER, "worker", 5, 10, span("load", 10, 60, phase="load_weights"))
    late = process(OTHER_WORKER, "worker", 5, 10, span("load", 20, 80, phase="model_init"))
    expected = [
        (10, 20, "worker", UNATTRIBUTED),
        (20, 80, "worker", "model_init"),
        (80, 100, "worker", UNATTRIBUTED),
    ]
    assert path_of(main, early, late)[1:] == path_of(main, late, early)[1:] == expected


def test_a_worker_that_waits_for_a_compiler_is_busy():
    main = process(MAIN, "main", 0, 10, span("wait", 10, 100, "wait", waits_for=[WORKER, OTHER_WORKER]))
    loading = process(WORKER, "worker", 5, 10, span("load", 10, 60, phase="load_weights"))
    compiling = process(
        OTHER_WORKER,
        "worker",
        5,
        10,
        span("compile", 10, 200, "container"),
        span("g++", 20, 90, "wait", waits_for=[999], phase="compiler_subprocess"),
    )
    leaves = [leaf for _, _, _, leaf in path_of(main, loading, compiling)[1:]]
    assert leaves == [UNATTRIBUTED, "compiler_subprocess", UNATTRIBUTED]


def test_a_wait_for_an_untraced_process_belongs_to_whoever_asked():
    main = process(
        MAIN,
        "main",
        0,
        10,
        span("compile", 10, 60, phase="inductor_codegen"),
        span("g++", 20, 50, "wait", waits_for=[999], phase="compiler_subprocess"),
        importing("torch", 60, 90),
        span("probe", 70, 80, "wait", waits_for=[999]),
        span("box", 90, 100, "container"),
        span("probe", 92, 98, "wait", waits_for=[999]),
    )
    assert path_of(main)[1:] == [
        (10, 20, "main", "inductor_codegen"),
        (20, 50, "main", "compiler_subprocess"),
        (50, 60, "main", "inductor_codegen"),
        (60, 70, "main", "imports:main"),
        (70, 80, "main", "imports:main"),
        (80, 90, "main", "imports:main"),
        (90, 92, "main", UNATTRIBUTED),
        (92, 98, "main", UNATTRIBUTED),
        (98, 100, "main", UNATTRIBUTED),
    ]


def test_a_wait_for_a_helper_process_belongs_to_whoever_asked_and_the_helper_is_not_walked():
    main = process(
        MAIN,
        "main",
        0,
        10,
        span("probe", 10, 100, phase="isa_probe"),
        span("wait", 20, 90, "wait", waits_for=[HELPER]),
    )
    helper = process(HELPER, "child", 20, 30, importing("json", 30, 80))
    assert {(role, leaf) for _, _, role, leaf in path_of(main, helper)} == {
        ("main", "interpreter:main"),
        ("main", "isa_probe"),
    }


def test_a_containers_own_time_is_unattributed_and_listed_with_its_neighbours():
    main = process(
        MAIN,
        "main",
        0,
        10,
        span("first", 10, 20, phase="config"),
        span("box", 20, 90, "container", detail="load"),
        span("second", 40, 70, phase="plugins"),
        span("third", 90, 100, phase="renderer"),
    )
    gaps = Start([main], 0, 100).parts.gaps
    assert [(g.begin_s, g.seconds, g.container, g.after, g.before) for g in gaps] == [
        (20e-9, 20e-9, "box(load)", "main: first", "main: second"),
        (70e-9, 20e-9, "box(load)", "main: second", "main: third"),
    ]


def test_time_with_no_span_open_is_unattributed_up_to_the_edge_of_the_start():
    gaps = Start([process(MAIN, "main", 0, 10)], 0, 100).parts.gaps
    assert [(g.container, g.after, g.before) for g in gaps] == [
        ("(top level)", "main: interpreter start", "(edge of the start)")
    ]


def test_work_without_a_phase_belongs_to_the_work_or_import_around_it():
    main = process(
        MAIN,
        "main",
        0,
        10,
        span("load", 10, 50, phase="load_weights"),
        span("helper", 20, 30),
        importing("vllm.config", 50, 100),
        span("scan", 60, 70),
        span("probe", 80, 90, phase="detect_platform"),
    )
    assert [leaf for _, _, _, leaf in path_of(main)[1:]] == [
        *["load_weights"] * 3,
        *["imports:main"] * 3,
        "detect_platform",
        "imports:main",
    ]


def test_two_calls_of_one_function_in_a_row_are_one_segment_unless_their_phases_differ():
    phases = ((10, "config"), (20, "config"), (30, "warmup"))
    calls = [span("call", begin, begin + 10, phase=phase) for begin, phase in phases]
    assert path_of(process(MAIN, "main", 0, 10, *calls))[1:] == [
        (10, 30, "main", "config"),
        (30, 40, "main", "warmup"),
        (40, 100, "main", UNATTRIBUTED),
    ]


def test_imports_are_split_by_the_innermost_package():
    main = process(MAIN, "main", 0, 10, importing("vllm.config", 10, 100), importing("torch", 30, 90))
    packages = Start([main], 0, 100).parts.packages
    assert packages == {"imports:main": {"vllm": pytest.approx(30e-9), "torch": pytest.approx(60e-9)}}


def test_start_and_exit_of_an_inspection_interpreter_that_is_waited_for_are_its_interpreter_leaf():
    main = process(
        MAIN,
        "main",
        0,
        10,
        span("inspect", 10, 100, phase="model_inspect"),
        span("wait", 20, 90, "wait", waits_for=[ENGINE]),
    )
    inspect = process(
        ENGINE,
        "inspect",
        20,
        30,
        importing("vllm", 30, 60),
        span("tracer exit", 70, 70, "note"),
        span("interpreter exit", 70, None, phase="interpreter"),
    )
    assert path_of(main, inspect)[1:] == [
        (10, 20, "main", "model_inspect"),
        (20, 30, "inspect", "interpreter:inspect"),
        (30, 60, "inspect", "imports:inspect"),
        (60, 70, "inspect", UNATTRIBUTED),
        (70, 90, "inspect", "interpreter:inspect"),
        (90, 100, "main", "model_inspect"),
    ]


def test_processes_that_wait_for_each_other_end_in_unattributed_time():
    main = process(MAIN, "main", 0, 10, span("wait", 10, 100, "wait", waits_for=[ENGINE]))
    engine = process(ENGINE, "engine", 5, 10, span("answer", 10, 100, "wait", waits_for=[MAIN], phase="warmup"))
    assert path_of(main, engine)[1:] == [(10, 100, "engine", UNATTRIBUTED)]
    engine = process(ENGINE, "engine", 5, 10, span("call", 10, 100, "wait", waits_for=[WORKER]))
    worker = process(WORKER, "worker", 5, 10, span("answer", 10, 100, "wait", waits_for=[ENGINE, WORKER]))
    assert path_of(main, engine, worker)[1:] == [(10, 100, "worker", UNATTRIBUTED)]


def test_a_wait_whose_child_starts_only_after_it_is_unattributed():
    main = process(MAIN, "main", 0, 10, span("wait", 10, 60, "wait", waits_for=[ENGINE], phase="config"))
    engine = process(ENGINE, "engine", 70, 80)
    assert path_of(main, engine)[1:] == [(10, 60, "main", UNATTRIBUTED), (60, 100, "main", UNATTRIBUTED)]


@pytest.mark.parametrize(
    ("main_pid", "ready_ns", "message"),
    [
        (7, 100, "no spans of the main process (pid 7): was the tracer loaded?"),
        (MAIN, 0, "ready (0) is not after exec (0)"),
        (MAIN, -5, "ready (-5) is not after exec (0)"),
    ],
)
def test_a_start_that_cannot_be_partitioned_is_refused(main_pid: int, ready_ns: int, message: str):
    processes = Start([process(MAIN, "main", 0, 10)], 0, 100).processes
    with pytest.raises(ValueError) as refused:  # noqa: PT011  the message is compared below
        partition(processes, main_pid, 0, ready_ns)
    assert str(refused.value) == message
