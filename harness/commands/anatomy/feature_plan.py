"""What of the feature matrix a call asks for: its cases with all that defines them, and the job of one run."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.model_free.sources import sources_sha256
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles, ensure_model
from harness.errors import HarnessError
from harness.measure import feature_heads, feature_run
from harness.measure.feature_heads import draft_of, named_draft
from harness.measure.feature_run import FeatureJob
from harness.measure.replay import engine_record, patched_engine_record
from harness.progress import say
from harness.record.anatomy_tables import STUDY
from harness.record.repeats import Repeats
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
    draft: ModelFiles | None  # where it is a model of models.yaml
    asked: dict[str, Any]
    prompts: list[list[int]]
    stored: Repeats


@dataclass(frozen=True)
class Unplanned:
    """A case that cannot be run here, as its model, or its draft's, is not to be had."""

    name: str
    case: Feature
    model: str
    reason: str


def plan_features(features: Features, chosen: Sequence[str], on: FeatureOn) -> list[Planned | Unplanned]:
    """The chosen cases and their baselines, in the declaration's order.

    Raises:
        HarnessError: a case that is unknown.
        CaseFolderError: a case's folder is of another case.
    """
    try:
        cases = features.chosen(chosen)
    except ValueError as error:
        raise HarnessError(f"--features: {error}") from None
    models: dict[str, ModelFiles | HarnessError] = {on.model.name: on.model}
    return [_planned(features, name, case, on, models) for name, case in cases.items()]


def _planned(
    features: Features, name: str, case: Feature, on: FeatureOn, models: dict[str, ModelFiles | HarnessError]
) -> Planned | Unplanned:
    """``models``: those asked for so far, each once."""
    wanted = case.model or on.model.name
    try:
        model = _model(wanted, on, models)
        draft = named_draft(case.speculation, on.engine, on.workspace)
    except HarnessError as error:
        return Unplanned(name, case, wanted, str(error))
    asked = _asked(features, case, on)
    prompts = _prompts(asked["workload"], wanted)
    definition = {
        "study": STUDY,
        "feature": asked,
        "prompts_sha256": hashlib.sha256(json.dumps(prompts).encode()).hexdigest(),
        "model": model.record,
        "draft": draft.record if draft else None,
        "engine": patched_engine_record(on.engine),
        "environment": dict(on.engine.pin.environment),
        "workers_sha256": sources_sha256((*feature_run.SOURCES, *feature_heads.SOURCES)),
    }
    stored = Repeats.of(on.workspace.runs, str(on.node["id"]), STUDY, f"feature-{name}_{wanted}", definition)
    return Planned(name, case, model, draft, asked, prompts, stored)


def _model(name: str, on: FeatureOn, models: dict[str, ModelFiles | HarnessError]) -> ModelFiles:
    if name not in models:
        try:
            models[name] = ensure_model(name, lambda: on.engine.python, on.workspace.models, announce=say)
        except HarnessError as error:
            models[name] = error
    found = models[name]
    if isinstance(found, HarnessError):
        raise found
    return found


def _prompts(workload: Mapping[str, Any], model: str) -> list[list[int]]:
    least, most = workload["prompt_tokens"]
    return feature_prompts(
        workload["prompts"],
        (least, most),
        workload["shared_prefix"],
        workload["repeats"],
        workload["seed"],
        find_model(model).config.vocabulary,
    )


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
    asked = planned.asked
    engine = asked["arguments"] | {"model": str(planned.model.path.resolve())}
    if planned.case.speculation:
        draft = draft_of(planned.case.speculation, planned.model, planned.draft, on.engine, on.workspace)
        place = {} if draft is None else {"model": str(draft.resolve())}
        engine["speculative_config"] = planned.case.speculation.config | place
    told = ("output_tokens", "told", "passes", "make_pipeline_buffers")
    request = {name: (asked | asked["workload"])[name] for name in told}
    return FeatureJob(
        stored=planned.stored,
        repeat=repeat,
        facts=facts_of(planned, on),
        request={"arguments": engine, "prompts": planned.prompts, **request},
        environment=asked["environment"],
        caches=on.workspace.caches / STUDY,
        limit_s=features.timeout_s,
    )


def facts_of(planned: Planned, on: FeatureOn) -> dict[str, Any]:
    """What of a run's feature.json is known before."""
    return {
        "feature": planned.name,
        "asked": planned.asked,
        "engine": engine_record(on.engine),
        "model": planned.model.record,
        "node": dict(on.node),
    }


def repeats_of(features: Features, on: FeatureOn) -> int:
    """Runs of each case."""
    return on.iterations or (features.smoke.repeats if on.smoke else features.repeats)
