"""``python3 harness parse-log``: numbers for people and programs, one line for what is no log."""

import json
import os
import tracemalloc
from functools import partial
from pathlib import Path

import pytest

from tests.checkout import Call
from tests.synthetic_recording import CACHED_QUANTITIES, CACHED_START


@pytest.fixture
def call(typed: Call) -> Call:
    return partial(typed, "parse-log")


def write(folder: Path, text: str, name: str = "output_model_a_load-format_dummy.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_last_line_for_programs_holds_every_quantity(call, tmp_path: Path) -> None:
    banner = "INFO 03-04 05:06:12.350 [core.py:1] Initializing a V1 LLM engine (v0.10.1.1) with config: model='m'\n"
    path = write(tmp_path, CACHED_START.replace("bye\n", "bye\n" + banner))
    done = call(path, "--json")
    document = json.loads(done.out.splitlines()[-1])
    assert done.code == 0
    assert document["file"] == str(path)
    assert document["quantities"] == CACHED_QUANTITIES | {
        "actual_total_time": document["quantities"]["actual_total_time"]
    }
    assert document["missing"] == ["graph_compile_general_shape"]
    assert (document["version"], document["start_s"], document["notes"]) == ("0.10.1.1", 12.0, [])
    assert (document["label"], document["model"], document["setting"]) == (path.name, "a", "load-format=dummy")


def test_people_get_a_table_in_which_missing_is_not_zero(call, tmp_path: Path) -> None:
    done = call(write(tmp_path, CACHED_START, "my.log"))
    assert (done.code, done.err) == (0, "")
    lines = [line.split() for line in done.out.splitlines()]
    assert ["graph_compile_general_shape", "missing"] in lines
    assert ["kv_cache_profiling", "1.375"] in lines


@pytest.mark.parametrize(
    ("text", "name", "note"),
    [
        (
            CACHED_START[: CACHED_START.index("INFO 03-04 05:06:19.5")],
            "x.txt",
            "no line says that the engine was ready",
        ),
        (
            "X 01-02 03:04:05 LLM engine (v0.6.0) with\ninitialize_engine took 2 seconds",
            "output_0.7.0.txt",
            "its name says vLLM 0.7.0, its banner 0.6.0",
        ),
        (
            CACHED_START.replace("from the cache, took 2.125 s", "from the cache"),
            "x.txt",
            "the line is there, but states no seconds: graph_compile_cached",
        ),
    ],
)
def test_what_makes_numbers_doubtful_is_noted(call, tmp_path: Path, text: str, name: str, note: str) -> None:
    done = call(write(tmp_path, text, name), "--json")
    assert done.code == 0
    assert note in "\n".join(json.loads(done.out)["notes"])
    assert f"note: {note}" in done.err


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "empty; name the log of a start"),
        (b"\x00" * 4096, "no line of a vLLM start in its 4096 bytes"),
        (bytes(range(256)) * 16, "no line of a vLLM start in its 4096 bytes"),
        (b"Loading weights took nan seconds\n", "no line of a vLLM start in its 33 bytes"),
    ],
)
def test_what_holds_nothing_of_a_start_is_an_error(call, tmp_path: Path, content: bytes, error: str) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    done = call(path, "--json")
    assert done.code == 2
    assert error in done.error
    assert error in json.loads(done.out)["error"]


def test_a_folder_a_pipe_and_nothing_at_all_are_named(call, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, error in (
        (tmp_path, "is a folder; name one log"),
        (tmp_path / "pipe", "not a regular file; name a log"),
        (tmp_path / "absent", "No such file or directory; name a log"),
        (Path("/proc/self/mem"), "proc/self/mem"),
    ):
        done = call(path)
        assert done.code == 2
        assert error in done.error


def test_a_log_of_many_megabytes_needs_little_memory(call, tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    with path.open("w") as file:
        file.write(CACHED_START)
        file.writelines("DEBUG 03-04 05:06:30.000 [a.py:1] nothing new " * 2000 + "\n" for _ in range(200))
    tracemalloc.start()
    try:
        done = call(path, "--json")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 16 << 20
    assert json.loads(done.out)["quantities"]["actual_total_time"] == 22.9
