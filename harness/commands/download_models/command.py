"""The command behind ``download_models.py``: put models' files where the studies look for them."""

import functools
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.download_models.download import download_models
from harness.commands.download_models.twins import make_twins
from harness.door import run_app
from harness.engine.model_choice import Choice, choose
from harness.engine.model_store import MODELS_DIR
from harness.engine.revisions import resolve_revisions
from harness.engine.tensorize import tensorize, tensorizing_engine
from harness.engine.twin_shape import DEFAULT_SCALE
from harness.errors import HarnessError
from harness.record.plain import printable

# Tokens on a command line end up in shell histories and process lists.
# The beginning of an argument or of a value in it; or, anywhere, what is as long as a token.
TOKEN = re.compile(r"""(?:^|=)[\s"']*(?:hf|api_org)_|(?:hf|api_org)_[A-Za-z0-9]{20}""")
LONGEST = 1000  # characters of a line of progress

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="Names from models.yaml; without any: all, after asking."),
    ] = None,
    figure: Annotated[str | None, typer.Option(metavar="N", help="The models of figure N, or of `rest`.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every model of models.yaml.")] = False,
    synthetic: Annotated[
        bool,
        typer.Option("--synthetic", help="Make structural twins: random weights in the original's structure, narrow."),
    ] = False,
    scale: Annotated[
        float | None,
        typer.Option(
            help="Size of a twin, as a share of the original's bytes.",
            show_default=f"that of an existing twin, else {DEFAULT_SCALE}",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of a twin.", show_default="that of an existing twin, else 0")
    ] = None,
    tensorized: Annotated[
        bool, typer.Option("--tensorize", help="Also write MODEL-tensorized, for load format tensorizer (CUDA).")
    ] = False,
    resolve: Annotated[
        bool, typer.Option("--resolve", help="Only ask the hub for the commit of each model; note it in models.yaml.")
    ] = False,
    dest: Annotated[Path, typer.Option(help="Folder that holds the model folders.", file_okay=False)] = MODELS_DIR,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before all models are downloaded or made.")] = False,
) -> None:
    """Download and verify models, or make their structural twins; what is there already is only verified.

    Gated models need an account with access: HF_TOKEN or the hub's login. An interrupted download goes on with the
    files that it had not completed.
    """
    _check_options(synthetic, scale, seed, tensorized, resolve)
    choice = choose(names or [], figure, everything)
    if resolve:
        resolve_revisions(choice.models, dry_run)
        return
    ask = not (yes or dry_run) and (choice.bare or (everything and not synthetic))
    if ask and not (sys.stdin and sys.stdin.isatty()):  # None where it is closed
        raise HarnessError(_unanswerable(choice))
    # First: where it cannot work, nothing is made.
    engine = tensorizing_engine(_announce, dry_run) if tensorized else None
    if synthetic:
        files = make_twins(choice.models, dest, seed, scale, _engine_python, _announce, dry_run, ask)
    else:
        files = download_models(choice.models, dest, _announce, dry_run, ask)
    for each in files:
        if engine is not None:
            typer.echo(f"{each.name}: tensorized in {tensorize(each, engine, _announce)}")


def _check_options(synthetic: bool, scale: float | None, seed: int | None, tensorized: bool, resolve: bool) -> None:
    if resolve and (synthetic or tensorized):
        raise HarnessError("--resolve only writes models.yaml; give it without --synthetic and --tensorize")
    if not synthetic and (scale is not None or seed is not None):
        raise HarnessError(f"--{'seed' if scale is None else 'scale'} is for structural twins; add --synthetic")
    if scale is not None and not 0 < scale <= 1:
        raise HarnessError(f"--scale {scale:g}: a share of the original's bytes, larger than 0 and at most 1")


def _unanswerable(choice: Choice) -> str:
    """What to say where a question is due and nobody is there to answer it."""
    few = ", ".join(list(choice.models)[:3])
    return f"this is about all {len(choice.models)} models, and nobody can be asked: add --yes, or name some ({few}, …)"


def _announce(line: str) -> None:
    """Progress goes to stderr; a name from the hub may hold anything."""
    typer.echo(printable(line, LONGEST), err=True)


@functools.cache
def _engine_python() -> Path:
    """The Python of this machine's default engine, whose environment is made first if it is not there."""
    from harness.engine.default_pin import default_pin
    from harness.engine.environment import ensure_engine
    from harness.spec.pin import load_pin

    return ensure_engine(load_pin(default_pin()), announce=_announce).python


def main(arguments: list[str]) -> None:
    """Run the command and end the process; an error is one line on stderr."""
    if any(TOKEN.search(argument) for argument in arguments):  # before anything could repeat the argument
        print(
            "error: an argument looks like a hub token; tokens do not belong on a command line: "
            "set HF_TOKEN or use the hub's login, and revoke this one if the history is shared",
            file=sys.stderr,
        )
        sys.exit(2)
    run_app(app, "download_models.py", arguments)
