"""Every figure's ``plot.py``: mypy does not read them (all have one name), so what they call is looked at here."""

import ast
import inspect
import runpy
from pathlib import Path

import pytest

from harness.show.command import plot_command
from harness.show.study_command import StudyPlot, study_plot_command
from harness.workspace import ROOT


@pytest.mark.parametrize("path", sorted(ROOT.glob("figures/*/plot.py")), ids=lambda path: path.parent.name)
def test_a_plot_draws_the_figure_of_its_folder_by_functions_that_there_are(path: Path) -> None:
    number = path.parent.name.removeprefix("figure-")
    found = runpy.run_path(str(path), run_name="plot")
    *_, main = ast.parse(path.read_text(encoding="utf-8")).body
    assert isinstance(main, ast.If)
    command = ast.unparse(main.body[0])
    if command == "sys.exit(study_plot_command(__file__, PLOT))":
        assert found["study_plot_command"] is study_plot_command
        assert isinstance(found["PLOT"], StudyPlot)
        assert found["PLOT"].figure == number
    else:
        assert command == f"sys.exit(plot_command(__file__, {number!r}, draw))"
        assert found["plot_command"] is plot_command
        inspect.signature(found["draw"]).bind([])
