"""The feature matrix's runs: those that are missing are made, cases interleaved repeat by repeat; then their rows."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.analyse.feature_rows import Shown, rows_of
from harness.errors import HarnessError
from harness.feature_plan import FeatureOn, Planned, job_of, plan_features, repeats_of
from harness.measure.feature_run import make_feature_run
from harness.progress import say
from harness.record.feature_run import LOG, FeatureFacts, FeatureRun, FeatureRunError, read_feature_run
from harness.record.feature_tables import FAILED
from harness.record.private import names_here, without_private
from harness.record.tables import Cell
from harness.spec.features import Features

Row = tuple[Cell, ...]


def make_features(features: Features, chosen: Sequence[str], on: FeatureOn) -> list[str]:
    """Make every run of the chosen cases, and of their baselines, that is not stored.

    Returns what failed, a line each. A refusal that is declared is no failure, and one that is stored is not asked for
    again. A case that fails is not tried again in this call; the others are made all the same.

    Raises:
        HarnessError: a case or model that is unknown, a damaged stored run, a store that cannot be written.
    """
    plan = plan_features(features, chosen, on)
    repeats = repeats_of(features, on)
    missing = list(_missing(plan, repeats))
    say(f"{len(plan)} feature cases in {repeats} repeats, {len(missing)} runs of them to be made")
    given_up: set[str] = set()
    failed: list[str] = []
    for number, (repeat, planned) in enumerate(missing, start=1):
        if planned.name in given_up:
            continue
        say(f"run {number}/{len(missing)}: {planned.name}, repeat {repeat} …")
        folder = make_feature_run(job_of(features, planned, repeat, on), on.engine)
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
    for planned in plan_features(features, chosen, on):
        model = planned.model.name + (" (twin)" if planned.model.twin else "")
        runs = [_public(run) for run in _shown(planned, repeats_of(features, on))]
        shown.append(Shown(planned.name, planned.case, model, runs))
    return rows_of(shown, features.near_tie)


def feature_manifest(features: Features, chosen: Sequence[str], on: FeatureOn) -> dict[str, list[dict[str, Any]]]:
    """``cases`` and ``runs`` of the matrix, as a slot's manifest lists them.

    Raises:
        HarnessError: as ``make_features``.
    """
    found: dict[str, list[dict[str, Any]]] = {"cases": [], "runs": []}
    for planned in plan_features(features, chosen, on):
        runs = [run.facts for run in _shown(planned, repeats_of(features, on))]
        if runs:
            about = {"feature": planned.name, "baseline": planned.case.baseline, "parameters": planned.asked}
            found["cases"].append({"case": planned.stored.case, "model": runs[0].model, **about})
        for facts in runs:
            told = {name: getattr(facts, name) for name in ("case", "status", "failed_in", "reason", "started_at")}
            found["runs"].append(told | {"repeat": facts.run})
    return found


def _shown(planned: Planned, repeats: int) -> list[FeatureRun]:
    """What is shown of each repeat: its ok run, else its last failed attempt."""
    folders = (planned.stored.shown(repeat) for repeat in range(1, repeats + 1))
    return [_read(folder) for folder in folders if folder is not None]


def _missing(plan: Sequence[Planned], repeats: int) -> Iterator[tuple[int, Planned]]:
    """Repeat by repeat, each beginning with another case: who is first or last is so once."""
    refused = {planned.name for planned in plan if _has_refused(planned)}
    for repeat in range(1, repeats + 1):
        first = (repeat - 1) % len(plan) if plan else 0
        for planned in (*plan[first:], *plan[:first]):
            wanted = planned.name not in refused and repeat <= (planned.case.repeats or repeats)
            if wanted and not planned.stored.run(repeat).is_dir():
                yield repeat, planned


def _has_refused(planned: Planned) -> bool:
    """Whether a stored attempt failed as it is declared to."""
    if planned.case.refuses is None:
        return False
    return any(planned.case.is_declared(str(_read(folder).facts.reason)) for folder in planned.stored.failed(1))


def _public(run: FeatureRun) -> FeatureRun:
    """The run without names of this machine and its user in what gets into tables."""
    reason = without_private(run.facts.reason, names_here())
    return FeatureRun(FeatureFacts(**vars(run.facts) | {"reason": reason}), run.measured, run.outputs)


def _read(folder: Path) -> FeatureRun:
    try:
        return read_feature_run(folder)
    except FeatureRunError as error:
        raise HarnessError(f"{error}; remove {folder} and repeat") from None
