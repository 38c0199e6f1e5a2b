"""run.json: what is written is what is read, and what is not one is refused by name."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.record.run import SCHEMA_VERSION, Run, RunFileError, read_run
from tests.synthetic_run import certificate, make_run

FIELDS = [field.name for field in fields(Run)]
same_folder = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(folder: Path, document: Any) -> Path:
    path = folder / "run.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_a_record_reads_back_equal_and_begins_with_its_schema_version(tmp_path: Path) -> None:
    run = make_run(log_tail=["ümlaut", "\x1b[31mred"], first_token_s=0.1 + 0.2)
    run.write(tmp_path)
    assert read_run(tmp_path) == run
    assert next(iter(json.loads((tmp_path / "run.json").read_text()))) == "schema_version"


def test_absent_numbers_are_null_and_never_nan(tmp_path: Path) -> None:
    make_run(status="failed").write(tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["ready_s"] is None
    with pytest.raises(ValueError, match="Out of range float"):
        make_run(wall_s=float("nan")).write(tmp_path)
    assert read_run(tmp_path).status == "failed"  # the refused one replaced nothing
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize("version", [0, SCHEMA_VERSION + 1, "1", None])
def test_another_schema_version_is_refused_with_both_versions(tmp_path: Path, version: Any) -> None:
    path = write(tmp_path, {**asdict(make_run()), "schema_version": version})
    with pytest.raises(RunFileError) as refused:
        read_run(tmp_path)
    assert str(refused.value) == f"{path}: schema_version is {version!r}, this harness reads 1 to {SCHEMA_VERSION}"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match=str(tmp_path / "run.json")):
        read_run(tmp_path)


@same_folder
@given(content=st.binary(max_size=200))
def test_bytes_that_are_no_record_are_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RunFileError, match=str(tmp_path / "run.json")):
        read_run(tmp_path)


@same_folder
@given(cut=st.floats(0, 0.999))
def test_a_record_that_was_cut_off_is_refused_by_name(tmp_path: Path, cut: float) -> None:
    make_run().write(tmp_path)
    text = (tmp_path / "run.json").read_text().rstrip()
    write(tmp_path, text[: int(cut * len(text))])
    with pytest.raises(RunFileError, match=str(tmp_path / "run.json")):
        read_run(tmp_path)


def test_nesting_too_deep_to_read_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, "[" * 100_000)
    with pytest.raises(RunFileError, match=str(path)):
        read_run(tmp_path)


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "schema_version"])
def test_each_missing_field_is_named(tmp_path: Path, name: str) -> None:
    document = asdict(make_run())
    del document[name]
    path = write(tmp_path, document)
    with pytest.raises(RunFileError) as refused:
        read_run(tmp_path)
    assert str(refused.value) == f"{path}: missing or unknown keys: {name}"


def test_an_unknown_field_is_named(tmp_path: Path) -> None:
    write(tmp_path, {**asdict(make_run()), "mood": "good"})
    with pytest.raises(RunFileError, match="missing or unknown keys: mood"):
        read_run(tmp_path)


json_values = (
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.text(max_size=3) | st.just([]) | st.just({})
)


@same_folder
@given(name=st.sampled_from(FIELDS), value=json_values)
def test_a_field_of_another_type_is_refused_or_harmless(tmp_path: Path, name: str, value: Any) -> None:
    path = write(tmp_path, {**asdict(make_run()), name: value})
    try:
        run = read_run(tmp_path)
    except RunFileError as error:
        refused = str(error)
    else:
        assert run.counts in (True, False)
        assert type(getattr(run, name)) is type(value)
        return
    assert str(path) in refused
    assert name in refused


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("certificate", None),
        ("certificate", {"compile_cache": True}),
        ("certificate", {"compile_cache": {"reason": None}}),
        ("certificate", {"compile_cache": {"holds": False}}),
        ("certificate", {"compile_cache": {"holds": True, "reason": 1}}),
        ("phases", []),
        ("node", "node-1"),
        ("wall_s", "3"),
        ("exit_code", 1.5),
        ("status", "fine"),
        ("kind", "cold"),
        ("session", "first"),
        ("session", "s0"),
        ("session", "s1/../.."),
        ("run", "../1"),
        ("run", "٣"),
        ("schema_version", True),
        ("ready_s", -1.0),
        ("wall_s", 1e300),
        ("phases", {"imports:main": -2.0, "load_weights": 5.0}),
        ("phases", {"imports:main": "3"}),
        ("phases", {"two\nlines": 3.0}),
        ("phases_by_process", {"main": 3.0}),
        ("log_tail", "one line"),
        ("log_tail", [1]),
        ("started_at", "yesterday"),
        ("started_at", "2026-11-20T12:00:00"),
        ("case", {"parameters": []}),
        ("environment", {"OMP_NUM_THREADS": 1}),
        ("window", {"pid": 1, "exec_ns": 5, "ready_ns": 5}),
        ("window", {"pid": 1}),
        ("failed_in", "\x1b[2J"),
        ("graph", {"nodes": 5}),
        ("graph", {"nodes": 5, "code_bytes": 0}),
        ("graph", {"nodes": 5, "code_bytes": 1 << 50}),
        ("graph", {"nodes": 5.0, "code_bytes": 9}),
        ("output", {}),
        ("output", {"token_ids": "5"}),
        ("output", {"token_ids": [5, -1]}),
        ("output", {"token_ids": [5] * 1001}),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_file_and_field(tmp_path: Path, field: str, value: Any) -> None:
    path = write(tmp_path, {**asdict(make_run()), field: value})
    with pytest.raises(RunFileError) as refused:
        read_run(tmp_path)
    assert str(refused.value).startswith(f"{path}: {field}")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"run_id": "s1/2"}, "run_id is s1/2, but session and run are s1 and 1"),
        ({"kind": "warmup"}, "run 1 is of kind warmup"),
        ({"ready_s": None}, "status is ok, but ready_s is null"),
        ({"ready_s": 4.0}, "phases sum to 3.000000 s, but ready_s is 4.0"),
        ({"window": {"pid": 7, "exec_ns": 0, "ready_ns": 1}}, "window is of 1e-09 s, but ready_s is 3.0"),
        ({"phases_by_process": {"main": {"load_weights": 0.75}}}, "phases_by_process has 0.000000 s of imports:main"),
        (
            {"phases_by_process": {**make_run().phases_by_process, "api": {"config": 9.0}}},
            "phases_by_process has 9.000000 s of config, but phases none",
        ),
        ({"status": "failed", "ready_s": None}, "window is there, but ready_s is null"),
        ({"status": "failed", "ready_s": None, "window": None}, "phases is there, but ready_s is null"),
    ],
)
def test_values_that_contradict_each_other_are_refused(tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    path = write(tmp_path, {**asdict(make_run()), **changes})
    with pytest.raises(RunFileError) as refused:
        read_run(tmp_path)
    assert str(refused.value).startswith(f"{path}: {complaint}")


def test_text_that_utf_8_cannot_hold_loses_no_record(tmp_path: Path) -> None:
    make_run(environment={"HARNESS_NAME": "caf\udce9"}).write(tmp_path)
    assert read_run(tmp_path).environment == {"HARNESS_NAME": "caf?"}


@pytest.mark.parametrize("status", ["failed", "timeout", "killed"])
def test_only_ok_runs_count(status: str) -> None:
    assert make_run().counts
    assert not make_run(status=status).counts


def test_a_run_counts_only_while_every_part_of_its_certificate_holds() -> None:
    assert make_run(certificate={}).counts  # none was declared
    assert not make_run(certificate=certificate(holds=False)).counts
    assert not make_run(certificate={**certificate(), "quiet": {"holds": False, "reason": "a backup ran"}}).counts
