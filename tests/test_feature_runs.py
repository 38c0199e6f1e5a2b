"""The feature matrix's runs: what is made, in which order, what is not made again, and what becomes of failures."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.commands.anatomy.feature_plan import FeatureOn, plan_features
from harness.commands.anatomy.feature_runs import feature_manifest
from harness.errors import HarnessError
from harness.measure import feature_run
from harness.record import feature_tables as names
from harness.record.feature_run import read_feature_run
from harness.record.tables import parse_table, table_csv
from harness.spec.features import Feature, Features
from tests.feature_matrix import feature_on, made, matrix, rows_by_table, shown

ALL = ("drafted", "apart", "refusing")


def with_mode(mode: str) -> Features:
    """Two cases, of which the second goes wrong in this way."""
    features = matrix()
    bad = features.cases["apart"].model_copy(update={"engine": {"mode": mode}})
    return features.model_copy(update={"cases": {"plain": features.cases["plain"], "bad": bad}, "timeout_s": 2.0})


@pytest.fixture
def on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureOn:
    return feature_on(tmp_path, monkeypatch)


def runs(on: FeatureOn) -> list[str]:
    """Every stored run, ``case/run``, without the digits of the case."""
    found = on.workspace.runs.glob("*/engine_anatomy/*/*/feature.json")
    return sorted(f"{path.parts[-3].rpartition('-')[0]}/{path.parts[-2]}" for path in found)


def test_a_matrix_is_made_once_and_its_rows_say_what_was_planted(on: FeatureOn):
    features = matrix()
    assert made(features, ALL, on) == []
    of = "_qwen2.5-0.5b-instruct"
    stored = [f"feature-{name}{of}/{repeat}" for name in ("apart", "drafted", "plain") for repeat in (1, 2)]
    assert runs(on) == sorted([*stored, f"feature-refusing{of}/1.failed-1"])

    before = {path: path.stat().st_mtime_ns for path in on.workspace.runs.rglob("[fm]*.json")}
    assert made(features, ALL, on) == []
    assert {path: path.stat().st_mtime_ns for path in on.workspace.runs.rglob("*") if path in before} == before

    rows = rows_by_table(features, ALL, on)
    status = {row[0]: (row[5], row[6]) for row in rows[names.FEATURES.name]}
    assert status["plain"] == (names.OK, names.NOTHING)
    assert status["refusing"] == (names.REFUSED, "AssertionError: assert self.intermediate is not None")
    outputs = {(row[0], row[2]): row[3] for row in rows[names.FEATURE_OUTPUTS.name]}
    counts = (names.ANSWERS, names.IDENTICAL, names.NEAR_TIES, names.DIFFERENT)
    assert [outputs["drafted", name] for name in counts] == [12, 12, 0, 0]  # of both repeats
    assert [outputs["apart", name] for name in counts] == [12, 8, 2, 2]
    statistics = {row[2:4]: row[4] for row in rows[names.FEATURE_COMPARISONS.name] if row[0] == "drafted"}
    assert statistics[names.WALL, names.SPEEDUP] == pytest.approx(2.0)
    assert statistics[names.CPU, names.SPEEDUP] == pytest.approx(2.0)  # 0.5 s of spinning are nobody's work
    assert statistics[names.CPU, names.N] == 2
    values = {row[3]: row[4] for row in rows[names.FEATURE_RUNS.name] if row[1] == "drafted"}
    assert values[names.ACCEPTANCE] == pytest.approx(150 / 280)
    assert values[names.TOKENS_PER_DRAFT] == pytest.approx(0.18)  # 6 answers of 4 tokens, the first without a draft
    assert values[f"{names.ACCEPTANCE_AT}2"] == pytest.approx(0.5)
    assert values[f"{names.ACCEPTANCE_AT}3"] == pytest.approx(20 / 80)  # of the drafts that were so long
    assert values[names.UNLIKE_FIRST] == 0
    assert values[names.HIT_RATE] == pytest.approx(0.25)
    manifest = feature_manifest(plan_features(features, ALL, on), shown(features, ALL, on))
    assert {row[0] for row in rows[names.FEATURE_RUNS.name]} <= {entry["case"] for entry in manifest["cases"]}
    assert [entry["status"] for entry in manifest["runs"]].count("failed") == 1
    for table in names.FEATURE_TABLES:
        assert parse_table(table, table_csv(table, rows[table.name]), table.name) == rows[table.name]


def test_a_baseline_is_made_with_its_case_and_a_smoke_has_few_prompts(on: FeatureOn, monkeypatch: pytest.MonkeyPatch):
    smoke = feature_on(on.workspace.root, monkeypatch, smoke=True)
    made(matrix(), ("drafted",), smoke)
    assert [name.partition("_")[0] for name in runs(on)] == ["feature-drafted", "feature-plain"]
    for folder in on.workspace.runs.glob("*/engine_anatomy/*/1"):
        run = read_feature_run(folder)
        assert len(run.outputs) == 3
        told = 3 if run.facts.feature == "plain" else 2  # of a baseline all, so that every gap is known
        assert sum(output.gaps is not None for output in run.outputs) == told


@pytest.mark.parametrize(
    ("mode", "where", "reason"),
    [
        ("killed", "answer", "it ended without a word (exit code -9)"),
        ("hang", "answer", "it took more than 2 s"),
        ("torn", "answer", "outputs.jsonl:"),
        ("refuse", "start", "AssertionError: assert self.intermediate is not None"),
    ],
)
def test_what_fails_is_kept_with_its_reason_and_stops_nothing_else(on: FeatureOn, mode: str, where: str, reason: str):
    features = with_mode(mode)
    (line,) = made(features, ["bad"], on)
    assert line.startswith(f"feature bad failed ({where}): ")
    assert reason in line
    assert [name.rpartition("/")[2] for name in runs(on)] == ["1.failed-1", "1", "2"]  # bad is not tried twice
    (failed,) = on.workspace.runs.glob("*/engine_anatomy/*/1.failed-1")
    assert sorted(path.name for path in failed.iterdir()) == ["engine.log", "feature.json"]
    rows = rows_by_table(features, ["bad"], on)
    assert [row[5] for row in rows[names.FEATURES.name]] == [names.OK, names.FAILED]
    assert rows[names.FEATURE_COMPARISONS.name] == rows[names.FEATURE_OUTPUTS.name] == []


def test_a_case_can_be_repeated_less_often_than_others(on: FeatureOn):
    features = matrix()
    once = features.cases["drafted"].model_copy(update={"repeats": 1})
    made(features.model_copy(update={"cases": {**features.cases, "drafted": once}}), ["drafted"], on)
    assert [name.partition("_")[0][8:] + name[-2:] for name in runs(on)] == ["drafted/1", "plain/1", "plain/2"]


def test_a_refusal_that_is_no_longer_declared_is_a_failure_and_is_tried_again(on: FeatureOn):
    features = matrix()
    assert made(features, ["refusing"], on) == []
    undeclared = features.cases["refusing"].model_copy(update={"refuses": "something else"})
    changed = features.model_copy(update={"cases": {**features.cases, "refusing": undeclared}})
    assert len(made(changed, ["refusing"], on)) == 1


def test_a_name_that_is_not_declared_is_one_clear_line(on: FeatureOn):
    with pytest.raises(HarnessError, match="--features: no feature case medusa; there is plain, drafted"):
        made(matrix(), ["medusa"], on)


def test_a_damaged_run_is_named_and_not_drawn(on: FeatureOn):
    features = matrix()
    made(features, ["drafted"], on)
    path = next(on.workspace.runs.glob("*/engine_anatomy/feature-plain*/1/measured.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"passes": []}))
    with pytest.raises(HarnessError, match=r"measured\.json: passes must be a list of objects; remove .* and repeat"):
        rows_by_table(features, ["drafted"], on)


def test_the_environment_is_the_cases_and_has_no_secret_of_the_caller(on: FeatureOn, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    case = Feature(question="?", workload="few", environment={"VLLM_CPU_KVCACHE_SPACE": None, "A": "b"})
    features = matrix().model_copy(update={"cases": {"plain": case}})
    seen: list[dict[str, str]] = []
    real = feature_run.process_tree

    def watched(command: list[str], environment: dict[str, str], *more: object, **named: object) -> object:
        seen.append(environment)
        return real(command, environment, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(feature_run, "process_tree", watched)
    made(features, ["plain"], on)
    environment = seen[0]
    assert environment["OMP_NUM_THREADS"] == environment["NUMBA_NUM_THREADS"] == "1"
    assert environment["A"] == "b"
    assert not {"HF_TOKEN", "VLLM_CPU_KVCACHE_SPACE"} & environment.keys()


def test_a_killed_call_loses_the_run_in_progress_alone(tmp_path: Path):
    program = f"""
from pathlib import Path
import pytest
from tests.feature_matrix import feature_on, made, matrix
features = matrix()
slow = features.cases["drafted"].model_copy(update={{"engine": {{"mode": "hang"}}}})
features = features.model_copy(update={{"cases": {{**features.cases, "drafted": slow}}}})
made(features, ["drafted"], feature_on(Path({str(tmp_path)!r}), pytest.MonkeyPatch()))
"""
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while "drafted" not in process.stderr.readline():
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert [path.parts[-2] for path in tmp_path.glob("runs/*/engine_anatomy/*/*/feature.json")] == ["1"]
