"""Recorded folders become rows: slots, models, settings and phases of the figure that they are drawn for."""

import json
from pathlib import Path

import pytest

from harness.analyse.logs import QUANTITIES
from harness.analyse.recorded import is_recorded, recorded_rows
from harness.errors import HarnessError
from harness.record.paper import PaperRow
from harness.record.recorded_folder import read_label
from tests.synthetic_recording import CACHED_START, write_recording


def write_env(folder: Path, *configs: dict[str, object]) -> None:
    document = {"env": {}, "default_params": {}, "configs": [{"model": "./models/a"}, *configs]}
    (folder / "env.json").write_text(json.dumps(document))


def of(rows: list[PaperRow], **wanted: object) -> list[PaperRow]:
    return [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("output_model_llama2-7b-hf.txt", [], ("llama2-7b-hf", "")),
        ("output_model_qwen-14b_max_model_len_16752.txt", [], ("qwen-14b", "max_model_len=16752")),
        ("output_model_a_cuda-graph-sizes_1_2_4.txt", [], ("a", "cuda-graph-sizes=1_2_4")),
        ("output_model_a_load-format_runai_streamer.txt", [], ("a", "load-format=runai_streamer")),
        ("output_model_a-tensorized_load-format_tensorizer.txt", [], ("a", "load-format=tensorizer")),
        ("output_model_a-tensorized.txt", [], ("a", "load-format=tensorizer")),
        ("output_model_a_no-enable-prefix-caching_.txt", [], ("a", "no-enable-prefix-caching=")),
        (
            "output_model_a_tensor_parallel_size_2_load-format_dummy.txt",
            ["tensor_parallel_size", "load-format"],
            ("a", "tensor_parallel_size=2 load-format=dummy"),
        ),
        ("output_model_a_who_knows_7.txt", [], ("a", "options=who_knows_7")),
        ("output_0.10.1.1.txt", [], ("", "vllm=0.10.1.1")),
        ("output_model_.txt", [], None),
        ("comparison_results.json", [], None),
    ],
)
def test_a_label_says_model_and_setting(name: str, options: list[str], expected: tuple[str, str] | None) -> None:
    assert read_label(name, options) == expected


def test_a_recording_of_one_node_gives_its_warm_up_and_every_repeat(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "figure-9")
    assert is_recorded(folder)
    rows = recorded_rows(folder, "9")
    assert {row.slot for row in rows} == {"node0"}
    assert {(row.model, row.setting) for row in rows} == {("fast-1b", ""), ("slow-2b", "max_model_len=64")}
    assert {(row.kind, row.iteration) for row in rows} == {
        ("warmup", 0),
        ("measured", 1),
        ("measured", 2),
        ("measured", 3),
    }
    (row,) = of(rows, model="slow-2b", iteration=3, phase="load_weights")
    assert row.seconds == 2.3
    stated = set(QUANTITIES) - {"graph_compile_general_shape"}  # absent, not zero
    assert {row.phase for row in rows} == stated
    assert len(rows) == 2 * 4 * len(stated)


def test_slots_come_from_folders_and_only_those_of_the_figure_count(tmp_path: Path) -> None:
    folder = tmp_path / "copied"
    for slot in ("gpu0", "gpu1", "cpu0"):
        write_recording(folder / slot, repeats=1)
    assert {row.slot for row in recorded_rows(folder, "10")} == {"gpu0", "gpu1"}
    assert {row.slot for row in recorded_rows(folder / "gpu1", "10")} == {"gpu1"}
    with pytest.raises(HarnessError, match="nothing for figure 13 \\(needs case0 or case1; here: cpu0, gpu0, gpu1\\)"):
        recorded_rows(folder, "13")


def test_a_figure_of_the_shared_recording_takes_its_own_quantity(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "figure-rest")
    assert {row.phase for row in recorded_rows(folder, "4")} == {"load_weights"}
    assert {row.phase for row in recorded_rows(folder, "17")} >= {"load_weights", "actual_total_time"}
    with pytest.raises(HarnessError, match="figure 9 is drawn from figure-9"):
        recorded_rows(folder, "9")


def test_figure_1_has_one_start_for_each_release(tmp_path: Path) -> None:
    (tmp_path / "iterations").mkdir()
    (tmp_path / "iterations" / "output_0.7.0.txt").write_text("initialize_engine took 20.5 seconds\n")
    (tmp_path / "iterations" / "notes.txt").write_text("not a log of a release")
    assert recorded_rows(tmp_path, "1") == [
        PaperRow("1", "node0", "opt-6.7b", "vllm=0.7.0", "measured", 1, "start_s", 20.5)
    ]


def test_figure_12_has_a_cached_and_an_uncached_start(tmp_path: Path) -> None:
    (tmp_path / "cpu_usage.json").write_text("[]")
    (tmp_path / "qwen-4b.txt").write_text(CACHED_START)
    (tmp_path / "qwen-4b_uncached.txt").write_text(CACHED_START.replace("12.0", "40.0"))
    assert is_recorded(tmp_path)
    rows = recorded_rows(tmp_path, "12")
    found = [(row.model, row.kind, row.iteration, row.seconds) for row in of(rows, phase="start_s")]
    assert found == [("qwen-4b", "warmup", 0, 40.0), ("qwen-4b", "measured", 1, 12.0)]


def test_options_that_only_env_json_names_are_understood(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "a", ["output_model_a_block_size_16.txt"], repeats=1)
    write_env(folder, {"model": "./models/a", "block_size": 16})
    assert {row.setting for row in recorded_rows(folder, "9")} == {"block_size=16"}
    (folder / "env.json").write_text("{")
    with pytest.raises(HarnessError, match=r"env\.json: not what was run"):
        recorded_rows(folder, "9")


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 500, b"Traceback (most recent call last):\n"])
def test_a_log_without_any_line_of_a_start_is_named_not_left_out(tmp_path: Path, content: bytes) -> None:
    folder = write_recording(tmp_path / "a", repeats=2)
    (folder / "iterations" / "2" / "output_model_fast-1b.txt").write_bytes(content)
    with pytest.raises(HarnessError, match=r"iterations/2/output_model_fast-1b\.txt: no line of a vLLM start"):
        recorded_rows(folder, "9")


def test_a_log_that_was_cut_off_gives_rows_for_what_it_says(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "a", repeats=1)
    log = folder / "iterations" / "1" / "output_model_fast-1b.txt"
    log.write_text(log.read_text()[: CACHED_START.index("INFO 03-04 05:06:16")])
    phases = {row.phase for row in of(recorded_rows(folder, "9"), model="fast-1b", iteration=1)}
    assert "load_weights" in phases
    assert not phases & {"init_engine", "total_time", "graph_capturing"}


def test_other_folders_are_no_recordings(tmp_path: Path) -> None:
    (tmp_path / "node0").mkdir()
    (tmp_path / "node0" / "data.csv").write_text("figure,slot\n")
    for folder in (tmp_path, tmp_path / "node0", tmp_path / "absent", tmp_path / "node0" / "data.csv"):
        assert not is_recorded(folder)
