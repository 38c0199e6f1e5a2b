import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.logs import QUANTITIES, parse_log

BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "paper-data"
RECORDED = Path(os.environ.get("HARNESS_RECORDED_DATA") or BESIDE)

# Synthesised in the shape that vLLM 0.10.1.1 with the paper's two added lines writes.
CACHED_START = """\
DEBUG 03-04 05:06:07.100 [a.py:1] No plugins for group x.platform found.
INFO 03-04 05:06:07.350 [a.py:2] Automatically detected platform none.
DEBUG 03-04 05:06:08.350 [a.py:3] Available plugins for group x.general:
INFO 03-04 05:06:12.100 [a.py:4] Chunked prefill is enabled with max_num_batched_tokens=64.
INFO 03-04 05:06:12.300 [a.py:5] NEW: Init Tokenizer took 0.25 seconds
\x1b[1;36m(EngineCore_0 pid=7)\x1b[0;0m INFO 03-04 05:06:12.400 [a.py:6] Waiting for init message from front-end.
\x1b[1;36m(EngineCore_0 pid=7)\x1b[0;0m INFO 03-04 05:06:13.900 [a.py:7] Starting to load model some/model...
\x1b[1;36m(EngineCore_0 pid=7)\x1b[0;0m INFO 03-04 05:06:14.100 [a.py:8] NEW: Initializing Model took 0.5 seconds
INFO 03-04 05:06:15.000 [a.py:9] Loading weights took 0.75 seconds
INFO 03-04 05:06:15.000 [a.py:9] Model loading took 1.5000 GiB and 1.250000 seconds
INFO 03-04 05:06:16.000 [a.py:9] Dynamo bytecode transform time: 4.50 s
INFO 03-04 05:06:17.000 [a.py:9] Directly load the compiled graph(s) for dynamic shape from the cache, took 2.125 s
INFO 03-04 05:06:17.000 [a.py:9] torch.compile takes 4.50 s in total
DEBUG 03-04 05:06:18.000 [a.py:9] Memory profiling takes 8.00 seconds. Total non KV cache memory: 1GiB
INFO 03-04 05:06:19.000 [a.py:9] Graph capturing finished in 1.25 secs, took 0.40 GiB
INFO 03-04 05:06:19.500 [a.py:9] init engine (profile, create kv cache, warmup model) took 9.50 seconds
INFO 03-04 05:06:20.100 [a.py:9] bye
initialize_engine took 12.0 seconds
"""
CACHED_QUANTITIES = {
    "detect_platform": 0.25,
    "llm_imports": 1.0,
    "get_model_info": 3.75,
    "worker_init": 1.5,
    "framework_bootstrap": 6.5,
    "load_weights": 0.75,
    "model_init": 0.5,
    "model_loading": 1.25,
    "dynamo_transform_time": 4.5,
    "graph_compile_general_shape": None,
    "graph_compile_cached": 2.125,
    "torch.compile": 4.5,
    "kv_cache_profiling": 1.375,
    "graph_capturing": 1.25,
    "init_engine": 9.5,
    "tokenizer_init": 0.25,
    "total_time": 17.5,
    "actual_total_time": 13.0,
}


def without(phrase: str) -> str:
    kept = [line for line in CACHED_START.split("\n") if phrase not in line]
    assert len(kept) < len(CACHED_START.split("\n"))
    return "\n".join(kept)


def test_all_quantities_of_a_start_are_derived_in_the_papers_order() -> None:
    parsed = parse_log(CACHED_START)
    assert parsed == CACHED_QUANTITIES
    assert tuple(parsed) == QUANTITIES


def test_lines_and_whole_text_give_the_same_quantities() -> None:
    assert parse_log(iter(CACHED_START.splitlines(keepends=True))) == parse_log(CACHED_START)


@pytest.mark.parametrize("text", ["", "\n\n", "no line of vLLM's\n", "INFO 99-99 99:99:99 impossible time"])
def test_what_was_never_logged_is_none_not_zero(text: str) -> None:
    assert parse_log(text) == dict.fromkeys(QUANTITIES)


@pytest.mark.parametrize("phrase", ["Model loading took", "init engine", "Init Tokenizer"])
def test_a_total_that_lacks_a_part_is_none(phrase: str) -> None:
    assert parse_log(without(phrase))["total_time"] is None


def test_absent_bootstrap_steps_count_as_nothing_in_the_papers_sum() -> None:
    parsed = parse_log(without("Chunked prefill"))
    assert parsed["get_model_info"] is None
    assert parsed["framework_bootstrap"] == 2.75


