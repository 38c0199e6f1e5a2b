"""The door: ``python -m harness VERB``. What each verb does stands elsewhere; errors: harness/door.py."""

from typing import Annotated

import typer

from harness.door import run_app
from harness.workspace import Workspace

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
engines = typer.Typer(add_completion=False, help="Engine environments.")
app.add_typer(engines, name="engines")


@app.callback()
def harness() -> None:
    """Where does vLLM's start-up time go on this machine, and which of the paper's claims hold here?"""


@app.command()
def figure(
    number: Annotated[str, typer.Argument(metavar="NUM", help="The figure: 2")],
    smoke: Annotated[
        bool, typer.Option("--smoke", envvar="HARNESS_SMOKE", help="One warm-up and one measured run.")
    ] = False,
    iterations: Annotated[
        int | None, typer.Option(envvar="HARNESS_ITERATIONS", min=1, help="Measured runs per case.")
    ] = None,
    models: Annotated[
        str | None, typer.Option(envvar="HARNESS_MODELS", help="Models, separated by commas, instead of the figure's.")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(envvar="HARNESS_ENGINE", help="Engine pin. [default: CUDA with a GPU, else CPU]")
    ] = None,
    eager: Annotated[bool, typer.Option("--eager", envvar="HARNESS_EAGER", help="Without torch.compile.")] = False,
    again: Annotated[
        bool, typer.Option("--again", envvar="HARNESS_AGAIN", help="Measure a new session, even if runs are stored.")
    ] = False,
) -> None:
    """Everything for one figure: set up, measure what is missing, collect, plot. (bash run_figure.sh NUM)"""
    from harness.figure_command import run_figure
    from harness.measure.case import Options

    names = tuple(dict.fromkeys(name.strip() for name in (models or "").split(",") if name.strip()))
    run_figure(number, Options(names or None, iterations, smoke, eager, again), engine, Workspace())


@engines.command()
def install(
    pin: Annotated[str | None, typer.Option(metavar="PIN", help="Engine pin. [default: this machine's]")] = None,
) -> None:
    """Make an engine's environment and patch it."""
    from harness.engine.detect import default_pin
    from harness.figure_command import set_up

    set_up(pin or default_pin(), Workspace())


def main() -> None:
    """Run the command line and end the process; errors are one line on stderr."""
    run_app(
        app, "python -m harness", stopped="stopped; everything measured so far is stored, repeat the command to go on"
    )
