"""What must hold of a real compiled start from empty caches."""

import getpass
import json
import re
import socket
from pathlib import Path

import pytest

from harness.analyse.phases import LEAVES, PER_PROCESS_LEAVES, UNATTRIBUTED
from harness.analyse.spans import read_processes
from harness.record.run import Run, read_run
from tests.engine.conftest import RealEngine

pytestmark = pytest.mark.engine


def test_a_compiled_cold_start_is_ok_and_its_leaves_sum_to_ready(cold_compiled: tuple[Run, Path]) -> None:
    run, folder = cold_compiled
    assert (run.status, run.reason) == ("ok", None)
    assert run.counts
    assert run.ready_s is not None
    assert sum(run.phases.values()) == pytest.approx(run.ready_s, abs=1e-6)
    assert run.first_token_s is not None
    assert run.first_token_s > 0
    assert read_run(folder) == run


def test_what_no_hook_explains_stays_within_the_bound_of_a_warm_up(cold_compiled: tuple[Run, Path]) -> None:
    run, _ = cold_compiled
    assert run.unattributed_s is not None
    assert run.ready_s is not None
    assert run.unattributed_s <= 1.5 * max(0.001 * run.ready_s, 0.05)


def test_the_compiler_is_split_into_its_stages(cold_compiled: tuple[Run, Path]) -> None:
    run, _ = cold_compiled
    stages = ("dynamo_transform_time", "aot_autograd", "inductor_passes", "inductor_codegen", "compiler_subprocess")
    assert all(run.phases[stage] > 0.1 for stage in (*stages, "isa_probe"))


def test_the_size_of_the_traced_graph_is_recorded(cold_compiled: tuple[Run, Path]) -> None:
    run, _ = cold_compiled
    assert run.graph is not None
    assert 28 * 20 < run.graph["nodes"] < run.graph["code_bytes"] / 20  # 28 layers; a node is a line of code


def test_every_process_of_the_engine_has_its_imports_named_by_package(cold_compiled: tuple[Run, Path]) -> None:
    run, _ = cold_compiled
    for role in ("main", "inspect", "engine", "worker"):
        leaf = f"imports:{role}"
        named = run.import_packages[leaf]
        assert sum(named.values()) == pytest.approx(run.phases[leaf], abs=1e-6)
        assert named["torch"] > 0.1


def test_no_leaf_except_imports_exceeds_thirty_percent(cold_compiled: tuple[Run, Path]) -> None:
    run, _ = cold_compiled
    assert run.ready_s is not None
    large = {leaf: s for leaf, s in run.phases.items() if s > 0.3 * run.ready_s and not leaf.startswith("imports:")}
    assert large == {}


def test_every_leaf_of_a_real_start_is_in_the_list_of_leaves(cold_compiled: tuple[Run, Path]) -> None:
    run, _ = cold_compiled
    known = {*LEAVES, *PER_PROCESS_LEAVES, UNATTRIBUTED}
    assert {leaf.split(":")[0] for leaf in run.phases} <= known


def test_every_process_disarms_and_leaves_no_hook_behind(cold_compiled: tuple[Run, Path]) -> None:
    _, folder = cold_compiled
    notes = {
        process.role: process.notes("tracer disarmed")
        for process in read_processes(folder / "spans")
        if process.role in ("main", "engine", "worker")
    }
    assert set(notes) == {"main", "engine", "worker"}
    for found in notes.values():
        assert len(found) == 1
        assert found[0]["kept"] == []
        assert found[0]["restored"] > 40


def test_no_hook_fails_on_the_real_engine(cold_compiled: tuple[Run, Path]) -> None:
    run, _ = cold_compiled
    assert run.tracer["failures"] == []
    assert run.tracer["malformed_lines"] == 0


def test_the_papers_log_lines_are_written(cold_compiled: tuple[Run, Path]) -> None:
    run, folder = cold_compiled
    log = (folder / "engine.log").read_text(encoding="utf-8", errors="replace")
    assert "NEW: Init Tokenizer took" in log
    assert "NEW: Initializing Model took" in log
    for quantity in ("tokenizer_init", "model_init", "load_weights", "init_engine", "actual_total_time"):
        assert run.log_quantities[quantity] is not None


def test_the_record_names_no_host_user_or_home(cold_compiled: tuple[Run, Path]) -> None:
    _, folder = cold_compiled
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    del record["log_tail"]  # the engine's own words
    text = json.dumps(record)
    assert re.search(rf"\b{re.escape(socket.gethostname())}\b", text) is None
    assert f"{Path.home()}/" not in text
    assert f'"{getpass.getuser()}"' not in text


def test_a_context_longer_than_the_kv_cache_fails_with_the_engines_reason(
    real_engine: RealEngine,
) -> None:
    # In float32 131,072 tokens of the twin need 1.75 GiB; the pin's KV cache has 1 GiB.
    parameters: dict[str, object] = {"max_model_len": 131072, "dtype": "float32"}
    case = real_engine.eager_case("too-long", parameters=parameters)
    run, folder = real_engine.start(case, "measured")
    assert run.status == "failed"
    assert run.failed_in == "kv_cache_alloc"
    assert run.ready_s is None
    assert run.phases == {}
    assert run.reason is not None
    assert "ValueError" in run.reason
    assert "131072" in run.reason
    assert (folder / "engine.log").stat().st_size > 0
