"""The options of ``run_figure.sh`` as its command line declares them."""

from typing import Any

import typer

from harness.show.artifact import Option


def figure_options() -> tuple[Option, ...]:
    """Names, placeholder and meaning, in the order of ``--help``."""
    from harness.cli.app import app

    command = typer.main.get_command(app).commands["figure"]  # type: ignore[attr-defined]
    found = []
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.name != "help":
            words = parameter.metavar or ("" if parameter.is_flag else parameter.name.upper())
            found.append(Option(f"{'/'.join(parameter.opts)} {words}".strip(), _meaning(parameter)))
    return tuple(found)


def _meaning(parameter: Any) -> str:
    """Its help, and the default that ``--help`` shows."""
    said = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    return parameter.help if said is None or parameter.is_flag else f"{parameter.help} [default: {said}]"
