"""The feature matrix's runs: those that are missing are made, cases interleaved repeat by repeat; then their rows."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.analyse.feature_rows import Shown, agreement_of
from harness.commands.anatomy.feature_plan import FeatureOn, Planned, Unplanned, facts_of, job_of, repeats_of
from harness.errors import HarnessError
from harness.measure.feature_run import keep_failure, make_feature_run
from harness.progress import say
from harness.record.feature_run import LOG, FeatureRun, FeatureRunError, read_feature_run
from harness.record.feature_tables import FAILED
from harness.record.private import names_here, without_private
from harness.spec.features import Features

Plan = Sequence[Planned | Unplanned]


def make_features(features: Features, plan: Plan, on: FeatureOn) -> list[str]:
    """Make every run of the planned cases that is not stored.

    Returns what failed, a line each. A refusal that is declared is no failure, and one that is stored is not asked for
    again. A case that fails, be it for its model or its draft, is not tried again in this call; the others are made all
    the same.

    Raises:
        HarnessError: a damaged stored run, a store that cannot be written.
    """
    repeats = repeats_of(features, on)
    missing = list(_missing([each for each in plan if isinstance(each, Planned)], repeats))
    say(f"{len(plan)} feature cases in {repeats} repeats, {len(missing)} runs of them to be made")
    failed = [f"feature {each.name} failed (model): {each.reason}" for each in plan if isinstance(each, Unplanned)]
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


def shown_features(features: Features, plan: Plan, on: FeatureOn) -> list[Shown]:
    """What is shown of the planned cases, out of the store; nothing is made.

    Raises:
        HarnessError: a damaged stored run.
    """
    shown = []
    for each in plan:
        if isinstance(each, Unplanned):
            reason = str(without_private(each.reason, names_here()))
            shown.append(Shown(each.name, each.case, each.model, [], reason))
        else:
            model = each.model.name + (" (twin)" if each.model.twin else "")
            shown.append(Shown(each.name, each.case, model, _shown(each, repeats_of(features, on))))
    return shown


def different_answers(shown: Sequence[Shown], near_tie: float) -> list[str]:
    """A line for each case whose answers differ from its baseline's where no near tie explains it.

    Cases whose answers are meant to differ are left out. ``near_tie``: in nats.
    """
    by_name = {each.name: each for each in shown}
    found = []
    for each in shown:
        base = by_name.get(each.case.baseline or "")
        agreed = agreement_of(base, each, near_tie) if base else None
        if base and agreed and agreed.different:
            which = f"{agreed.different} of {agreed.compared} answers"
            found.append(f"feature {each.name}: {which} differ from {base.name}'s where no near tie explains it")
    return found


def feature_manifest(plan: Plan, shown: Sequence[Shown]) -> dict[str, list[dict[str, Any]]]:
    """``cases`` and ``runs`` of the matrix, as a slot's manifest lists them. ``shown``: of the same plan."""
    found: dict[str, list[dict[str, Any]]] = {"cases": [], "runs": []}
    for planned, told in zip(plan, shown, strict=True):
        if isinstance(planned, Unplanned):
            continue
        runs = [run.facts for run in told.runs]
        if runs:
            about = {"feature": planned.name, "baseline": planned.case.baseline, "parameters": planned.asked}
            found["cases"].append({"case": planned.stored.case, "model": runs[0].model, **about})
        for facts in runs:
            said = {name: getattr(facts, name) for name in ("case", "status", "failed_in", "reason", "started_at")}
            found["runs"].append(said | {"repeat": facts.run})
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
