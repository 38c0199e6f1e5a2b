"""``run_figure.sh anatomy``: set up → serve and trace → features → collect → plot."""

from harness.analyse.feature_rows import rows_of
from harness.commands.anatomy.asked import Asked, asked_of
from harness.commands.anatomy.collect import anatomy_document, collect
from harness.commands.anatomy.feature_plan import FeatureOn, plan_features
from harness.commands.anatomy.feature_runs import different_answers, feature_manifest, make_features, shown_features
from harness.commands.anatomy.plan import print_anatomy_plan
from harness.commands.anatomy.runs import AnatomyOn, make_missing, planned
from harness.commands.figure.studies import StudyCall
from harness.commands.figure.study_steps import draw_and_print, raise_failed, set_up_with_model
from harness.door import json_errors
from harness.errors import MeasurementFailed
from harness.measure.conditions import measuring
from harness.workspace import Workspace


def run_anatomy(call: StudyCall, workspace: Workspace) -> None:
    """Do everything for the figure, or say what would be done.

    Raises:
        HarnessError: wrong use or impossible here; MeasurementFailed: a run failed (the others are drawn first).
    """
    with json_errors(call.as_json):
        asked = asked_of(call, workspace)
        if call.dry_run:
            print_anatomy_plan(asked, call.as_json)
            return
        with measuring(workspace.root, f"figure {call.figure}"):
            on = set_up_on(asked, workspace)
            failed = _measure(on)
        draw_and_print(call, lambda: anatomy_document(on) | {"failed": failed}, workspace)
    raise_failed(failed)


def set_up_on(asked: Asked, workspace: Workspace) -> AnatomyOn:
    """Engine and model, installed and made where they are not there."""
    engine, model, node = set_up_with_model(asked.pin, asked.setting.model, asked.figure.figure, workspace)
    return AnatomyOn(asked, engine, model, node, workspace)


def _measure(on: AnatomyOn) -> list[str]:
    """Returns what failed, a line each."""
    asked = on.asked
    runs = planned(on)
    failed = make_missing(runs)
    features_on = FeatureOn(on.model, on.engine, on.node, on.workspace, asked.smoke, asked.iterations)
    declared = asked.figure.features
    plan = plan_features(declared, asked.features, features_on)
    failed += make_features(declared, plan, features_on)
    shown = shown_features(declared, plan, features_on)
    failed += different_answers(shown, declared.near_tie)
    rows = rows_of(shown, declared.near_tie)
    if not runs.has_any and not any(rows.values()):
        raise MeasurementFailed(failed[0])  # the slot and its figure stay as they are
    collect(runs, rows, feature_manifest(plan, shown))
    return failed
