"""What the declarations of all studies but that of starts have in common: ``figures/figure-N/figure.yaml``."""

from typing import TypeVar

from pydantic import BaseModel, Field

from harness.errors import HarnessError
from harness.spec.fields import FROZEN
from harness.spec.yamlfile import load_yaml
from harness.workspace import Workspace


class StudyFigure(BaseModel):
    """A figure of a study, with the one slot that its runs are collected in."""

    model_config = FROZEN
    figure: str
    question: str
    slots: tuple[str, ...] = Field(min_length=1, max_length=1)


Declared = TypeVar("Declared", bound=BaseModel)


def load_declared(number: str, kind: type[Declared], workspace: Workspace) -> Declared:
    """Read the declaration of a figure, of whatever study, whose field ``figure`` is its folder's number.

    Raises:
        HarnessError: it is absent, has a bad field, or lies in another figure's folder.
    """
    path = workspace.figure(number) / "figure.yaml"
    declared = load_yaml(path, kind)
    if (said := getattr(declared, "figure", None)) != number:
        raise HarnessError(f"{path}: field 'figure' is '{said}'; it must equal its folder's '{number}'")
    return declared
