"""The command behind ``apply_patches.py``: patch an engine, say what state it is in, take the patches back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.wheelhouse import ReusePython, Wheelhouse
from harness.commands.apply_patches import hooks_only as only_hooks
from harness.commands.apply_patches.hooks_only import files, print_status
from harness.door import run_app
from harness.engine import patching
from harness.engine.patch_state import installed_version
from harness.engine.wheel_source import install_from, pin_of_wheelhouse
from harness.errors import HarnessError
from harness.spec.pin import Pin, load_pin, pin_names

if TYPE_CHECKING:
    from harness.engine.environment import Engine

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def apply_patches(
    pin: Annotated[str | None, typer.Option(metavar="PIN", help="Engine pin.", show_default="this machine's")] = None,
    vllm_path: Annotated[
        Path | None,
        typer.Option(metavar="PACKAGE_DIR", help="An installed vllm package folder.", show_default="engines/PIN's"),
    ] = None,
    hooks_only: Annotated[
        bool, typer.Option("--hooks-only", help="The tracer without diffs, into any vllm, also one no pin names.")
    ] = False,
    python: Annotated[
        Path | None,
        typer.Option(metavar="PYTHON", help="With --hooks-only: the Python that runs the vllm (editable checkouts)."),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Apply the patch set, or repair it. This is the default.")] = (
        False
    ),
    check: Annotated[bool, typer.Option("--check", help="Verify every file and look up every hook's target.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Say pristine, applied, partial or foreign.")] = False,
    revert: Annotated[bool, typer.Option("--revert", help="Give the engine its original files back.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what --apply would change; touch nothing.")] = False,
    wheelhouse: Wheelhouse = None,
    reuse_python: ReusePython = None,
) -> None:
    """Patch an installed engine: tracer, hook table, and the paper's log lines. All of it or nothing."""
    install_from(wheelhouse, reuse_python)
    verbs = {"--apply": apply, "--check": check, "--status": status, "--revert": revert, "--dry-run": dry_run}
    given = [verb for verb, is_given in verbs.items() if is_given]
    if len(given) > 1:
        raise HarnessError(f"{' and '.join(given)} exclude each other; give one of them")
    verb = given[0] if given else "--apply"
    if hooks_only:
        only_hooks.run(verb, pin, vllm_path, python)
        return
    if python is not None:
        raise HarnessError("--python belongs to --hooks-only; a pin's patch set finds its engine by --vllm-path")
    chosen, vllm_dir, python = _target(pin, vllm_path, may_make=verb == "--apply")
    match verb:
        case "--apply":
            changed = patching.apply(chosen, vllm_dir, python=python)
            typer.echo(f"{chosen.name}: applied to {vllm_dir} ({files(changed)} changed)")
        case "--dry-run":
            changed = patching.apply(chosen, vllm_dir, dry_run=True)
            for path in changed:
                typer.echo(f"would change {vllm_dir.parent / path}")
            typer.echo(f"{chosen.name}: --apply would change {files(changed)}; nothing was touched")
        case "--revert":
            changed = patching.revert(chosen, vllm_dir, python=python)
            typer.echo(f"{chosen.name}: reverted in {vllm_dir} ({files(changed)} changed)")
        case "--status":
            print_status(chosen.name, vllm_dir, patching.status(chosen, vllm_dir))
        case _:
            _check(chosen, vllm_dir, python)


def _check(pin: Pin, vllm_dir: Path, python: Path | None) -> None:
    """Print what --check found; exit code 1 unless everything is as it should be."""
    result = patching.check(pin, vllm_dir, python)
    print_status(pin.name, vllm_dir, result.state)
    for hook in result.gone:
        typer.echo(f"hook target gone: {hook}")
    for hook in result.absent:
        typer.echo(f"optional hook target absent: {hook}")
    typer.echo(f"{result.hooks} hooks, {len(result.gone)} without their target, {len(result.absent)} optional absent")
    if not result.ok:
        raise typer.Exit(1)


def _target(name: str | None, vllm_path: Path | None, may_make: bool) -> tuple[Pin, Path, Path | None]:
    """The pin, the package folder, and the interpreter it belongs to (None if there is none where one would be)."""
    if vllm_path is not None:
        vllm_dir = vllm_path.resolve()
        # .../lib/python3.11/site-packages/vllm belongs to .../bin/python
        python = vllm_dir.parents[3] / "bin" / "python" if len(vllm_dir.parents) > 3 else None
        return load_pin(name or _pin_of(vllm_dir)), vllm_dir, python if python and python.exists() else None
    from harness.engine.default_pin import default_pin

    pin = load_pin(name or pin_of_wheelhouse() or default_pin())
    engine = _engine(pin, may_make)
    return pin, engine.vllm_dir, engine.python


def _pin_of(vllm_dir: Path) -> str:
    """The only pin whose patch set is for the vllm in ``vllm_dir``."""
    version = installed_version(vllm_dir)
    fitting = [name for name in pin_names() if load_pin(name).vllm_version == version]
    if len(fitting) != 1:
        known = ", ".join(fitting or pin_names())
        raise HarnessError(
            f"{vllm_dir}: {'several patch sets are' if fitting else 'no patch set is'} for vllm {version}; "
            f"choose with --pin: {known}, or take the tracer alone with --hooks-only"
        )
    return fitting[0]


def _engine(pin: Pin, may_make: bool) -> "Engine":
    from harness.engine.environment import engine_of, ensure_engine

    if may_make:
        return ensure_engine(pin)
    engine = engine_of(pin)
    if engine.installed_as() is None:
        raise HarnessError(
            f"engine {pin.name} is not installed; `python3 apply_patches.py --pin {pin.name}` installs it"
        )
    return engine


def main(arguments: list[str]) -> None:
    """Run the command and end the process; an error is one line on stderr."""
    run_app(app, "apply_patches.py", arguments)
