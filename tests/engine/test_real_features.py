"""The feature matrix on the real CPU engine: a speculative case counts what it drafts, and answers as its baseline."""

from pathlib import Path

import pytest

from harness.commands.anatomy.feature_plan import FeatureOn
from harness.engine.environment import ensure_engine
from harness.engine.model_store import ensure_model
from harness.record import feature_tables as names
from harness.record.feature_run import read_feature_run
from harness.spec.features import Features
from harness.spec.pin import load_pin
from harness.workspace import Workspace
from tests.feature_matrix import NODE, declared, made, rows_by_table


class Models(Workspace):
    @property
    def models(self) -> Path:
        """The checkout's: twins that are there are not made again."""
        return Workspace().models


def features(prompts: int, cases: tuple[str, ...]) -> Features:
    """The declared matrix, smaller."""
    document = declared()
    document["smoke"] = {"cases": list(cases), "repeats": 1, "prompts": prompts}
    return Features.model_validate(document)


def on(folder: Path) -> FeatureOn:
    engine = ensure_engine(load_pin("vllm-0.32.0-cpu"))
    workspace = Models(folder)
    model = ensure_model("qwen2.5-0.5b-instruct", lambda: engine.python, workspace.models)
    return FeatureOn(model, engine, NODE, workspace, smoke=True)


@pytest.mark.slow
def test_a_random_head_drafts_and_what_is_accepted_is_counted_by_position(tmp_path: Path):
    declared = features(8, ("eagle",))
    quick = {"TORCHDYNAMO_DISABLE": "1"}  # what vLLM compiles to rank log-probabilities takes longer than the rest
    alone = declared.cases["eagle"].model_copy(update={"baseline": None, "environment": quick})  # one start
    declared = declared.model_copy(update={"cases": {"eagle": alone}})
    assert made(declared, ["eagle"], on(tmp_path)) == []
    (folder,) = tmp_path.glob("runs/*/engine_anatomy/feature-eagle*/1")
    run = read_feature_run(folder)
    assert run.measured is not None
    (measured,) = run.measured.passes
    assert measured.draft_tokens == 3 * measured.drafts > 0
    assert sum(measured.accepted_by_position) == measured.accepted_tokens
    assert measured.drafted_by_position == [measured.drafts] * 3
    assert measured.same_as_first == len(run.outputs) == 8
    assert all(len(output.tokens) == len(output.gaps or ()) == 16 for output in run.outputs)


@pytest.mark.slow
def test_speculation_and_parallel_engines_answer_as_their_baselines(tmp_path: Path):
    cases = ("draft-target", "draft-noised", "medusa", "eagle3", "ngram", "cached", "chunked-256", "tensor-2",
             "pipeline-2-buffers", "pipeline-2-eager", "synthetic")  # fmt: skip
    declared, where = features(24, cases), on(tmp_path)
    assert made(declared, cases, where) == []
    rows = rows_by_table(declared, cases, where)
    compared = {(row[0], row[2]): row[3] for row in rows[names.FEATURE_OUTPUTS.name]}
    there = set(cases) - {"pipeline-2-eager", "synthetic"}
    assert {name: compared.get((name, names.ANSWERS)) for name in there} == dict.fromkeys(there, 24)
    assert {name: compared.get((name, names.DIFFERENT)) for name in there} == dict.fromkeys(there, 0)
    refused = {row[0] for row in rows[names.FEATURES.name] if row[5] == names.REFUSED}
    assert refused == {"pipeline-2-eager", "synthetic"}
    values = {row[3]: row[4] for row in rows[names.FEATURE_RUNS.name] if row[1] == "draft-target"}
    assert values[names.ACCEPTANCE] > 0.9
