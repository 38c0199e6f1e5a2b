"""The feature matrix's runs: those that are missing are made, cases interleaved repeat by repeat; then their rows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.model_free.sources import sources_sha256
from harness.analyse.feature_rows import Shown, rows_of
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles, ensure_model
from harness.engine.patch_set import patches_sha256
from harness.errors import HarnessError
from harness.measure import feature_heads, feature_run
from harness.measure.feature_heads import draft_of
from harness.measure.feature_run import FeatureJob, make_feature_run
from harness.measure.replay import engine_record
from harness.progress import say
from harness.record.feature_run import LOG, FeatureFacts, FeatureRun, FeatureRunError, read_feature_run
from harness.record.feature_tables import FAILED, STUDY
from harness.record.private import names_here, without_private
from harness.record.replay_rows import ReplayError
from harness.record.routing_store import StoredCase
from harness.record.tables import Cell
from harness.spec.features import Feature, Features, arguments
from harness.spec.models import find_model
from harness.traces.feature_prompts import feature_prompts
from harness.workspace import Workspace

Row = tuple[Cell, ...]


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
class _Planned:
    """A case, and where its runs belong."""

    name: str
    case: Feature
    model: ModelFiles
    asked: dict[str, Any]
    stored: StoredCase


def make_features(features: Features, chosen: Sequence[str], on: FeatureOn) -> list[str]:
    """Make every run of the chosen cases, and of their baselines, that is not stored.

    Returns what failed, a line each. A refusal that is declared is no failure, and one that is stored is not asked for
    again. A case that fails is not tried again in this call; the others are made all the same.

    Raises:
        HarnessError: a case or model that is unknown, a damaged stored run, a store that cannot be written.
    """
    plan = _plan(features, chosen, on)
    repeats = _repeats(features, on)
    missing = list(_missing(plan, repeats))
    say(f"{len(plan)} feature cases in {repeats} repeats, {len(missing)} runs of them to be made")
    given_up: set[str] = set()
    failed: list[str] = []
    for number, (repeat, planned) in enumerate(missing, start=1):
        if planned.name in given_up:
            continue
        say(f"run {number}/{len(missing)}: {planned.name}, repeat {repeat} …")
        folder = make_feature_run(_job(features, planned, repeat, on), on.engine)
        facts = _read(folder).facts
        if facts.status == FAILED:
            given_up.add(planned.name)
            reason = str(facts.reason)
            if planned.case.is_declared(reason):
                say(f"refused, as declared ({facts.failed_in}): {reason}")
            else:
                failed.append(f"feature {planned.name} failed ({facts.failed_in}): {reason}; log: {folder / LOG}")
                say(failed[-1])
        else:
            say(f"done in {facts.wall_s:.1f} s")
    return failed


def feature_rows(features: Features, chosen: Sequence[str], on: FeatureOn) -> dict[str, list[Row]]:
    """Rows of the matrix's tables, by the table's name, out of the stored runs of the chosen cases.

    Raises:
        HarnessError: as ``make_features``.
    """
    shown = []
    for planned in _plan(features, chosen, on):
        folders = (planned.stored.shown(repeat) for repeat in range(1, _repeats(features, on) + 1))
        runs = [_public(_read(folder)) for folder in folders if folder is not None]
        model = planned.model.name + (" (twin)" if planned.model.twin else "")
        shown.append(Shown(planned.name, planned.case, model, runs))
    return rows_of(shown, features.near_tie)


def _plan(features: Features, chosen: Sequence[str], on: FeatureOn) -> list[_Planned]:
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
        planned.append(_Planned(name, case, models[model], asked, stored))
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


def _missing(plan: Sequence[_Planned], repeats: int) -> Iterator[tuple[int, _Planned]]:
    """Repeat by repeat, each beginning with another case: who is first or last is so once."""
    refused = {planned.name for planned in plan if _has_refused(planned)}
    for repeat in range(1, repeats + 1):
        first = (repeat - 1) % len(plan) if plan else 0
        for planned in (*plan[first:], *plan[:first]):
            if planned.name not in refused and not planned.stored.run(repeat).is_dir():
                yield repeat, planned


def _has_refused(planned: _Planned) -> bool:
    """Whether a stored attempt failed as it is declared to."""
    if planned.case.refuses is None:
        return False
    return any(planned.case.is_declared(str(_read(folder).facts.reason)) for folder in planned.stored.failed(1))


def _job(features: Features, planned: _Planned, repeat: int, on: FeatureOn) -> FeatureJob:
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


def _repeats(features: Features, on: FeatureOn) -> int:
    return on.iterations or (features.smoke.repeats if on.smoke else features.repeats)


def _model_record(model: ModelFiles) -> dict[str, Any]:
    return {"name": model.name, "twin": model.twin, "files_sha256": model.files_sha256}


def _public(run: FeatureRun) -> FeatureRun:
    """The run without names of this machine and its user in what gets into tables."""
    reason = without_private(run.facts.reason, names_here())
    return FeatureRun(FeatureFacts(**vars(run.facts) | {"reason": reason}), run.measured, run.outputs)


def _read(folder: Path) -> FeatureRun:
    try:
        return read_feature_run(folder)
    except FeatureRunError as error:
        raise HarnessError(f"{error}; remove {folder} and repeat") from None
