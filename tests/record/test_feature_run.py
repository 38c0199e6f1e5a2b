"""A run of the feature matrix: read as it was written, and refused by name where it cannot be."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.record.feature_run import FeatureFacts, FeatureRunError, read_feature_run

FACTS = FeatureFacts(
    "feature-plain_m-12345678", 1, "plain", "ok", None, None, "2026-11-29T12:00:00Z", 3.5, {}, {"pin": "p"},
    {"name": "m"}, {"id": "n"}, {"version": "1"},
)  # fmt: skip
PASS = {"wall_s": 1.0, "cpu_s": 2.0, "spin_s": None, "steps": 3, "step_tokens": 9, "drafts": 0, "draft_tokens": 0,
        "accepted_tokens": 0, "accepted_by_position": [], "drafted_by_position": [], "prefix_queries": 5,
        "prefix_hits": 0, "same_as_first": 2}  # fmt: skip
MEASURED = {"vllm": "0", "start_s": 1, "configured": {}, "made_pipeline_buffers": False, "passes": [PASS]}
OUTPUTS = [
    {"tokens": [1, 2], "nll": [0.5, 0.1], "gaps": [0.2, 0.3], "runners_up": [5, 6]},
    {"tokens": [3, 4], "nll": None, "gaps": None, "runners_up": None},
]


def write(folder: Path, measured: Any = MEASURED, outputs: Any = OUTPUTS, **facts: Any) -> Path:
    """A run's folder; ``facts``: fields of feature.json that are changed."""
    FACTS.write(folder)
    path = folder / "feature.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))
    (folder / "measured.json").write_text(json.dumps(measured))
    text = outputs if isinstance(outputs, str) else "".join(json.dumps(line) + "\n" for line in outputs)
    (folder / "outputs.jsonl").write_text(text)
    return folder


def test_a_run_is_read_as_it_was_written(tmp_path: Path):
    run = read_feature_run(write(tmp_path))
    assert run.facts == FACTS
    assert run.measured is not None
    assert run.measured.passes[0].wall_s == 1.0
    assert [output.tokens for output in run.outputs] == [[1, 2], [3, 4]]


def test_a_failed_run_has_a_reason_and_nothing_measured(tmp_path: Path):
    run = read_feature_run(write(tmp_path, status="failed", failed_in="start", reason="no Ray"))
    assert (run.measured, run.outputs, run.facts.reason) == (None, [], "no Ray")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema_version": 1}, "schema_version is 1, this harness reads 2"),
        ({"status": "failed"}, "a failed run says where and why"),
        ({"study": "cold_start"}, "study is cold_start"),
        ({"run": 0}, "run must be at least 1"),
        ({"extra": 1}, "missing or unknown keys: extra"),
        ({"wall_s": "1"}, "wall_s has a value that cannot be"),
        ({"measured": []}, "not a JSON object"),
        ({"measured": MEASURED | {"passes": [PASS | {"steps": -1}]}}, "steps has a value that cannot be"),
        ({"measured": MEASURED | {"passes": [PASS | {"same_as_first": 3}]}}, "more answers than outputs.jsonl has"),
        ({"outputs": '{"tokens": [1]'}, "outputs.jsonl:1: cut off"),
        ({"outputs": "[1]\n"}, "outputs.jsonl:1: cut off, too long, or not a JSON object"),
        ({"outputs": [OUTPUTS[0] | {"gaps": [-1.0]}]}, "gaps has a value that cannot be"),
        ({"outputs": [OUTPUTS[0] | {"nll": [1.0] * 3}]}, "more log-probabilities than tokens"),
        ({"outputs": [OUTPUTS[0] | {"runners_up": [5]}]}, "gaps and runners_up are not of one length"),
        ({"outputs": [*OUTPUTS, OUTPUTS[1]]}, "outputs.jsonl: more answers than the first pass gave"),
        (
            {"measured": MEASURED | {"passes": [PASS | {"drafted_by_position": [1]}]}},
            "accepted_by_position and drafted_by_position differ in length",
        ),
        ({"outputs": '{"tokens": [NaN], "nll": null, "gaps": null, "runners_up": null}\n'}, "NaN is no number"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_that_names_it(tmp_path: Path, changes: dict[str, Any], said: str):
    with pytest.raises(FeatureRunError) as error:
        read_feature_run(write(tmp_path, **changes))
    assert said in str(error.value)
    assert str(error.value).isprintable()
