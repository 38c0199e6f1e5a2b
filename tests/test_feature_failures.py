"""The feature matrix where models, drafts or answers are not as they should be: said, and nothing else is lost."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.commands.anatomy import feature_plan
from harness.commands.anatomy.feature_plan import FeatureOn, Planned, plan_features
from harness.commands.anatomy.feature_runs import different_answers, feature_manifest
from harness.engine.model_store import ModelFiles
from harness.errors import HarnessError
from harness.measure import feature_heads, feature_run
from harness.record import feature_tables as names
from harness.record.private import Names
from harness.spec.features import Features
from tests.feature_matrix import EAGER, feature_on, made, matrix, rows_by_table, shown


@pytest.fixture
def on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureOn:
    return feature_on(tmp_path, monkeypatch)


def with_cases(**changes: dict[str, Any]) -> Features:
    """The matrix with these cases changed or added, all against ``plain``."""
    cases = matrix().model_dump()["cases"]
    for name, case in changes.items():
        cases[name] = {"question": "?", "baseline": "plain", "workload": "few"} | case
    return matrix(cases=cases)


def status(features: Features, chosen: tuple[str, ...], on: FeatureOn) -> dict[str, tuple[Any, ...]]:
    return {str(row[0]): row[5:8] for row in rows_by_table(features, chosen, on)[names.FEATURES.name]}


@pytest.mark.parametrize(
    ("error", "reason"), [(HarnessError("no heads fit it"), "no heads fit it"), (OSError(28, "No space"), "No space")]
)
def test_a_draft_that_cannot_be_made_is_one_failed_case(
    on: FeatureOn, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
):
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(feature_heads, "run_worker", failing)
    features = with_cases(eagle={"speculation": EAGER | {"draft": "random"}})
    (line,) = made(features, ("eagle", "drafted"), on)
    assert line.startswith("feature eagle failed (draft): ")
    assert line.partition("; log")[0].endswith(reason) or reason in line
    assert not line.endswith("engine.log")  # there is none
    found = status(features, ("eagle", "drafted"), on)
    assert found["eagle"][0] == names.FAILED
    assert reason in found["eagle"][1]
    assert [found[name] for name in ("plain", "drafted")] == [(names.OK, names.NOTHING, 2)] * 2


@pytest.mark.parametrize("case", [{"speculation": EAGER | {"draft": "opt-125m"}}, {"model": "opt-125m"}])
def test_a_model_that_cannot_be_had_is_one_failed_case(
    on: FeatureOn, monkeypatch: pytest.MonkeyPatch, case: dict[str, Any]
):
    def failing(name: str, *_: object, **__: object) -> None:
        raise HarnessError(f"{name}: a file was changed by hand")

    monkeypatch.setattr(feature_plan, "ensure_model", failing)
    monkeypatch.setattr(feature_heads, "ensure_model", failing)
    features = with_cases(other=case if "speculation" in case else case | {"baseline": None})
    assert made(features, ("other", "drafted"), on) == [
        "feature other failed (model): opt-125m: a file was changed by hand"
    ]
    found = status(features, ("other", "drafted"), on)
    assert found["other"] == (names.FAILED, "opt-125m: a file was changed by hand", 0)
    assert found["drafted"] == (names.OK, names.NOTHING, 2)
    chosen = ("other", "drafted")
    manifest = feature_manifest(plan_features(features, chosen, on), shown(features, chosen, on))
    assert [entry["feature"] for entry in manifest["cases"]] == ["plain", "drafted"]


def test_answers_that_differ_are_told_by_case_and_those_that_are_meant_to_are_not(on: FeatureOn):
    synthetic = EAGER | {"config": EAGER["config"] | {"rejection_sample_method": "synthetic"}}  # type: ignore[operator]
    features = with_cases(chosen={"speculation": synthetic, "engine": {"mode": "apart"}})
    chosen = ("drafted", "apart", "chosen")
    assert different_answers(shown(features, chosen, on), features.near_tie) == []  # nothing is stored
    made(features, chosen, on)
    assert different_answers(shown(features, chosen, on), features.near_tie) == [
        "feature apart: 2 of 12 answers differ from plain's where no near tie explains it"
    ]


def test_repeats_of_a_case_are_compared_with_each_other_and_all_with_the_baselines(on: FeatureOn):
    features = with_cases(drifting={"engine": {"mode": "drifting"}})
    made(features, ("drifting",), on)
    rows = rows_by_table(features, ("drifting",), on)
    unlike = {row[1:3]: row[4] for row in rows[names.FEATURE_RUNS.name] if row[3] == names.UNLIKE_FIRST}
    assert unlike == {("plain", 1): 0, ("plain", 2): 0, ("drifting", 1): 0, ("drifting", 2): 1}
    outputs = {row[2]: row[3] for row in rows[names.FEATURE_OUTPUTS.name]}
    assert (outputs[names.ANSWERS], outputs[names.DIFFERENT]) == (12, 2)


def test_the_largest_difference_of_log_probabilities_is_a_row(on: FeatureOn):
    features = with_cases(off={"engine": {"off": 0.25}})
    made(features, ("off",), on)
    rows = rows_by_table(features, ("off",), on)[names.FEATURE_OUTPUTS.name]
    assert {row[2]: row[3] for row in rows}[names.LARGEST_DIFFERENCE] == 0.25


def test_how_far_apart_paired_runs_started_is_told(on: FeatureOn):
    features = matrix()
    made(features, ("drafted",), on)
    (path,) = on.workspace.runs.glob("*/engine_anatomy/feature-plain*/2/feature.json")
    facts = json.loads(path.read_text())
    before = datetime.fromisoformat(facts["started_at"]) - timedelta(hours=50)
    path.write_text(json.dumps(facts | {"started_at": before.isoformat()}))
    rows = rows_by_table(features, ("drafted",), on)[names.FEATURE_COMPARISONS.name]
    apart = [row[4] for row in rows if row[3] == names.HOURS_APART]
    assert len(apart) == len(names.COMPARED)
    assert all(isinstance(hours, float) and 49.9 < hours < 50.1 for hours in apart)


def test_a_stored_reason_names_nobodys_machine(on: FeatureOn, monkeypatch: pytest.MonkeyPatch):
    names_of = Names(frozenset({"machine-of-mine"}), frozenset({"somebody"}), frozenset({"/home/somebody"}))
    monkeypatch.setattr(feature_run, "names_here", lambda: names_of)
    features = with_cases(bad={"engine": {"mode": "private"}})
    (line,) = made(features, ("bad",), on)
    (path,) = on.workspace.runs.glob("*/engine_anatomy/feature-bad*/1.failed-1/feature.json")
    reason = json.loads(path.read_text())["reason"]
    assert "RuntimeError: weights.bin on host" in reason
    assert reason in line


def identity(features: Features, on: FeatureOn, name: str = "drafted") -> str:
    (found,) = [each for each in plan_features(features, (name,), on) if each.name == name]
    assert isinstance(found, Planned)
    return found.stored.case


def test_a_case_is_another_one_with_another_environment_prompts_or_draft(
    on: FeatureOn, monkeypatch: pytest.MonkeyPatch
):
    named = with_cases(drafted={"speculation": EAGER | {"draft": "opt-125m"}})
    draft = ModelFiles(on.workspace.models, "opt-125m", True, None, "cd" * 32)
    monkeypatch.setattr(feature_heads, "ensure_model", lambda *_, **__: draft)
    found = {identity(named, on), identity(matrix(), on)}
    assert found == {identity(named, on), identity(matrix(), on)}
    changed = ModelFiles(on.workspace.models, "opt-125m", True, None, "ef" * 32)
    monkeypatch.setattr(feature_heads, "ensure_model", lambda *_, **__: changed)
    found.add(identity(named, on))
    real = feature_plan.feature_prompts
    with monkeypatch.context() as patched:
        patched.setattr(feature_plan, "feature_prompts", lambda *asked: real(*asked)[::-1])
        found.add(identity(matrix(), on))
    pin = on.engine.pin.model_copy(update={"environment": {**on.engine.pin.environment, "VLLM_X": "1"}})
    other = FeatureOn(on.model, type(on.engine)(pin, on.engine.folder), on.node, on.workspace)
    found.add(identity(matrix(), other))
    assert len(found) == 5
