import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse import log_lines
from harness.analyse.log_lines import Reading, read_lines
from harness.analyse.logs import QUANTITIES, parse_log, quantities_as_paper
from tests.beside import RECORDED
from tests.synthetic_recording import CACHED_QUANTITIES, CACHED_START

# As vLLM 0.8 to 0.10 write them where they differ from 0.10.1.1; each but the last states what it is about.
VLLM_0_8 = """\
INFO 03-04 05:06:08.000 [core.py:1] Initializing a V1 LLM engine (v0.8.0) with config: model='m'
INFO 03-04 05:06:09.000 [a.py:1] Loading weights took 2.50 seconds
INFO 03-04 05:06:09.100 [a.py:1] Model loading took 1.5000 GB and 2.625000 seconds
INFO 03-04 05:06:10.000 [a.py:1] Directly load the compiled graph for shape None from the cache
INFO 03-04 05:06:11.000 [a.py:1] init engine (profile, create kv cache, warmup model) took 9.50 seconds
"""
VLLM_0_3 = """\
INFO 03-04 05:06:08 a.py:1] Initializing an LLM engine with config: model='m'
INFO 03-04 05:06:16 a.py:1] Graph capturing finished in 2 secs.
initialize_engine took 8.17 seconds
"""


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


@pytest.mark.parametrize(
    ("first", "last", "seconds"),
    [
        ("02-28 23:59:58.500", "03-01 00:00:01.000", 2.5),  # most years have no other day between them
        ("02-28 23:59:58.500", "02-29 00:00:01.000", 2.5),
        ("02-29 23:59:58.500", "03-01 00:00:01.000", 2.5),
        ("03-31 23:59:58.500", "04-01 00:00:01.000", 2.5),
        ("12-31 23:59:58", "01-01 00:00:01.250", 3.25),
    ],
)
def test_a_start_over_midnight_takes_seconds_whichever_night_it_is(first: str, last: str, seconds: float) -> None:
    text = f"X {first} Waiting for init message\nX {last} Starting to load model m\n"
    assert parse_log(text)["worker_init"] == seconds
    assert parse_log(text.splitlines())["actual_total_time"] == seconds


def test_lines_in_the_other_order_over_new_year_are_no_year_apart() -> None:
    text = "X 12-31 23:59:59 Chunked prefill is on\nX 01-01 00:00:09 Available plugins for group g:\n"
    assert parse_log(text)["get_model_info"] is None
    assert quantities_as_paper(read_lines(text))["get_model_info"] == -10.0


def test_a_stamp_in_colour_is_a_stamp() -> None:
    # As vLLM 0.32 writes for a terminal: level in green, time and place in grey.
    grey = "\x1b[32mINFO\x1b[0m \x1b[90m{}\x1b[0m \x1b[90m[a.py:1]\x1b[0m {}\n"
    text = grey.format("03-04 05:06:08", "Waiting for init message") + grey.format(
        "03-04 05:06:09.500", "Starting to load model m"
    )
    assert parse_log(text)["worker_init"] == 1.5
    assert parse_log(text)["actual_total_time"] == 1.5


def test_vllm_0_8_states_its_loading_time_beside_gb_and_no_seconds_of_the_graph_load() -> None:
    reading = read_lines(VLLM_0_8)
    assert (reading.version, reading.unnumbered) == ("0.8.0", {"model_loading", "graph_compile_cached"})
    parsed = parse_log(VLLM_0_8)
    assert (parsed["model_loading"], parsed["graph_compile_cached"]) == (2.625, None)


def test_the_papers_own_rules_make_zeros_and_intervals_below_zero_of_such_a_log() -> None:
    late = "DEBUG 03-04 05:06:{} [a.py:1] {}\n"
    text = VLLM_0_8 + late.format("07.000", "detected platform") + late.format("07.500", "No plugins for group")
    papers = quantities_as_paper(read_lines(text))
    assert (papers["model_loading"], papers["graph_compile_cached"]) == (0, 0)
    assert papers["detect_platform"] == -0.5
    assert parse_log(text)["detect_platform"] is None


def test_the_papers_sums_are_of_what_there_is() -> None:
    papers = quantities_as_paper(read_lines(without("Init Tokenizer")))
    assert papers["total_time"] == 17.5 - 0.25
    papers = quantities_as_paper(read_lines("INFO Model loading took 1.5000 GiB and 2.5 seconds\n"))
    assert (papers["framework_bootstrap"], papers["total_time"]) == (0, 2.5)
    assert quantities_as_paper(read_lines("INFO Graph capturing finished in 2 secs.\n"))["total_time"] is None


