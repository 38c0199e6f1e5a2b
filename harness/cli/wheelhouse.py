"""The verbs about wheelhouses (``wheelhouse build``, ``join``, ``check``), and the options that install from one."""

from pathlib import Path
from typing import Annotated

import typer

from harness.engine.wheel_source import HERE, REUSE_PYTHON, WHEELHOUSE

Wheelhouse = Annotated[
    Path | None,
    typer.Option(
        envvar=WHEELHOUSE, metavar="DIR", help="Install from this folder of `wheelhouse build`, without an index."
    ),
]
ReusePython = Annotated[
    Path | None,
    typer.Option(
        envvar=REUSE_PYTHON,
        metavar="PYTHON",
        help="With --wheelhouse: on top of this Python's packages; it stays as is.",
    ),
]

_Json = Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")]

wheelhouse = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Wheels for a machine that reaches no package index."
)


@wheelhouse.command()
def build(
    dest: Annotated[Path, typer.Option(metavar="DIR", help="A new folder.")],
    pin: Annotated[
        str | None, typer.Option(metavar="PIN", help="Of this engine.", show_default="this machine's")
    ] = None,
    python: Annotated[str, typer.Option(metavar="3.N", help="The Python of the other machine.")] = HERE,
    platform: Annotated[
        str, typer.Option(metavar="TAG", help="Its glibc and processor, as wheels write them.")
    ] = "manylinux_2_28_x86_64",
    exclude: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="Left out: names with * and ?, or @FILE, the other Python's `pip list --format=freeze`.",
        ),
    ] = None,
    without_harness: Annotated[
        bool, typer.Option("--without-harness", help="Without the wheels of requirements.txt, which .venv/ is made of.")
    ] = False,
    split: Annotated[
        str | None, typer.Option(metavar="SIZE", help="In pieces of at most this size (60M), for `wheelhouse join`.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Collect the wheels of an engine and of the harness by the lock, with hashes. Repeat it to go on."""
    from harness.commands.wheelhouse import run_build

    raise typer.Exit(run_build(dest, pin, (python, platform), exclude, not without_harness, split, as_json))


@wheelhouse.command()
def join(
    pieces: Annotated[list[Path], typer.Argument(metavar="PIECES…", help="Folders with pieces and wheelhouse.json.")],
    dest: Annotated[Path, typer.Option(metavar="DIR", help="A new folder.")],
    as_json: _Json = False,
) -> None:
    """Put pieces together and verify them. What is missing is named; repeat it with the next delivery."""
    from harness.commands.wheelhouse import run_join

    raise typer.Exit(run_join(pieces, dest, as_json))


@wheelhouse.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A wheelhouse.")],
    reuse_python: ReusePython = None,
    as_json: _Json = False,
) -> None:
    """What is missing, surplus, damaged, or for another Python, lock or machine. Exit 1: it does not fit."""
    from harness.commands.wheelhouse import run_check

    raise typer.Exit(run_check(folder, reuse_python, as_json))