def test_weight_loading_without_its_own_line_is_the_rest_of_model_loading() -> None:
    text = CACHED_START.replace("Loading weights took 0.75", "Streamed weights in 9")
    assert parse_log(text)["load_weights"] == 1.25 - 0.5


def test_the_last_of_repeated_lines_counts() -> None:
    assert parse_log(CACHED_START + "INFO Loading weights took 3.5 seconds\n")["load_weights"] == 3.5


def test_an_uncached_start_has_a_compile_time_and_no_cached_load() -> None:
    line = "INFO 03-04 05:06:17.000 [a.py:9] Compiling a graph for dynamic shape takes 21.75 s\n"
    parsed = parse_log(without("Directly load") + line)
    assert parsed["graph_compile_general_shape"] == 21.75
    assert parsed["graph_compile_cached"] is None
    assert parsed["kv_cache_profiling"] == 8.0 - 4.5


def test_wordings_and_prefixes_of_vllm_0_32_are_read() -> None:
    worker = "(Worker pid=30) INFO 11-12 13:14:15 [b/c.py:1] "
    lines = (
        "Triton is installed, but says so without a time",
        "(EngineCore pid=20) DEBUG 11-12 13:14:10 [b/c.py:1] Waiting for init message from front-end.",
        worker + "Starting to load model some/model...",
        worker + "Model loading took 0.1 GiB memory and 0.500000 seconds",
        worker + "Dynamo bytecode transform time: 3.25 s",
        worker + "Compiling a graph for compile range (1, 4096) takes 7.50 s",
        worker + "Directly load the compiled graph(s) for compile range (1, 4096) from the cache, took 0.125 s",
        worker + "torch.compile took 11.00 s in total",
        worker + "init engine (profile, create kv cache, warmup model) took 12.50 s (compilation: 11.00 s)",
    )
    parsed = parse_log("\n".join(lines))
    assert {name: value for name, value in parsed.items() if value is not None} == {
        "worker_init": 5.0,
        "framework_bootstrap": 5.0,
        "model_loading": 0.5,
        "dynamo_transform_time": 3.25,
        "graph_compile_general_shape": 7.5,
        "graph_compile_cached": 0.125,
        "torch.compile": 11.0,
        "init_engine": 12.5,
        "actual_total_time": 5.0,
    }


def test_an_interval_whose_lines_come_in_the_other_order_does_not_exist() -> None:
    text = "X 01-02 03:04:05 Chunked prefill is enabled\nX 01-02 03:04:15 Available plugins for group g:\n"
    assert parse_log(text)["get_model_info"] is None


def test_a_start_over_new_year_takes_seconds_not_minus_a_year() -> None:
    text = "X 12-31 23:59:58.500 Waiting for init message\nX 01-01 00:00:01.000 Starting to load model m\n"
    assert parse_log(text)["worker_init"] == 2.5
    assert parse_log(text)["actual_total_time"] == 2.5


@given(st.lists(st.text(max_size=200) | st.sampled_from(CACHED_START.split("\n")), max_size=60))
def test_any_text_is_read_without_an_error(lines: list[str]) -> None:
    parsed = parse_log("\n".join(lines))
    assert tuple(parsed) == QUANTITIES
    assert all(value is None or isinstance(value, float) for value in parsed.values())


@pytest.mark.parametrize(
    "piece", ["Compiling a graph for ", "Directly load the compiled graph ", "05-05 05:05:05 took "]
)
def test_a_hostile_line_costs_linear_time(piece: str) -> None:
    began = time.perf_counter()
    parse_log(piece * (1_000_000 // len(piece)))
    assert time.perf_counter() - began < 5


def recorded_runs() -> Iterator[tuple[Path, dict[str, float | None]]]:
    for results in sorted(RECORDED.rglob("comparison_results.json")):
        document = json.loads(results.read_text(encoding="utf-8"))
        for at, label in enumerate(document["labels"]):
            yield results.with_name(label), {key: values[at] for key, values in document["data"].items()}


@pytest.mark.skipif(
    not RECORDED.is_dir(), reason="needs the paper's recorded logs: HARNESS_RECORDED_DATA=DIR bash run_tests.sh"
)
def test_every_recorded_value_of_the_paper_is_reproduced_as_the_same_double() -> None:
    compared = 0
    for log, recorded in recorded_runs():
        parsed = parse_log(log.read_text(encoding="utf-8"))
        assert list(parsed) == list(recorded), log
        assert parsed == recorded, log
        compared += len(recorded)
    assert compared >= 13_824
