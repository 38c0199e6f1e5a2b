"""The feature matrix's runs: those that are missing are made, cases interleaved repeat by repeat; then their rows."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.analyse.feature_rows import Shown, agreement_of, rows_of
from harness.errors import HarnessError
from harness.feature_plan import FeatureOn, Planned, Unplanned, facts_of, job_of, plan_features, repeats_of
from harness.measure.feature_run import keep_failure, make_feature_run
from harness.progress import say
from harness.record.feature_run import LOG, FeatureRun, FeatureRunError, read_feature_run
from harness.record.feature_tables import FAILED
from harness.record.private import names_here, without_private
from harness.record.tables import Cell
from harness.spec.features import Features

Row = tuple[Cell, ...]


def make_features(features: Features, chosen: Sequence[str], on: FeatureOn) -> list[str]:
    """Make every run of the chosen cases, and of their baselines, that is not stored.

    Returns what failed, a line each. A refusal that is declared is no failure, and one that is stored is not asked for
    again. A case that fails, be it for its model or its draft, is not tried again in this call; the others are made all
    the same.

    Raises:
        HarnessError: a case that is unknown, a damaged stored run, a store that cannot be written.
    """
    whole = plan_features(features, chosen, on)
    plan = [each for each in whole if isinstance(each, Planned)]
    repeats = repeats_of(features, on)
    missing = list(_missing(plan, repeats))
    say(f"{len(whole)} feature cases in {repeats} repeats, {len(missing)} runs of them to be made")
    failed = [f"feature {each.name} failed (model): {each.reason}" for each in whole if isinstance(each, Unplanned)]
    for line in failed:
        say(line)
    given_up: set[str] = set()
    for number, (repeat, planned) in enumerate(missing, start=1):
        if planned.name in given_up:
            continue
        say(f"run {number}/{len(missing)}: {planned.name}, repeat {repeat} …")
        folder = _make(features, planned, repeat, on)
        facts = _read(folder).facts
        if facts.status == FAILED:
            given_up.add(planned.name)
            reason = str(facts.reason)
            if planned.case.is_declared(reason):
                say(f"refused, as declared ({facts.failed_in}): {reason}")
            else:
                log = f"; log: {folder / LOG}" if (folder / LOG).exists() else ""
                failed.append(f"feature {planned.name} failed ({facts.failed_in}): {reason}{log}")
                say(failed[-1])
        else:
            say(f"done in {facts.wall_s:.1f} s")
    return failed


def _make(features: Features, planned: Planned, repeat: int, on: FeatureOn) -> Path:
    try:
        job = job_of(features, planned, repeat, on)
    except HarnessError as error:
        return keep_failure(planned.stored, repeat, facts_of(planned, on), str(error))
    return make_feature_run(job, on.engine)


def feature_rows(features: Features, chosen: Sequence[str], on: FeatureOn) -> dict[str, list[Row]]:
    """Rows of the matrix's tables, by the table's name, out of the stored runs of the chosen cases.

    Raises:
        HarnessError: as ``make_features``.
    """
    return rows_of(_all_shown(features, chosen, on), features.near_tie)


def different_answers(features: Features, chosen: Sequence[str], on: FeatureOn) -> list[str]:
    """A line for each stored case whose answers differ from its baseline's where no near tie explains it.

    Cases whose answers are meant to differ are left out; nothing is made.

    Raises:
        HarnessError: as ``make_features``.
    """
    shown = {each.name: each for each in _all_shown(features, chosen, on)}
    found = []
    for each in shown.values():
        base = shown.get(each.case.baseline or "")
        agreed = agreement_of(base, each, features.near_tie) if base else None
        if base and agreed and agreed.different:
            which = f"{agreed.different} of {agreed.compared} answers"
            found.append(f"feature {each.name}: {which} differ from {base.name}'s where no near tie explains it")
    return found


def _all_shown(features: Features, chosen: Sequence[str], on: FeatureOn) -> list[Shown]:
    shown = []
    for each in plan_features(features, chosen, on):
        if isinstance(each, Unplanned):
            reason = str(without_private(each.reason, names_here()))
            shown.append(Shown(each.name, each.case, each.model, [], reason))
        else:
            model = each.model.name + (" (twin)" if each.model.twin else "")
            shown.append(Shown(each.name, each.case, model, _shown(each, repeats_of(features, on))))
    return shown


def feature_manifest(features: Features, chosen: Sequence[str], on: FeatureOn) -> dict[str, list[dict[str, Any]]]:
    """``cases`` and ``runs`` of the matrix, as a slot's manifest lists them.

    Raises:
        HarnessError: as ``make_features``.
    """
    found: dict[str, list[dict[str, Any]]] = {"cases": [], "runs": []}
    for planned in plan_features(features, chosen, on):
        if isinstance(planned, Unplanned):
            continue
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


def _read(folder: Path) -> FeatureRun:
    try:
        return read_feature_run(folder)
    except FeatureRunError as error:
        raise HarnessError(f"{error}; remove {folder} and repeat") from None
