"""The door: ``python3 harness VERB``. What each verb does stands elsewhere; errors: harness/door.py."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import (
    claims,
    doctor,
    engines,
    gpu_check,
    load,
    parity,
    predict,
    recorded,
    replay,
    report,
    sequence,
    slots,
    state,
    trace,
    wheelhouse,
    workload,
)
from harness.cli.figure import QUIET_WAIT, figure
from harness.door import run_app
from harness.workspace import Workspace


class StartKind(StrEnum):
    """Kinds of runs, as the command line takes them."""

    WARMUP = "warmup"
    MEASURED = "measured"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
app.add_typer(engines.engines, name="engines")
app.add_typer(workload.workload, name="workload")
app.add_typer(sequence.sequence, name="sequence")
app.add_typer(wheelhouse.wheelhouse, name="wheelhouse")


@app.callback()
def harness() -> None:
    """Where does vLLM's start-up time go on this machine, and which of the paper's claims hold here?"""


app.command()(figure)


@app.command()
def status(
    engine: Annotated[
        str | None,
        typer.Option(envvar="HARNESS_ENGINE", help="Whose missing starts.", show_default="this machine's pin"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")] = False,
) -> None:
    """What has been measured, figure by figure, and what is missing."""
    from harness.commands.slots.status import run_status

    raise typer.Exit(run_status(as_json, engine, Workspace()))


@app.command(context_settings={"allow_interspersed_args": False})  # what follows COMMAND is its own
def measure(
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND…", help="vllm serve …, or a program with an LLM.")
    ],
    env: Annotated[
        Path | None,
        typer.Option(metavar="VENV", help="The virtual environment that has vLLM.", show_default="from PATH"),
    ] = None,
    python: Annotated[Path | None, typer.Option(metavar="PATH", help="The same by its interpreter.")] = None,
    iterations: Annotated[
        int, typer.Option(envvar="HARNESS_ITERATIONS", min=1, help="Measured starts, after one uncached warm-up.")
    ] = 3,
    uncached: Annotated[
        bool, typer.Option("--uncached", help="Every start begins with empty compile caches; no warm-up.")
    ] = False,
    name: Annotated[
        str | None, typer.Option(help="What to call it in the store.", show_default="from the command")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar='"COMMAND"', help="A second command, started in turns with the first.")
    ] = None,
    gate: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="With --against: exit 1 if that is slower by more (5%).")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Where the server answers, if the command line does not say: http://HOST:PORT")
    ] = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=1, help="Of one start.")] = 1800,
    again: Annotated[
        bool, typer.Option("--again", envvar="HARNESS_AGAIN", help="Measure a new session, even if runs are stored.")
    ] = False,
    quiet_wait: Annotated[float, QUIET_WAIT] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")] = False,
) -> None:
    """Where does the time of your own start go? Runs COMMAND traced until it is ready, ends it, repeats."""
    from harness.commands.measure import Plan, run_measure
    from harness.measure.own_case import Wanted

    wanted = Wanted(env, python, uncached, name, url, timeout, quiet_wait)
    raise typer.Exit(run_measure(command, wanted, Plan(iterations, again, against, gate), as_json, Workspace()))


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="CASE, CASE@s2, CASE/1, a slot folder, or SLOT:CASE")],
    b: Annotated[str, typer.Argument(metavar="B", help="What is held against A")],
    gate: Annotated[
        str | None,
        typer.Option(metavar="PERCENT", help="Exit 1 if B is slower by more than this (5%), interval and all."),
    ] = None,
    kind: Annotated[StartKind, typer.Option(help="Which runs of each.")] = StartKind.MEASURED,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")] = False,
) -> None:
    """Is B's start slower than A's, in which phases, and what differs between them?"""
    from harness.commands.compare import run_compare

    raise typer.Exit(run_compare(Workspace().runs, a, b, kind.value, gate, as_json))


app.command()(load.load)
app.command()(trace.trace)
app.command()(slots.bundle)
app.command()(slots.merge)
app.command()(recorded.parse_log)
app.command()(recorded.reparse)
app.command()(state.state)
app.command()(claims.claims)
app.command()(doctor.doctor)
app.command()(predict.predict)
app.command()(parity.parity)
app.command("gpu-check")(gpu_check.gpu_check)
app.command()(replay.replay)
app.command()(report.report)


def main() -> None:
    """Run the command line and end the process; errors are one line on stderr."""
    run_app(
        app, "python3 harness", stopped="stopped; everything measured so far is stored, repeat the command to go on"
    )
