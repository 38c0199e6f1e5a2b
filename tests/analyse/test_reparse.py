"""A recording is read again: every value matches, or is counted and named as what it is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.analyse.reparse import reparse
from harness.analyse.tally import MAX_CAUSES, Tally
from tests.synthetic_recording import CACHED_START, LABELS, write_recording

RUN_VALUES, AVERAGE_VALUES = 4 * 2 * 18, 2 * 18  # a warm-up and three repeats of two labels


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write_recording(tmp_path / "figure-9")


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def counts(tally: Tally) -> tuple[int, int, int]:
    return tally.matched, tally.different, tally.missing


ALL = RUN_VALUES + AVERAGE_VALUES


def test_every_value_of_starts_and_averages_matches_wherever_they_lie(recording: Path) -> None:
    write_recording(recording.parent / "figure-10" / "gpu1")
    tally = reparse(recording.parent)
    assert tally.files == 10
    assert counts(tally) == (2 * ALL, 0, 0)
    assert tally.causes() == []


def test_order_of_labels_and_integers_make_no_difference(recording: Path) -> None:
    def turn(document: dict[str, Any]) -> None:
        document["labels"].reverse()
        for column in document["data"].values():
            column[:] = [int(value) if value in (1.0, 13.0) else value for value in reversed(column)]
        assert type(document["data"]["llm_imports"][0]) is int

    edit(recording / "iterations/2/comparison_results.json", turn)
    assert counts(reparse(recording)) == (ALL, 0, 0)


def test_another_last_bit_is_a_difference_and_both_numbers_are_told(recording: Path) -> None:
    def bend(document: dict[str, Any]) -> None:
        document["data"]["load_weights"][0] += 2.220446049250313e-16

    edit(recording / "iterations/1/comparison_results.json", bend)
    tally = reparse(recording)
    assert counts(tally) == (ALL - 1, 1, 0)
    (cause,) = tally.causes()
    assert cause.startswith(
        "1 × load_weights: different; iterations/1/comparison_results.json: output_model_fast-1b.txt"
    )
    assert "recorded 1.1000000000000003, log 1.1" in cause


def test_a_renamed_log_is_missing_for_its_start_and_for_its_average(recording: Path) -> None:
    log = recording / "iterations" / "2" / LABELS[0]
    log.rename(log.with_name("output_model_other-1b.txt"))
    tally = reparse(recording)
    assert counts(tally) == (ALL - 2 * 18, 0, 2 * 18)
    named, not_counted = tally.causes()
    assert named.startswith("36 × a label without a log;")
    assert not_counted.startswith("2 × a log that no label names (not counted);")


def test_a_repeat_that_was_never_recorded_is_no_part_of_the_average(recording: Path) -> None:
    def forget(document: dict[str, Any]) -> None:
        del document["labels"][0]
        for column in document["data"].values():
            del column[0]

    edit(recording / "iterations/3/comparison_results.json", forget)
    (recording / "iterations" / "3" / LABELS[0]).unlink()
    tally = reparse(recording)
    assert tally.missing == 0
    assert {cause.split(";")[0].split(": ")[1] for cause in tally.causes()} == {"different"}  # of another average


@pytest.mark.parametrize(
    ("change", "missing", "cause"),
    [
        (lambda d: d["data"].pop("init_engine"), 2, "2 × no key 'init_engine';"),
        (lambda d: d["data"].update(novel=[1, 2]), 2, "2 × unknown key 'novel';"),
        (lambda d: d["data"]["init_engine"].pop(), 1, "1 × init_engine: fewer values than labels;"),
        (lambda d: d["data"]["init_engine"].append(3), 1, "1 × init_engine: more values than labels;"),
        (lambda d: d["data"].update(init_engine=7), 2, "2 × init_engine: fewer values than labels;"),
        (lambda d: d["labels"].__setitem__(0, "../1/" + LABELS[0]), 18, "18 × a label that is no file name;"),
        (lambda d: d["labels"].__setitem__(0, None), 18, "18 × a label that is no file name;"),
        (lambda d: d.pop("labels"), 36, "36 × damaged result file: no list 'labels'"),
    ],
)
def test_what_one_side_lacks_is_missing_never_different(
    recording: Path, change: Callable[[dict[str, Any]], Any], missing: int, cause: str
) -> None:
    edit(recording / "uncached/comparison_results.json", change)
    tally = reparse(recording)
    assert (tally.different, tally.missing) == (0, missing)
    assert any(line.startswith(cause) for line in tally.causes()), tally.causes()


@pytest.mark.parametrize("text", ["", "{", "[]", "nonsense", "[" * 100_000, '{"labels": [], "data": []}', "\xff"])
def test_a_damaged_result_file_counts_for_the_logs_beside_it(recording: Path, text: str) -> None:
    (recording / "uncached/comparison_results.json").write_text(text, encoding="latin-1")
    tally = reparse(recording)
    assert counts(tally) == (ALL - 36, 0, 36)
    assert tally.causes()[0].startswith("36 × damaged result file: ")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1.0", True, [1], 10**400])
def test_what_is_recorded_as_no_number_differs_and_is_shown(recording: Path, value: Any) -> None:
    edit(recording / "uncached/comparison_results.json", lambda d: d["data"]["init_engine"].__setitem__(0, value))
    tally = reparse(recording)
    assert tally.matched + tally.different + tally.missing == ALL
    assert tally.different == 1 or "damaged result file" in tally.causes()[0]


def test_a_log_that_was_cut_off_differs_in_what_it_no_longer_says(recording: Path) -> None:
    log = recording / "uncached" / LABELS[1]
    log.write_text(log.read_text()[: CACHED_START.index("INFO 03-04 05:06:19.500")])
    tally = reparse(recording)
    assert counts(tally) == (ALL - 3, 3, 0)
    (cause,) = tally.causes()
    assert cause.startswith("3 × a log that ends before the engine was ready (cut off, or the start failed); uncached/")


def test_an_empty_or_unreadable_log_has_its_cause(recording: Path) -> None:
    (recording / "uncached" / LABELS[0]).write_text("")
    second = recording / "uncached" / LABELS[1]
    second.unlink()
    second.symlink_to("/dev/zero")
    tally = reparse(recording)
    assert counts(tally) == (ALL - 18 - 17, 17, 18)  # null = null is a match
    assert tally.causes()[0].startswith("18 × a log that cannot be read: not a regular file;")
    assert tally.causes()[1].startswith("17 × a log without any line of a start;")


def test_an_average_with_a_cut_off_log_says_so(recording: Path) -> None:
    log = recording / "iterations" / "2" / LABELS[0]
    log.write_text(log.read_text()[: CACHED_START.index("INFO 03-04 05:06:15")])
    causes = reparse(recording).causes()
    assert len(causes) == 2
    assert " × an average with a log that ends before the engine was ready" in causes[0] + causes[1]


def test_a_zero_for_a_line_without_its_number_matches_and_says_why(recording: Path) -> None:
    log = recording / "uncached" / LABELS[0]
    log.write_text(log.read_text().replace("from the cache, took 2.125 s", "from the cache"))

    def zero(document: dict[str, Any]) -> None:
        document["data"]["graph_compile_cached"][0] = 0
        document["data"]["kv_cache_profiling"][0] = 3.5

    edit(recording / "uncached/comparison_results.json", zero)
    tally = reparse(recording)
    assert counts(tally) == (ALL, 0, 0)
    (cause,) = tally.causes()
    assert cause.startswith("1 × graph_compile_cached: matched by the paper's rules")
    assert cause.endswith("recorded 0, log null")


def test_a_zero_for_what_was_never_logged_differs(recording: Path) -> None:
    edit(
        recording / "uncached/comparison_results.json",
        lambda d: d["data"]["graph_compile_general_shape"].__setitem__(0, 0),
    )
    assert counts(reparse(recording)) == (ALL - 1, 1, 0)


def test_a_recorded_sum_that_lacks_a_part_matches_and_says_why(recording: Path) -> None:
    log = recording / "uncached" / LABELS[0]
    log.write_text(log.read_text().replace("Init Tokenizer", "Make Tokenizer"))

    def lack(document: dict[str, Any]) -> None:
        document["data"]["tokenizer_init"][0] = None
        document["data"]["total_time"][0] = 17.25

    edit(recording / "uncached/comparison_results.json", lack)
    tally = reparse(recording)
    assert counts(tally) == (ALL, 0, 0)
    (cause,) = tally.causes()
    assert cause.startswith("1 × total_time: matched by the paper's rules")


def test_a_recording_made_of_links_is_read_as_what_they_lead_to(recording: Path, tmp_path: Path) -> None:
    for file in (recording / "iterations" / "1").iterdir():
        stored = tmp_path / f"stored-{file.name}"
        file.rename(stored)
        file.symlink_to(stored)
    warm = recording / "uncached"
    warm.rename(tmp_path / "elsewhere")
    warm.symlink_to(tmp_path / "elsewhere")
    (recording / "iterations" / "back").symlink_to(recording)  # without end
    (recording / "iterations" / "itself").symlink_to(recording / "iterations" / "itself")
    tally = reparse(recording)
    assert counts(tally) == (ALL, 0, 0)
    assert tally.files == 5


def test_a_label_with_half_a_character_names_no_log(recording: Path) -> None:
    edit(
        recording / "uncached/comparison_results.json",
        lambda d: d["labels"].__setitem__(0, "output_model_\ud800.txt"),
    )
    tally = reparse(recording)
    assert counts(tally) == (ALL - 18, 0, 18)
    assert tally.causes()[0].startswith("18 × a label that is no file name;")


@pytest.mark.parametrize("depth", [1, 500, *range(900, 1010, 5), 5000])
def test_a_value_of_any_depth_differs_or_the_file_is_damaged(recording: Path, depth: int) -> None:
    path = recording / "uncached/comparison_results.json"
    edit(path, lambda d: d["data"]["init_engine"].__setitem__(0, "DEEP"))
    path.write_text(path.read_text().replace('"DEEP"', "[" * depth + "]" * depth))
    assert counts(reparse(path.parent)) in ((35, 1, 0), (0, 0, 36))


def test_a_damaged_result_file_without_logs_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "comparison_results.json").write_text("{")
    assert counts(reparse(tmp_path)) == (0, 0, 18)


def test_averages_without_their_repeats_are_missing(recording: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    (recording / "avg_comparison_results.json").rename(alone / "avg_comparison_results.json")
    tally = reparse(alone)
    assert counts(tally) == (0, 0, 36)
    assert tally.causes()[0].startswith("36 × averages without iterations beside them;")


def test_causes_stay_few_and_printable_however_many_kinds_there_are(recording: Path) -> None:
    unknown = {f"key {number}\x1b[2J\n" + "x" * 500: [1, 2] for number in range(1000)}
    edit(recording / "uncached/comparison_results.json", lambda d: d["data"].update(unknown))
    causes = reparse(recording).causes()
    assert len(causes) == MAX_CAUSES + 1
    assert causes[-1] == f"and {1000 - MAX_CAUSES} more kinds of causes"
    assert all(cause.isprintable() and len(cause) < 600 for cause in causes)
