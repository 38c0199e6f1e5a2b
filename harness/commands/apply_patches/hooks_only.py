"""``apply_patches.py --hooks-only``: the verbs on a vllm that no pin names."""

from pathlib import Path

import typer

from harness.engine import hooks_only
from harness.engine.hooks_only import ENOUGH, Plan
from harness.engine.patch_state import PatchState
from harness.engine.vllm_place import Place, place_in, place_of
from harness.errors import HarnessError

NAME = "hooks-only"


def run(verb: str, pin: str | None, vllm_path: Path | None, python: Path | None) -> None:
    """Carry out one verb of ``apply_patches.py``."""
    wanted = hooks_only.plan(_place(vllm_path, python), pin)
    site = wanted.place.site_packages
    match verb:
        case "--apply":
            changed = hooks_only.apply(wanted)
            _explain(wanted)
            typer.echo(f"{NAME}: applied to {site} ({files(changed)} changed)")
        case "--dry-run":
            changed = hooks_only.apply(wanted, dry_run=True)
            _explain(wanted)
            for path in changed:
                typer.echo(f"would change {site / path}")
            typer.echo(f"{NAME}: --apply would change {files(changed)}; nothing was touched")
        case "--revert":
            typer.echo(f"{NAME}: reverted in {site} ({files(hooks_only.revert(wanted))} changed)")
        case "--status":
            print_status(NAME, site, hooks_only.status(wanted))
        case _:
            found = hooks_only.status(wanted)
            print_status(NAME, site, found)
            _explain(wanted)
            if found.state != "applied" or wanted.share < ENOUGH or wanted.blind:
                raise typer.Exit(1)


def _place(vllm_path: Path | None, python: Path | None) -> Place:
    if vllm_path is not None:
        return place_in(vllm_path, python)
    if python is None:
        raise HarnessError("--hooks-only: which vllm? Name it with --vllm-path PACKAGE_DIR or --python PYTHON")
    return place_of(python)


def _explain(wanted: Plan) -> None:
    """What was found, which table was chosen and why, and how it fits."""
    record = wanted.record
    typer.echo(f"vllm {record.vllm_version} for {record.device} ({wanted.device_why}) in {wanted.place.vllm_dir}")
    typer.echo(f"hook table of {wanted.patches.pin} ({wanted.pin_why})")
    for moved in record.moved:
        typer.echo(f"hook target moved: {moved}")
    for hook in record.gone:
        typer.echo(f"hook target gone: {hook}")
    for hook in record.absent:
        typer.echo(f"optional hook target absent: {hook}")
    expected = record.hooks - len(record.absent)
    typer.echo(
        f"{record.resolved} of {expected} hooks resolved ({wanted.share:.1%}), {len(record.moved)} moved, "
        f"{len(record.gone)} gone, {len(record.absent)} optional absent"
    )
    for hook in wanted.blind:
        typer.echo(
            f"readiness cannot be seen without {hook.module}:{hook.name}: a start through it will not be complete"
        )
    if wanted.share < ENOUGH:
        typer.echo(
            f"under {ENOUGH:.0%}: this table does not fit; try another with --pin, or write one (patches/README.md)"
        )


def print_status(name: str, where: Path, found: PatchState) -> None:
    """The state in one word, and file by file where the word does not say enough."""
    typer.echo(f"{name}: {found.state} ({where})")
    if found.state in ("partial", "foreign"):
        for path, condition in found.conditions.items():
            typer.echo(f"  {condition:9} {path}")


def files(changed: list[str]) -> str:
    """How many."""
    return "1 file" if len(changed) == 1 else f"{len(changed)} files"
