"""The command behind ``download_models.py``: put a model's files where the studies look for them."""

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.door import run_app
from harness.engine.model_files import model_file_names
from harness.engine.model_store import MODELS_DIR, ensure_model, has_real_weights, real_folder, twin_folder
from harness.engine.twin import MANIFEST
from harness.errors import HarnessError
from harness.spec.models import find_model

# Tokens on a command line end up in shell histories and process lists.
TOKEN = re.compile(r"(?:^|=)(?:hf|api_org)_")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def download_models(
    names: Annotated[list[str], typer.Argument(metavar="MODEL", help="Names from models.yaml.")],
    synthetic: Annotated[
        bool,
        typer.Option("--synthetic", help="Make a structural twin: random weights in the original's structure, narrow."),
    ] = False,
    dest: Annotated[Path, typer.Option(help="Folder that holds the model folders.", file_okay=False)] = MODELS_DIR,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the twin. [default: that of an existing twin, else 0]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False,
) -> None:
    """Make and verify the files of models: structural twins, or real weights that you placed in DEST/MODEL."""
    for name in names:
        hub_id = find_model(name).hub_id  # before anything is made: all names are known
        if not synthetic and not has_real_weights(name, dest):
            raise HarnessError(
                f"no weights of {name} in {real_folder(name, dest)}: place them there, "
                f"e.g. `hf download {hub_id} --local-dir {real_folder(name, dest)}`, or use --synthetic"
            )
    for name in names:
        if dry_run:
            typer.echo(_plan(name, dest, synthetic))
            continue
        files = ensure_model(name, _engine_python, dest, synthetic, seed, _announce)
        kind = "structural twin" if files.twin else "real weights"
        size = sum((files.path / file).stat().st_size for file in model_file_names(files.path))
        typer.echo(f"{name}: {kind} in {files.path}, {size / 1e6:.1f} MB, sha256 {files.files_sha256[:16]}")


def _plan(name: str, dest: Path, synthetic: bool) -> str:
    """What would be done for ``name``, in one line."""
    if not synthetic:
        return f"{name}: would verify the real weights in {real_folder(name, dest)}"
    folder = twin_folder(name, dest)
    if (folder / MANIFEST).exists():
        return f"{name}: would verify the structural twin in {folder} (and make it again if its recipe has changed)"
    model = find_model(name)
    return (
        f"{name}: would make a structural twin in {folder}: about 1 % of the original's "
        f"{model.checkpoint.tensor_bytes / 1e9:.2f} GB and a tokenizer of {model.tokenizer.file_bytes / 1e6:.1f} MB"
    )


def _announce(line: str) -> None:
    """Progress goes to stderr."""
    typer.echo(line, err=True)


def _engine_python() -> Path:
    """The Python of this machine's default engine, whose environment is made first if it is not there."""
    from harness.engine.detect import default_pin
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
