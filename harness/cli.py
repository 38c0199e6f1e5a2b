"""The door: ``python -m harness VERB``. What each verb does stands elsewhere; errors: harness/door.py."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness import (
    cli_claims,
    cli_doctor,
    cli_engines,
    cli_predict,
    cli_recorded,
    cli_replay,
    cli_report,
    cli_slots,
    cli_state,
    cli_trace,
    cli_workload,
)
from harness.door import run_app
from harness.workspace import Workspace


class StartMode(StrEnum):
    """Ways to start the engine, as the command line takes them."""

    OFFLINE = "offline"
    SERVE = "serve"


class StartKind(StrEnum):
    """Kinds of runs, as the command line takes them."""

    WARMUP = "warmup"
    MEASURED = "measured"


QUIET_WAIT = typer.Option(
    envvar="HARNESS_QUIET_WAIT",
    min=0,
    metavar="SECONDS",
    help="For a quiet machine before each start, at most; 0: do not look.",
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
app.add_typer(cli_engines.engines, name="engines")
app.add_typer(cli_workload.workload, name="workload")


@app.callback()
def harness() -> None:
    """Where does vLLM's start-up time go on this machine, and which of the paper's claims hold here?"""


@app.command()
def figure(
    number: Annotated[str, typer.Argument(metavar="NUM", help="1 to 15, 17; ladder; or rest = 3, 4, 5, 6, 8, 17.")],
    slot: Annotated[
        int | None, typer.Argument(metavar="[SLOT_INDEX]", help="Of a figure that compares nodes: 0 or 1.")
    ] = None,
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
    versions: Annotated[
        str | None,
        typer.Option(
            envvar=["HARNESS_VERSIONS", "VERSIONS"], help="Of figure 1: versions or engines, separated by commas."
        ),
    ] = None,
    eager: Annotated[bool, typer.Option("--eager", envvar="HARNESS_EAGER", help="Without torch.compile.")] = False,
    again: Annotated[
        bool, typer.Option("--again", envvar="HARNESS_AGAIN", help="Measure a new session, even if runs are stored.")
    ] = False,
    mode: Annotated[
        StartMode | None, typer.Option(envvar="HARNESS_MODE", help="LLM(), or vllm serve. [default: offline]")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            envvar="HARNESS_STORAGE",
            metavar="LEVEL",
            help="Where weights are read from: ram, ssd, tmpfs, path:DIR. [default: the figure's, else ram]",
        ),
    ] = None,
    drop_caches: Annotated[
        str | None,
        typer.Option(envvar="HARNESS_DROP_CACHES", metavar="all", help="Drop the whole page cache before cold starts."),
    ] = None,
    quiet_wait: Annotated[float, QUIET_WAIT] = 60.0,
    budget: Annotated[
        float | None,
        typer.Option(
            envvar="HARNESS_BUDGET",
            min=0.1,
            metavar="MINUTES",
            help="Only the starts that decide most claims in this time; the plan is shown first.",
        ),
    ] = None,
    allow_mismatch: Annotated[
        bool,
        typer.Option(
            "--allow-mismatch", envvar="HARNESS_ALLOW_MISMATCH", help="Draw slots that do not fit, and say so there."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", envvar="HARNESS_DRY_RUN", help="List the starts and minutes; do nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --dry-run: one JSON document as the last line.")
    ] = False,
) -> None:
    """Everything for one figure: set up, measure what is missing, collect, plot. (bash run_figure.sh NUM)"""
    from harness.budget_plan import print_budgeted
    from harness.figure_cases import asked_figures
    from harness.figure_command import Call, cut_to_budget, run_figure
    from harness.figure_plan import plan, print_plan
    from harness.measure.case import Options
    from harness.progress import console
    from harness.spec.figure import Mode
    from harness.spec.state import drops_all, storage_level

    names, named_versions = _words(models), _words(versions)
    chosen: Mode | None = mode.value if mode else None
    level = storage_level(storage) if storage is not None else None
    dropping = drops_all(drop_caches)
    options = Options(names or None, iterations, smoke, eager, again, chosen, level, dropping, quiet_wait)
    workspace = Workspace()
    budget_s = None if budget is None else budget * 60
    if dry_run:
        asked = asked_figures(number, slot, options, engine, workspace, named_versions)
        if budget_s is not None:
            budgeted = cut_to_budget(asked, options, budget_s, workspace)
            print_budgeted(budgeted, budget_s, console)
            asked, options = budgeted.asked, budgeted.options
        if budget_s is None or as_json:
            print_plan(plan(asked, options, workspace), [note for each in asked for note in each.notes], as_json)
    else:
        run_figure(Call(number, slot, engine, allow_mismatch, named_versions, budget_s), options, workspace)


def _words(text: str | None) -> tuple[str, ...]:
    """The words of a list that was typed with commas, each once."""
    return tuple(dict.fromkeys(word.strip() for word in (text or "").split(",") if word.strip()))


@app.command()
def status(
    engine: Annotated[
        str | None, typer.Option(envvar="HARNESS_ENGINE", help="Whose missing starts. [default: this machine's pin]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")] = False,
) -> None:
    """What has been measured, figure by figure, and what is missing."""
    from harness.status_command import run_status

    raise typer.Exit(run_status(as_json, engine, Workspace()))


@app.command(context_settings={"allow_interspersed_args": False})  # what follows COMMAND is its own
def measure(
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND…", help="vllm serve …, or a program with an LLM.")
    ],
    env: Annotated[
        Path | None, typer.Option(metavar="VENV", help="The virtual environment that has vLLM. [default: from PATH]")
    ] = None,
    python: Annotated[Path | None, typer.Option(metavar="PATH", help="The same by its interpreter.")] = None,
    iterations: Annotated[
        int, typer.Option(envvar="HARNESS_ITERATIONS", min=1, help="Measured starts, after one uncached warm-up.")
    ] = 3,
    uncached: Annotated[
        bool, typer.Option("--uncached", help="Every start begins with empty compile caches; no warm-up.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="What to call it in the store. [default: from the command]")] = None,
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
    from harness.measure.own_case import Wanted
    from harness.measure_command import Plan, run_measure

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
    from harness.compare_command import run_compare

    raise typer.Exit(run_compare(Workspace().runs, a, b, kind.value, gate, as_json))


app.command()(cli_trace.trace)
app.command()(cli_slots.bundle)
app.command()(cli_slots.merge)
app.command()(cli_recorded.parse_log)
app.command()(cli_recorded.reparse)
app.command()(cli_state.state)
app.command()(cli_claims.claims)
app.command()(cli_doctor.doctor)
app.command()(cli_predict.predict)
app.command()(cli_replay.replay)
app.command()(cli_report.report)


def main() -> None:
    """Run the command line and end the process; errors are one line on stderr."""
    run_app(
        app, "python -m harness", stopped="stopped; everything measured so far is stored, repeat the command to go on"
    )
