"""Which models a command is about: named ones, a figure's, or all."""

from dataclasses import dataclass

from harness.errors import HarnessError
from harness.spec.figure_groups import figures_of
from harness.spec.models import Model, find_model, load_models
from harness.workspace import Workspace


@dataclass(frozen=True)
class Choice:
    """Models by name, in the order asked for."""

    models: dict[str, Model]
    bare: bool  # nothing was named: everything, but only after asking


def choose(names: list[str], figure: str | None, everything: bool) -> Choice:
    """The models that were asked for; without any way of asking, all of models.yaml.

    Raises:
        HarnessError: an unknown model or figure, or two ways of asking at once.
    """
    if bool(names) + (figure is not None) + everything > 1:
        raise HarnessError("give either model names, --figure N or --all, not two of them")
    if figure is not None:
        names = [name for each in figures_of(figure, Workspace()) for name in each.models]
    elif not names:
        return Choice(dict(load_models().models), bare=not everything)
    return Choice({name: find_model(name) for name in names}, bare=False)
