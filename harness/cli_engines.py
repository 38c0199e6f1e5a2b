"""The verbs about engine environments: ``engines install``, ``list`` and ``remove``."""

from typing import Annotated

import typer

from harness.workspace import Workspace

engines = typer.Typer(add_completion=False, no_args_is_help=True, help="Engine environments.")


@engines.command()
def install(
    pin: Annotated[str | None, typer.Option(metavar="PIN", help="Engine pin or other engine. [default: this machine's]")] = None,
) -> None:
    """Make an engine's environment and patch it (releases are left as they were published)."""
    from harness.engine.detect import default_pin
    from harness.engine.environment import ensure_installed, installed_of
    from harness.figure_command import set_up
    from harness.spec.pin import Pin, load_build

    build = load_build(pin or default_pin())
    if isinstance(build, Pin):
        set_up(build, Workspace())
    else:
        ensure_installed(installed_of(build, Workspace()))


@engines.command("list")
def list_engines(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")] = False,
) -> None:
    """Which engines are declared, which are installed, and what they take on the disk."""
    from harness.engines_command import run_list

    raise typer.Exit(run_list(as_json, Workspace()))


@engines.command()
def remove(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="Environments in engines/.")] = None,
    releases: Annotated[bool, typer.Option("--releases", help="Every unpatched release that is there.")] = False,
) -> None:
    """Remove environments from engines/ (not while something is measured or installed); runs are kept."""
    from harness.engines_command import run_remove

    raise typer.Exit(run_remove(names or [], releases, Workspace()))
