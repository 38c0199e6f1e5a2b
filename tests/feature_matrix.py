"""A small feature matrix for tests, and what it runs on; the worker is fake_feature_worker.py."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.analyse.feature_rows import Row, Shown, rows_of
from harness.commands.anatomy.feature_plan import FeatureOn, plan_features
from harness.commands.anatomy.feature_runs import make_features, shown_features
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.measure import feature_run
from harness.spec.features import Features
from harness.spec.pin import load_pin
from harness.workspace import Workspace

NODE = {"id": "node-test", "cpu_model": "a test"}
EAGER = {"config": {"method": "draft_model", "num_speculative_tokens": 3}, "draft": "target"}


def declared() -> dict[str, Any]:
    """The figure's own matrix, as its declaration has it."""
    text = (Workspace().figure("anatomy") / "figure.yaml").read_text(encoding="utf-8")
    features: dict[str, Any] = yaml.safe_load(text)["features"]
    return features


def matrix(**changes: Any) -> Features:
    """Cases that go well, one that refuses as declared; ``changes``: of fields."""
    cases: dict[str, Any] = {
        "plain": {"question": "as it is", "workload": "few"},
        "drafted": {"question": "faster?", "baseline": "plain", "workload": "few", "engine": {"wall_s": 1.0},
                    "speculation": EAGER},
        "apart": {"question": "the same?", "baseline": "plain", "workload": "few", "engine": {"mode": "apart"}},
        "refusing": {"question": "can it?", "baseline": "plain", "workload": "few", "engine": {"mode": "refuse"},
                     "refuses": "assert self.intermediate is not None"},
    }  # fmt: skip
    document = {
        "repeats": 2,
        "passes": 2,
        "told": 2,
        "threads": 1,
        "near_tie": 0.001,
        "timeout_s": 30,
        "engine": {"max_model_len": 100},
        "workloads": {"few": {"prompts": 6, "prompt_tokens": [3, 5], "output_tokens": 4, "seed": 1}},
        "cases": cases,
        "smoke": {"cases": ["drafted"], "repeats": 1, "prompts": 3},
    }
    return Features.model_validate(document | changes)


class ThisPython(Engine):
    @property
    def python(self) -> Path:
        """The interpreter of the tests."""
        return Path(".venv/bin/python").absolute()


def feature_on(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> FeatureOn:
    """Everything below ``folder``."""
    monkeypatch.setattr(feature_run, "WORKER", "tests.measure.fake_feature_worker")
    engine = ThisPython(load_pin("vllm-0.32.0-cpu"), folder / "engine")
    model = ModelFiles(folder / "model", "qwen2.5-0.5b-instruct", True, None, "ab" * 32)
    return FeatureOn(model, engine, NODE, Workspace(folder), **changes)


def made(features: Features, chosen: Sequence[str], on: FeatureOn) -> list[str]:
    """Plan and make; what failed."""
    return make_features(features, plan_features(features, chosen, on), on)


def shown(features: Features, chosen: Sequence[str], on: FeatureOn) -> list[Shown]:
    """What is stored of these cases."""
    return shown_features(features, plan_features(features, chosen, on), on)


def rows_by_table(features: Features, chosen: Sequence[str], on: FeatureOn) -> dict[str, list[Row]]:
    """The rows of what is stored."""
    return rows_of(shown(features, chosen, on), features.near_tie)