def test_a_line_without_its_number_is_no_matter_where_another_one_has_it() -> None:
    without_number = "INFO Directly load the compiled graph for shape None from the cache\n"
    reading = read_lines(without_number + CACHED_START + without_number)
    assert reading.unnumbered == set()
    assert reading.values["graph_compile_cached"] == 2.125


def test_a_log_of_vllm_0_3_states_little_and_the_driver_the_whole_start() -> None:
    reading = read_lines(VLLM_0_3)
    assert (reading.version, reading.values) == (None, {"graph_capturing": 2.0, "start_s": 8.17})
    found = {name: value for name, value in parse_log(VLLM_0_3).items() if value is not None}
    assert found == {"graph_capturing": 2.0, "actual_total_time": 8.0}


@pytest.mark.parametrize("number", ["nan", "inf", "-1.0", "9" * 400, "1e9", "", "1.2.3"])
def test_what_is_no_duration_is_no_value(number: str) -> None:
    assert parse_log(f"INFO Loading weights took {number} seconds\n")["load_weights"] is None


def line_by_line(text: str) -> Reading:
    """What reading must come to, slow and plain: every line is held against every pattern."""
    found = Reading()
    for line in text.split("\n"):
        for name, phrase, pattern in log_lines._VALUES:
            if match := pattern.search(line):
                found.values[name] = float(match[1])
                found.unnumbered.discard(name)
            elif phrase in line and name not in found.values:
                found.unnumbered.add(name)
        time = log_lines._time(log_lines._STAMP.search(line))
        found.milestones |= {phrase: time for phrase in log_lines._MILESTONES if time and phrase in line}
        found.leap_day = found.leap_day or "02-29 " in line
        found.first, found.last = found.first or time, time or found.last
        found.version = match[1] if (match := log_lines._BANNER.search(line)) else found.version
    return found


lines_of_a_log = st.lists(
    st.text("0123456789-: .\x1b", max_size=40)
    | st.sampled_from(
        [*CACHED_START.split("\n"), *VLLM_0_3.split("\n"), "Loading weights took", "INFO 99-99 99:99:99 x"]
    )
    | st.sampled_from(["x 02-29 01:02:03", "\x1b[90m03-01 01:02:03", "12m03-01 01:02:03", "x\x1bm03-01 01:02:03"])
    | st.sampled_from(["Directly load the compiled graph", "x" * 400, "1 01-02 03:04:05", "901-02 03:04:05"]),
    max_size=40,
)


@given(lines_of_a_log, st.integers(1, 400))
def test_searching_from_the_end_in_pieces_finds_what_reading_line_by_line_does(lines: list[str], size: int) -> None:
    text = "\n".join(lines)
    assert read_lines(text) == line_by_line(text)
    pieces, begin = [], 0
    while begin < len(text):
        end = text.find("\n", begin + size) + 1 or len(text)
        pieces.append(text[begin:end])
        begin = end
    assert read_lines(pieces) == read_lines(text)


@given(st.lists(st.text(max_size=200) | st.sampled_from(CACHED_START.split("\n")), max_size=60))
def test_any_text_is_read_without_an_error(lines: list[str]) -> None:
    parsed = parse_log("\n".join(lines))
    assert tuple(parsed) == QUANTITIES
    assert all(value is None or isinstance(value, float) for value in parsed.values())


@pytest.mark.parametrize(
    "piece",
    [
        "Compiling a graph for ",
        "Directly load the compiled graph ",
        "05-05 05:05:05 took ",
        "-05 05:05:05 ",
        "99-05 05:05:05\n",
        ":\n",
    ],
)
def test_a_hostile_line_costs_linear_time(piece: str) -> None:
    def cpu_s(characters: int) -> float:
        text, spent = piece * (characters // len(piece)), list[float]()
        for _ in range(3):
            began = time.thread_time()
            parse_log(text)
            spent.append(time.thread_time() - began)
        return min(spent)

    assert cpu_s(400_000) < 10 * cpu_s(100_000)  # linear: four times; quadratic: sixteen times


def recorded_runs() -> Iterator[tuple[Path, dict[str, float | None]]]:
    for results in sorted(RECORDED.need().rglob("comparison_results.json")):
        document = json.loads(results.read_text(encoding="utf-8"))
        for at, label in enumerate(document["labels"]):
            yield results.with_name(label), {key: values[at] for key, values in document["data"].items()}


def test_every_recorded_value_of_the_paper_is_reproduced_as_the_same_double() -> None:
    compared = 0
    for log, recorded in recorded_runs():
        parsed = parse_log(log.read_text(encoding="utf-8"))
        assert list(parsed) == list(recorded), log
        assert parsed == recorded, log
        compared += len(recorded)
    assert compared >= 13_824
