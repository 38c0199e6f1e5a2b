"""The paper's numbers that ship with the figures: made by figures/make_paper_csv.py, and nothing but numbers."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from harness.record.paper import read_paper
from harness.record.paper_cores import read_paper_cores
from harness.workspace import ROOT
from tests.beside import RECORDED
from tests.synthetic_recording import write_recording

SHIPPED = sorted((ROOT / "figures").glob("figure-*/paper*.csv"))
NAME = re.compile(r"[a-z0-9.-]+")
SETTING = re.compile(r"([A-Za-z_-]+=[A-Za-z0-9_.]*( |$))*")


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_paper_csv", ROOT / "figures" / "make_paper_csv.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_shipped_files_are_what_the_script_makes_of_the_recorded_logs(maker: ModuleType) -> None:
    made = maker.paper_files(RECORDED.need())
    assert {path.relative_to(ROOT / "figures").as_posix() for path in SHIPPED} == set(made)
    for name, content in made.items():
        assert (ROOT / "figures" / name).read_bytes() == content, name


def test_every_figure_with_data_has_its_file_and_all_are_small() -> None:
    figures = {path.parent.name for path in SHIPPED if path.name == "paper.csv"}
    assert figures == {f"figure-{number}" for number in range(1, 18) if number != 16}
    assert sum(path.stat().st_size for path in SHIPPED) <= 2_000_000


@pytest.mark.parametrize("path", [p for p in SHIPPED if p.name == "paper.csv"], ids=lambda p: p.parent.name)
def test_rows_hold_names_and_numbers_but_no_host_user_or_path(path: Path) -> None:
    rows = read_paper(path)
    assert rows
    for row in rows:
        assert row.figure == path.parent.name.removeprefix("figure-")
        assert NAME.fullmatch(row.slot)
        assert NAME.fullmatch(row.model)
        assert SETTING.fullmatch(row.setting), row.setting
        assert 0 <= row.iteration <= 5
        assert (row.kind == "warmup") == (row.iteration == 0)
        assert re.fullmatch(r"[a-z_.]+", row.phase)
    assert len({row[:-1] for row in map(lambda row: tuple(vars(row).values()), rows)}) == len(rows)  # none twice


def test_the_cores_of_figure_12_are_those_of_its_machine() -> None:
    samples = read_paper_cores(ROOT / "figures" / "figure-12" / "paper-cores.csv")
    assert {core for _, core, _ in samples} == set(range(64))
    assert max(time_s for time_s, _, _ in samples) <= 25.7


def test_the_script_names_what_is_absent_and_writes_nothing(
    maker: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recording(tmp_path / "in" / "figure-2")
    assert maker.main([str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 2
    assert "figure-1: nothing for figure 1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
