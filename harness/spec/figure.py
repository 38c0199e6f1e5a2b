"""A figure's declaration: ``figures/figure-N/figure.yaml``."""

import difflib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import HarnessError
from harness.spec.yamlfile import load_yaml
from harness.workspace import Workspace

Mode = Literal["offline", "serve"]  # LLM(), or vllm serve


class Smoke(BaseModel):
    """What ``--smoke`` changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    iterations: int = Field(ge=1)


class Figure(BaseModel):
    """What a figure measures and shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    figure: str
    study: Literal["cold_start"]
    models: tuple[str, ...] = Field(min_length=1)
    iterations: int = Field(ge=1)
    smoke: Smoke
    parameters: dict[str, Any]  # engine arguments every case gets
    slots: tuple[str, ...] = Field(min_length=1)
    timeout_s: float = Field(gt=0, allow_inf_nan=False)  # of one run


def figure_numbers(workspace: Workspace) -> list[str]:
    """Every figure that has a folder, in reading order."""
    names = [path.parent.name.removeprefix("figure-") for path in workspace.root.glob("figures/figure-*/figure.yaml")]
    return sorted(names, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))


def load_figure(number: str, workspace: Workspace) -> Figure:
    """Read a figure's declaration.

    Raises:
        HarnessError: no such figure (lists the valid ones), or a bad field.
    """
    known = figure_numbers(workspace)
    if number not in known:
        near = difflib.get_close_matches(number, known, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise HarnessError(f"unknown figure '{number}'{hint}; valid: {', '.join(known)}")
    path: Path = workspace.figure(number) / "figure.yaml"
    figure = load_yaml(path, Figure)
    if figure.figure != number:
        raise HarnessError(f"{path}: field 'figure' is '{figure.figure}'; it must equal its folder's '{number}'")
    return figure
