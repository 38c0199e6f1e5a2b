"""``download_models.py --resolve``: which commit each model's ``main`` is at now, noted in models.yaml."""

from collections.abc import Mapping

import typer

from harness.engine.hub import commit_of_main
from harness.spec.models import MODELS_YAML, Model


def resolve_revisions(models: Mapping[str, Model], dry_run: bool) -> None:
    """Ask the hub for each model's commit, then write all of them: all or, if one cannot be had, none.

    Raises:
        HarnessError: no network, an unknown repository, or models.yaml cannot be written.
    """
    from harness.spec.models_write import with_revisions

    commits = {name: commit_of_main(model.hub_id) for name, model in models.items()}
    for name, commit in commits.items():
        before = models[name].revision
        change = "as before" if before == commit else f"before: {before or 'unknown'}"
        typer.echo(f"{name}: {models[name].hub_id} is at {commit} ({change})")
    if not dry_run:
        with_revisions(MODELS_YAML, commits)
