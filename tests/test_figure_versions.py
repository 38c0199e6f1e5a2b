"""Figure 1 over several engines: one that cannot be had is a gap with its reason, and does not stop the others."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from harness.commands.figure.cases import asked_figures
from harness.errors import HarnessError
from harness.measure.case import Options
from harness.spec.figure import load_figure
from harness.spec.pin import DEFAULT_CPU_PIN
from harness.workspace import Workspace
from tests.checkout import Checkout, Done, add_fake_engine, forget_runs, make_checkout
from tests.measure.fake_engine import VERSION, FakeEngine

HERE = Workspace()
OLD = "0.9.9"
NO_PYTHON = f"engine fake-old needs Python 3.8, this is {sys.version_info.major}.{sys.version_info.minor}"


def asked_versions(number: str = "1", pin: str | None = DEFAULT_CPU_PIN, *versions: str) -> list[str]:
    """Versions of the points that figure ``number`` asks for."""
    (figure,) = asked_figures(number, None, Options(), pin, HERE, versions)
    return [point.pin.vllm_version for point in figure.points]


def test_an_engine_that_was_typed_is_the_only_one() -> None:
    assert asked_versions("1", "vllm-0.31.0-cpu") == ["0.31.0"]


def test_only_figure_1_measures_releases() -> None:
    (figure,) = asked_figures("2", None, Options(), "vllm-0.31.0-cpu", HERE)
    assert figure.points == ()
    assert "vllm-0.31.0-cpu is a release without a hook table" in figure.notes[0]


@pytest.mark.parametrize(("number", "pin"), [("2", None), ("1", DEFAULT_CPU_PIN), ("rest", None)])
def test_versions_are_refused_where_they_would_not_be_heeded(number: str, pin: str | None) -> None:
    with pytest.raises(HarnessError, match="--versions is for figure 1, and excludes --engine"):
        asked_figures(number, None, Options(), pin, HERE, ("0.31.0",))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> FakeEngine:
    """A checkout with the fake engine, a release that this Python cannot hold, and a figure 1 of a tiny model."""
    fake = add_fake_engine(make_checkout(tmp_path_factory.mktemp("versions")))
    folder = fake.root / "patches" / "releases" / "fake-old"
    folder.mkdir(parents=True)
    changes = {"name": folder.name, "version": OLD, "vllm_version": OLD, "python": ("3.8",)}
    old = fake.engine.pin.model_copy(update=changes)
    (folder / "pin.yaml").write_text(yaml.safe_dump(old.model_dump(mode="json")))
    (folder / "requirements.lock").write_text("")
    figure = load_figure("1", Workspace(fake.root)).model_dump(mode="json")
    figure |= {"models": ["tiny"], "iterations": 1, "timeout_s": 20.0, "parameters_on": {}}
    place = fake.workspace.figure("1")
    (place / "figure.yaml").write_text(yaml.safe_dump(figure, sort_keys=False))
    (place / "plot.py").write_text("from pathlib import Path\n\nPath(__file__).with_name('drawn').touch()\n")
    return fake


@pytest.fixture
def fake(installed: FakeEngine) -> FakeEngine:
    forget_runs(installed)
    (installed.workspace.figure("1") / "drawn").unlink(missing_ok=True)
    shutil.rmtree(installed.workspace.figure("1") / "node0", ignore_errors=True)
    return installed


def figure_1(fake: FakeEngine, versions: str) -> Done:
    """``VERSIONS=… bash run_figure.sh 1`` where there is no GPU."""
    variables = {"VERSIONS": versions, "CUDA_VISIBLE_DEVICES": "", "HARNESS_QUIET_WAIT": "0"}
    return Checkout(fake.root).figure("1", **variables)


def gaps(fake: FakeEngine) -> list[tuple[str, str]]:
    manifest: Path = fake.workspace.figure("1") / "node0" / "manifest.json"
    return [(gap["version"], gap["reason"]) for gap in json.loads(manifest.read_text()).get("gaps", [])]


def test_a_version_that_cannot_be_installed_is_a_gap_and_the_others_are_measured_and_drawn(fake: FakeEngine) -> None:
    done = figure_1(fake, f"{OLD},{VERSION}")
    assert done.code == 1, done.err
    assert len(fake.starts()) == 2
    assert gaps(fake) == [(OLD, NO_PYTHON)]
    assert (fake.workspace.figure("1") / "drawn").exists()
    assert done.err.splitlines()[-1] == f"error: no engine fake-old: {NO_PYTHON}"


def test_a_version_whose_start_fails_is_a_gap_with_the_start_s_reason(fake: FakeEngine) -> None:
    fake.behave("crash")
    done = figure_1(fake, VERSION)
    assert done.code == 1, done.err
    assert gaps(fake) == [(VERSION, "start failed: ValueError: the checkpoint is damaged")]
    assert (fake.workspace.figure("1") / "drawn").exists()


def test_without_any_engine_there_is_nothing_to_draw_of_this_machine(fake: FakeEngine) -> None:
    done = figure_1(fake, OLD)
    assert done.code == 2
    assert done.error == NO_PYTHON
    assert fake.starts() == []
    assert not (fake.workspace.figure("1") / "node0").exists()


def test_an_unknown_version_is_refused_before_anything_is_done(fake: FakeEngine) -> None:
    done = figure_1(fake, "0.99")
    assert done.code == 2
    assert done.error.startswith("unknown version '0.99' for cpu; known: 0.9.9, 0.10.2, ")
    assert fake.starts() == []
