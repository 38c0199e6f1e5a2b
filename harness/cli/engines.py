"""The verbs about engines: ``engines install``, ``list``, ``remove`` and ``compare``.

``engines --target …`` is ``engines compare --target …``.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from harness.cli.wheelhouse import ReusePython, Wheelhouse
from harness.workspace import Workspace


class _ComparesByDefault(TyperGroup):
    """Options without a verb are those of ``compare``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the verb in front of them."""
        if args and args[0].startswith("--") and args[0] != "--help":
            args = ["compare", *args]
        return super().parse_args(ctx, args)


engines = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Engine environments, and engines compared.",
    cls=_ComparesByDefault,
)


@engines.command()
def install(
    pin: Annotated[
        str | None, typer.Option(metavar="PIN", help="Engine pin or other engine.", show_default="this machine's")
    ] = None,
    wheelhouse: Wheelhouse = None,
    reuse_python: ReusePython = None,
) -> None:
    """Make an engine's environment and patch it (releases are left as they were published)."""
    from harness.commands.figure.command import set_up
    from harness.engine.default_pin import default_pin
    from harness.engine.environment import ensure_installed, installed_of
    from harness.engine.wheel_source import install_from, pin_of_wheelhouse
    from harness.spec.pin import Pin, load_build

    install_from(wheelhouse, reuse_python)
    build = load_build(pin or pin_of_wheelhouse() or default_pin())
    if isinstance(build, Pin):
        set_up(build, Workspace())
    else:
        ensure_installed(installed_of(build, Workspace()))


@engines.command("list")
def list_engines(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")] = False,
) -> None:
    """Which engines are declared, which are installed, and what they take on the disk."""
    from harness.commands.engines import run_list

    raise typer.Exit(run_list(as_json, Workspace()))


@engines.command()
def remove(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="Environments in engines/.")] = None,
    releases: Annotated[bool, typer.Option("--releases", help="Every unpatched release that is there.")] = False,
) -> None:
    """Remove environments from engines/ (not while something is measured or installed); runs are kept."""
    from harness.commands.engines import run_remove

    raise typer.Exit(run_remove(names or [], releases, Workspace()))


_Targets = Annotated[
    list[str] | None, typer.Option("--target", metavar="NAME=URL", help="A server that runs already. Repeat it.")
]


@engines.command()
def compare(
    target: _Targets = None,
    key_env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VARIABLE", help="Where a target's API key stands: a variable of the environment."),
    ] = None,
    model_of: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=MODEL", help="What a target is asked for.", show_default="the only one it serves"),
    ] = None,
    serve: Annotated[
        str | None, typer.Option(metavar="ENGINE,…", help="Start here: vllm, llama.cpp, transformers.")
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="Of engines started here: its real weights, else its twin.")
    ] = "qwen2.5-0.5b-instruct",
    engine: Annotated[str | None, typer.Option(metavar="PIN", help="Of vLLM.", show_default="the CPU pin")] = None,
    eager: Annotated[bool, typer.Option("--eager", help="vLLM without torch.compile.")] = False,
    prompts: Annotated[str, typer.Option(metavar="FILE|generated", help="A load file (docs/load.md).")] = "generated",
    num_prompts: Annotated[
        int, typer.Option(metavar="N", min=1, help="Of each target at each concurrency in each repeat.")
    ] = 16,
    prompt_words: Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="Of a generated prompt.")] = 40,
    output_tokens: Annotated[int, typer.Option(metavar="N", min=1, max=1_000_000, help="max_tokens.")] = 64,
    concurrency: Annotated[str, typer.Option(metavar="N,N,…", help="Requests under way at once.")] = "1,2,4,8",
    iterations: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="Repeats, with other prompts.")] = 3,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|none", help="Counts everybody's tokens; none: chunks.", show_default="the served model's"
        ),
    ] = None,
    ignore_eos: Annotated[
        bool, typer.Option("--ignore-eos", help="vLLM's and llama.cpp's; others may refuse it.")
    ] = False,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0.001, help="Of one request.")] = 120.0,
    seed: Annotated[int, typer.Option(min=0, help="Of prompts and of the order of targets.")] = 0,
    again: Annotated[bool, typer.Option("--again", help="New runs, even if all are stored.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A new folder: engines.csv, .json, .pdf, .png.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document as the last line of stdout.")] = False,
) -> None:
    """Hold engines behind OpenAI's API against each other on the same prompts. Exit 1: none was measured."""
    from harness.commands.compare_engines.asked import ComparisonAsked, LoadAsked, external_targets, kinds_of, levels_of
    from harness.commands.compare_engines.compare import run_compare
    from harness.door import json_errors

    with json_errors(as_json):
        asked = ComparisonAsked(
            external=external_targets(target or (), key_env or (), model_of or ()),
            serve=kinds_of(serve),
            model=model,
            pin=engine,
            eager=eager,
            tokenizer=tokenizer,
            load=LoadAsked(
                prompts,
                num_prompts,
                prompt_words,
                output_tokens,
                levels_of(concurrency),
                iterations,
                ignore_eos,
                seed,
                timeout,
            ),
            again=again,
            out=out,
        )
    raise typer.Exit(run_compare(asked, as_json, Workspace()))
