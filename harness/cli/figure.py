"""The verb behind ``bash run_figure.sh NUM``: figures of starts, and those of other studies (study_figures.py)."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.wheelhouse import ReusePython, Wheelhouse
from harness.workspace import Workspace


class StartMode(StrEnum):
    """Ways to start the engine, as the command line takes them."""

    OFFLINE = "offline"
    SERVE = "serve"


QUIET_WAIT = typer.Option(
    envvar="HARNESS_QUIET_WAIT",
    min=0,
    metavar="SECONDS",
    help="For a quiet machine before each start, at most; 0: do not look.",
)


def figure(
    context: typer.Context,
    number: Annotated[
        str,
        typer.Argument(
            metavar="NUM",
            help="1 to 15, 17; ladder; sharing; headroom; routing; anatomy; rest = 3, 4, 5, 6, 8, 17.",
        ),
    ],
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
        str | None, typer.Option(envvar="HARNESS_ENGINE", help="Engine pin.", show_default="what fits driver and GPU")
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
        StartMode | None, typer.Option(envvar="HARNESS_MODE", help="LLM(), or vllm serve.", show_default="offline")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            envvar="HARNESS_STORAGE",
            metavar="LEVEL",
            help="Where weights are read from: ram, ssd, tmpfs, path:DIR.",
            show_default="the figure's, else ram",
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
    parallel: Annotated[
        bool,
        typer.Option(
            "--parallel", envvar="HARNESS_PARALLEL", help="Of 10: both slots at once, on two GPUs of this machine."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", envvar="HARNESS_DRY_RUN", help="List the starts and minutes; do nothing.")
    ] = False,
    trace: Annotated[
        Path | None,
        typer.Option(
            envvar="HARNESS_TRACE", metavar="FILE", help="Of sharing, headroom and routing: Mooncake's trace."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(envvar="HARNESS_DATA", metavar="FILE", help="Of these three: dialogues, as ShareGPT has them."),
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(
            envvar="HARNESS_SEARCH", metavar="SEARCH", help="Of headroom: naive, target or all.", show_default="all"
        ),
    ] = None,
    workload: Annotated[
        str | None,
        typer.Option(envvar="HARNESS_WORKLOAD", metavar="NAME", help="Of headroom: only this.", show_default="each"),
    ] = None,
    trace_memory: Annotated[
        bool,
        typer.Option(
            "--trace-memory", envvar="HARNESS_TRACE_MEMORY", help="Of headroom: also record and draw every block's way."
        ),
    ] = False,
    strategies: Annotated[
        str | None,
        typer.Option(envvar="HARNESS_STRATEGIES", metavar="NAME,…", help="Of routing: routers.", show_default="all"),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            envvar="HARNESS_LABEL", metavar="TEXT", help="Of routing: what these runs are called in the slot."
        ),
    ] = None,
    replicas: Annotated[
        int | None, typer.Option(envvar="HARNESS_REPLICAS", min=1, help="Of routing.", show_default="4; on a CPU 2")
    ] = None,
    port: Annotated[
        int | None, typer.Option(envvar="HARNESS_PORT", min=1, max=65_535, help="Of routing.", show_default="8000")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            envvar="HARNESS_SET",
            metavar="FIELD=VALUE",
            help="Of routing and anatomy, often: load.request_rate=8, server.enforce_eager=true, …",
        ),
    ] = None,
    serve_only: Annotated[
        bool,
        typer.Option("--serve-only", envvar="HARNESS_SERVE_ONLY", help="Of routing: deploy, and wait for Ctrl-C."),
    ] = False,
    features: Annotated[
        str | None,
        typer.Option(
            envvar="HARNESS_FEATURES",
            metavar="NAMES",
            help="Of anatomy: engine features to compare, separated by commas, or all, or none.",
            show_default="all",
        ),
    ] = None,
    wheelhouse: Wheelhouse = None,
    reuse_python: ReusePython = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --dry-run, or of a study: one JSON document as the last line.")
    ] = False,
) -> None:
    """Everything for one figure: set up, measure what is missing, collect, plot. (bash run_figure.sh NUM)"""
    from harness.commands.figure.budget_plan import print_budgeted
    from harness.commands.figure.cases import asked_figures, notes_on
    from harness.commands.figure.command import Call, cut_to_budget, run_figure
    from harness.commands.figure.pair import pair_figure
    from harness.commands.figure.plan import plan, print_plan
    from harness.commands.figure.studies import StudyCall, run_study
    from harness.engine.wheel_source import install_from
    from harness.measure.case import Options
    from harness.progress import console
    from harness.spec.figure import Mode
    from harness.spec.state import drops_all, storage_level

    install_from(wheelhouse, reuse_python)
    workspace = Workspace()
    study_call = StudyCall(
        figure=number,
        smoke=smoke,
        dry_run=dry_run,
        as_json=as_json,
        engine=engine,
        trace=trace,
        data=data,
        models=_words(models),
        search=search,
        workload=workload,
        trace_memory=trace_memory,
        iterations=iterations,
        strategies=_words(strategies),
        label=label,
        replicas=replicas,
        port=port,
        overrides=tuple(overrides or ()),
        serve_only=serve_only,
        features=features,
    )
    if run_study(study_call, _typed(context), _spelt(context), workspace):
        return
    names, named_versions = _words(models), _words(versions)
    chosen: Mode | None = mode.value if mode else None
    level = storage_level(storage) if storage is not None else None
    dropping = drops_all(drop_caches)
    options = Options(names or None, iterations, smoke, eager, again, chosen, level, dropping, quiet_wait)
    budget_s = None if budget is None else budget * 60
    call = Call(number, slot, engine, allow_mismatch, named_versions, budget_s)
    if parallel:
        pair_figure(call, options, dry_run, as_json, workspace)
    elif dry_run:
        asked = asked_figures(number, slot, options, engine, workspace, named_versions)
        if budget_s is not None:
            budgeted = cut_to_budget(asked, options, budget_s, workspace)
            print_budgeted(budgeted, budget_s, console)
            asked, options = budgeted.asked, budgeted.options
        if budget_s is None or as_json:
            print_plan(plan(asked, options, workspace), notes_on(asked, engine), as_json)
    else:
        run_figure(call, options, workspace)


def _typed(context: typer.Context) -> set[str]:
    """The parameters that stand on the command line."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}


def _spelt(context: typer.Context) -> dict[str, str]:
    """Every parameter → how it is written on the command line."""
    return {
        str(each.name): each.opts[-1] if each.param_type_name == "option" else str(each.metavar).strip("[]")
        for each in context.command.params
    }


def _words(text: str | None) -> tuple[str, ...]:
    """The words of a list that was typed with commas, each once."""
    return tuple(dict.fromkeys(word.strip() for word in (text or "").split(",") if word.strip()))
