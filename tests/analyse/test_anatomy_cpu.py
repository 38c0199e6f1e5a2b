"""The CPU split of simulated runs: what was planted is found, without spin and without what tracing cost."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.analyse.anatomy_cpu import cpu_of, cpu_split
from harness.analyse.anatomy_level import LevelView, level_views
from harness.analyse.anatomy_processes import process_metrics
from harness.record.anatomy_run import AnatomyRun
from harness.record.anatomy_tables import CPU_PARTS
from harness.record.serving_trace import ServingTrace
from tests.anatomy_runs import EVENT_NS, make_run
from tests.anatomy_simulation import Truth, Wanted

SPINS = ("engine_wait", "worker_wait")
EXECUTION = ("forward", "logits", "sample", "worker_threads")


def planted(truth: Truth) -> dict[str, dict[str, float]]:
    """Part → stage → seconds, as the definition divides them."""
    found: dict[str, dict[str, float]] = {"api": {}, "scheduling": {}, "execution": {}}
    for role, stages in truth.cpu.items():
        for stage, ns in stages.items():
            if stage not in SPINS:
                part = "api" if role == "api" else "execution" if stage in EXECUTION else "scheduling"
                found[part][stage] = ns * 1e-9
    return found


def assert_as_planted(view: LevelView, truth: Truth, abs_s: float = 2e-8) -> None:
    split, wanted = cpu_split(view), planted(truth)
    assert list(split) == list(CPU_PARTS)
    for part, stages in wanted.items():
        assert split[part] == pytest.approx(stages, abs=abs_s), part


def test_each_stage_has_the_cpu_that_was_planted(tmp_path: Path) -> None:
    run, truths = make_run(tmp_path / "1")
    for view in level_views(run):
        assert_as_planted(view, truths[view.level.id])


COST = st.integers(1, 2000)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(costs=st.fixed_dictionaries({name: COST for name in ("http", "schedule", "prepare", "forward", "stream_out")}),
       concurrency=st.integers(1, 3))  # fmt: skip
def test_whatever_the_costs_they_are_found(
    tmp_path_factory: pytest.TempPathFactory, costs: dict[str, int], concurrency: int
) -> None:
    wanted = Wanted(concurrencies=(concurrency,), batches=2, tokens=3, costs=costs)
    run, truths = make_run(tmp_path_factory.mktemp("run") / "1", wanted)
    (view,) = level_views(run)
    assert_as_planted(view, truths[view.level.id])


def test_spin_and_tracing_are_counted_beside_the_split(tmp_path: Path) -> None:
    run, truths = make_run(tmp_path / "1")
    for view in level_views(run):
        for process in map(cpu_of, view.processes):
            truth = truths[view.level.id].cpu[process.role]
            spin_s = sum(truth.get(stage, 0.0) for stage in SPINS) * 1e-9
            assert process.spin_s == pytest.approx(spin_s, abs=2e-8)
            assert process.cpu_s == pytest.approx(process.own_s + process.spin_s + process.tracing_s, abs=2e-8)
            (window,) = (seen.window for seen in view.of(process.role))
            assert process.tracing_s == pytest.approx(window.events * EVENT_NS * 1e-9)


def test_a_wait_cut_by_the_windows_edge_gets_what_no_other_span_covers(tmp_path: Path) -> None:
    run, truths = make_run(tmp_path / "1", Wanted(concurrencies=(2,), cut_wait=True))
    (view,) = level_views(run)
    (worker,) = view.of("worker")
    (first,) = (span for span in worker.window.spans if span.cpu_ns is None)
    truth = truths["c2"].cpu["worker"]
    unseen = truth["worker_uncovered"] + (first.end_ns - first.begin_ns) // 2 + EVENT_NS
    found = cpu_of(worker)
    assert unseen < first.end_ns - first.begin_ns
    assert found.stages["worker_uncovered"] == pytest.approx(0, abs=2e-8)
    lost_to_spin = truth["worker_uncovered"] + EVENT_NS
    assert found.spin_s == pytest.approx((truth["worker_wait"] + lost_to_spin) * 1e-9, abs=2e-8)
    assert sum(found.stages.values()) == pytest.approx(
        sum(ns for stage, ns in truth.items() if stage not in (*SPINS, "worker_uncovered")) * 1e-9, abs=2e-8
    )


def test_the_api_servers_stages_are_those_of_its_samples(tmp_path: Path) -> None:
    run, truths = make_run(tmp_path / "1", Wanted(concurrencies=(4,), batches=40, sampled=True))
    (view,) = level_views(run)
    truth = truths["c4"].cpu["api"]
    found = cpu_split(view)["api"]
    total = sum(truth.values()) * 1e-9
    assert sum(found.values()) == pytest.approx(total, rel=1e-3)
    for stage in ("http", "detokenise", "stream_out", "from_engine"):
        assert found[stage] / total == pytest.approx(truth[stage] * 1e-9 / total, abs=0.03), stage


def test_workers_of_a_tensor_parallel_engine_add_up(tmp_path: Path) -> None:
    one, _ = make_run(tmp_path / "1", Wanted(concurrencies=(2,)))
    two, _ = make_run(tmp_path / "2", Wanted(concurrencies=(2,), workers=2))
    (of_one,), (of_two,) = level_views(one), level_views(two)
    for stage in ("forward", "logits", "sample"):
        assert cpu_split(of_two)["execution"][stage] == pytest.approx(2 * cpu_split(of_one)["execution"][stage])


def test_an_engine_with_its_worker_inside_has_the_same_execution(tmp_path: Path) -> None:
    run, truths = make_run(tmp_path / "1", Wanted(concurrencies=(2,)))
    (view,) = level_views(merged_into_engine(run))
    split = cpu_split(view)
    truth = truths["c2"].cpu["worker"]
    for stage in ("forward", "logits", "sample"):
        assert split["execution"][stage] == pytest.approx(truth[stage] * 1e-9, abs=2e-8)
    assert split["scheduling"]["prepare"] == pytest.approx(truth["prepare"] * 1e-9, abs=2e-8)


def merged_into_engine(run: AnatomyRun) -> AnatomyRun:
    """The run as if the engine core computed itself: one process with the spans of both, without waits."""
    api, engine, worker = run.traces
    return replace(run, traces=[api, _merged(engine, worker)])


def _merged(engine: ServingTrace, worker: ServingTrace) -> ServingTrace:
    shift = len(engine.hooks)
    windows = {}
    for name, window in engine.windows.items():
        other = worker.windows[name]
        moved = [
            span._replace(hook=span.hook + shift, tid=engine.main_tid,
                          parent=span.parent + shift if span.parent >= 0 else -1)
            for span in other.spans
        ]  # fmt: skip
        windows[name] = replace(
            window,
            spans=sorted([*window.spans, *moved], key=lambda span: span.end_ns),
            process_cpu_ns=window.process_cpu_ns + other.process_cpu_ns,
            main_cpu_ns=window.main_cpu_ns + other.main_cpu_ns,
            events=window.events + other.events,
        )
    return replace(engine, hooks=[*engine.hooks, *worker.hooks], windows=windows)


def test_attribution_coverage_and_overhead_are_told_of_each_process(tmp_path: Path) -> None:
    run, truths = make_run(tmp_path / "1", Wanted(concurrencies=(4,)))
    (view,) = level_views(run)
    found = {role: {name: value for name, value, _ in metrics} for role, metrics in process_metrics(view).items()}
    assert list(found) == ["api", "engine", "worker"]
    api = truths["c4"].cpu["api"]
    assert found["api"]["event_loop"] == pytest.approx(1 - found["api"]["attributed"])
    true_share = api["event_loop"] / (sum(api.values()) - api["tokenise"] - api["api_threads"])
    assert found["api"]["event_loop"] == pytest.approx(true_share, abs=0.003)
    assert found["engine"]["attributed"] > 0.99
    assert found["worker"]["attributed"] > 0.98
    worker = truths["c4"].cpu["worker"]
    main = sum(ns for stage, ns in worker.items() if stage not in ("worker_wait", "worker_threads"))
    unseen = worker["worker_uncovered"] / main
    assert 1 - found["worker"]["attributed_without_spin"] == pytest.approx(unseen, abs=0.001)
    assert found["worker"]["attributed_without_spin"] < found["worker"]["attributed"]
    assert found["engine"]["wall_covered"] == pytest.approx(1.0, abs=1e-6)
    for role, metrics in found.items():
        work_s = sum(ns for stage, ns in truths["c4"].cpu[role].items() if stage not in SPINS) * 1e-9
        assert metrics["tracing_s"] == pytest.approx(metrics["events"] * EVENT_NS * 1e-9)
        assert metrics["added_without_spin"] == pytest.approx(metrics["tracing_s"] / work_s, rel=1e-3)
        assert metrics["added"] <= metrics["added_without_spin"]
        assert metrics["run_queue_s"] == pytest.approx(1e-6)


def test_without_a_detail_interval_the_api_server_is_not_divided(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path / "1", Wanted(concurrencies=(1,)))
    api, *others = run.traces
    blind = replace(api, windows={name: replace(window, detail=[]) for name, window in api.windows.items()})
    (view,) = level_views(replace(run, traces=[blind, *others]))
    whole = cpu_of(view.of("api")[0])
    assert list(whole.stages) == ["event_loop"]
    assert whole.own_s == pytest.approx(whole.cpu_s - whole.tracing_s)
    assert "attributed" not in {name for name, *_ in process_metrics(view)["api"]}


def test_a_worker_that_was_not_there_at_a_level_is_not_in_it(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path / "1", Wanted(concurrencies=(1, 2), workers=2))
    api, engine, one, two = run.traces
    later = replace(two, windows={"c2": two.windows["c2"]})
    first, second = level_views(replace(run, traces=[api, engine, one, later]))
    assert (len(first.of("worker")), len(second.of("worker"))) == (1, 2)
