"""What of the feature matrix a call asks for: its cases with all that defines them, and the job of one run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.model_free.sources import sources_sha256
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles, ensure_model
from harness.engine.patch_set import patches_sha256
from harness.errors import HarnessError
from harness.measure import feature_heads, feature_run
from harness.measure.feature_heads import draft_of
from harness.measure.feature_run import FeatureJob
from harness.measure.replay import engine_record
from harness.progress import say
from harness.record.anatomy_tables import STUDY
from harness.record.replay_rows import ReplayError
from harness.record.routing_store import StoredCase
from harness.spec.features import Feature, Features, arguments
from harness.spec.models import find_model
from harness.traces.feature_prompts import feature_prompts
from harness.workspace import Workspace


@dataclass(frozen=True)
class FeatureOn:
    """On what the matrix runs. ``model``: of cases that name none; ``iterations``: repeats, None: as declared."""

    model: ModelFiles
    engine: Engine
    node: Mapping[str, Any]
    workspace: Workspace
    smoke: bool = False
    iterations: int | None = None


@dataclass(frozen=True)
class Planned:
    """A case, and where its runs belong."""

    name: str
    case: Feature
    model: ModelFiles
    asked: dict[str, Any]
    stored: StoredCase


def plan_features(features: Features, chosen: Sequence[str], on: FeatureOn) -> list[Planned]:
    """The chosen cases and their baselines, in the declaration's order.

    Raises:
        HarnessError: a case or model that is unknown, or a case's folder is of another case.
    """
    try:
        cases = features.chosen(chosen)
    except ValueError as error:
        raise HarnessError(f"--features: {error}") from None
    models = {on.model.name: on.model}
    planned = []
    for name, case in cases.items():
        model = case.model or on.model.name
        if model not in models:
            models[model] = ensure_model(model, lambda: on.engine.python, on.workspace.models, announce=say)
        asked = _asked(features, case, on)
        definition = {
            "study": STUDY,
            "feature": asked,
            "model": _model_record(models[model]),
            "engine": {**engine_record(on.engine), "patches_sha256": patches_sha256(on.engine.pin)},
            "workers_sha256": sources_sha256((*feature_run.SOURCES, *feature_heads.SOURCES)),
        }
        readable = f"feature-{name}_{model}"
        try:
            stored = StoredCase.of(on.workspace.runs, str(on.node["id"]), STUDY, readable, definition)
        except ReplayError as error:
            raise HarnessError(str(error)) from None
        planned.append(Planned(name, case, models[model], asked, stored))
    return planned


def _asked(features: Features, case: Feature, on: FeatureOn) -> dict[str, Any]:
    """Everything that decides what a run gives, but model and engine; as JSON will give it back."""
    workload = features.workloads[case.workload].model_dump()
    if on.smoke:
        workload["prompts"] = min(workload["prompts"], features.smoke.prompts)
    asked = {
        "arguments": dict(arguments(features, case)),
        "speculation": case.speculation.model_dump() if case.speculation else None,
        "workload": workload,
        "passes": features.passes,
        "told": min(workload["prompts"], features.told) if case.baseline else workload["prompts"],
        "make_pipeline_buffers": case.make_pipeline_buffers,
        "environment": {
            **{name: str(features.threads) for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")},
            **case.environment,
        },
    }
    return json.loads(json.dumps(asked))  # type: ignore[no-any-return]


def job_of(features: Features, planned: Planned, repeat: int, on: FeatureOn) -> FeatureJob:
    """One run of the case; its draft is made if it is not there. Raises HarnessError: that failed."""
    asked, workload = planned.asked, planned.asked["workload"]
    engine = asked["arguments"] | {"model": str(planned.model.path.resolve())}
    if planned.case.speculation:
        draft = draft_of(planned.case.speculation, planned.model, on.engine, on.workspace)
        place = {} if draft is None else {"model": str(draft.resolve())}
        engine["speculative_config"] = planned.case.speculation.config | place
    prompts = feature_prompts(
        workload["prompts"],
        tuple(workload["prompt_tokens"]),
        workload["shared_prefix"],
        workload["repeats"],
        workload["seed"],
        find_model(planned.model.name).config.vocabulary,
    )
    told = ("output_tokens", "told", "passes", "make_pipeline_buffers")
    return FeatureJob(
        stored=planned.stored,
        repeat=repeat,
        facts={
            "feature": planned.name,
            "asked": asked,
            "engine": engine_record(on.engine),
            "model": _model_record(planned.model),
            "node": dict(on.node),
        },
        request={"arguments": engine, "prompts": prompts} | {name: (asked | workload)[name] for name in told},
        environment=asked["environment"],
        caches=on.workspace.caches / STUDY,
        limit_s=features.timeout_s,
    )


def repeats_of(features: Features, on: FeatureOn) -> int:
    """Runs of each case."""
    return on.iterations or (features.smoke.repeats if on.smoke else features.repeats)


def _model_record(model: ModelFiles) -> dict[str, Any]:
    return {"name": model.name, "twin": model.twin, "files_sha256": model.files_sha256}
