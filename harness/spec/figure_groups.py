"""``figures/groups.yaml``: names for several figures that are measured together (``rest``)."""

import difflib

from pydantic import ConfigDict, RootModel

from harness.errors import HarnessError
from harness.spec.figure import Figure, load_figure
from harness.spec.study import declared_figures
from harness.spec.yamlfile import load_yaml
from harness.workspace import Workspace

DRAWING = "16"  # of the paper: it shows the predictor's parts, and no data
ONLY_DRAWN = "figure 16 of the paper is a drawing of the predictor, without data: there is nothing to measure or redraw"


class Groups(RootModel[dict[str, tuple[str, ...]]]):
    """Name of the group → its figures."""

    model_config = ConfigDict(frozen=True)


def figures_of(name: str, workspace: Workspace) -> list[Figure]:
    """The figures that ``name`` stands for: those of a group, or the one of that number.

    Raises:
        HarnessError: no such figure or group; or figure 16, which has no data.
    """
    if name == DRAWING:
        raise HarnessError(ONLY_DRAWN)
    path = workspace.root / "figures" / "groups.yaml"
    groups = load_yaml(path, Groups).root if path.exists() else {}
    known = [*declared_figures(workspace), *groups]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise HarnessError(f"unknown figure '{name}'{hint}; valid: {', '.join(known)}")
    return [load_figure(number, workspace) for number in groups.get(name, (name,))]
