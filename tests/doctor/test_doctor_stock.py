"""What the doctor tells of engines and models that are there, damaged, or half there."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.doctor.engines import engine_check
from harness.doctor.models import look_at_model
from harness.engine import patching
from harness.engine.download import downloading_folder
from harness.engine.environment import engine_of
from harness.engine.model_files import describe
from harness.engine.twin import MANIFEST, recipe_sha256
from harness.engine.twin_shape import DEFAULT_SCALE
from harness.spec.models import find_model
from harness.spec.pin import Pin
from harness.workspace import Workspace
from tests.doctor.conftest import Told
from tests.engine.fake_vllm import FakeEngine, make_fake_engine
from tests.engine.safetensors_bytes import safetensors
from tests.tiny_wheelhouse import TinyIndex

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
REINSTALL = "python3 harness engines remove fake && python3 harness engines install --pin fake"
NAME = "llama3-3b"


@pytest.fixture
def pin(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pin:
    """A pin whose environment is installed and not patched."""
    (tmp_path / "made").mkdir()
    made: FakeEngine = make_fake_engine(tmp_path / "made", monkeypatch)
    made.pin = made.pin.model_copy(update={"python": (HERE,)})
    (made.pin.folder / "requirements.lock").write_text("")
    engine = engine_of(made.pin, workspace)
    shutil.copytree(made.site, engine.site_packages)
    (engine.site_packages / "torch-2.0.dist-info").mkdir()
    (engine.site_packages / "torch-2.0.dist-info" / "METADATA").write_text("Name: torch\nVersion: 2.0\n")
    (engine.folder / "bin").mkdir()
    engine.python.symlink_to(sys.executable)
    engine.stamp.write_text(json.dumps({"lock_sha256": made.pin.lock_sha256, "python": HERE}))
    return made.pin


def look(pin: Pin, workspace: Workspace) -> tuple[str, str | None, bool]:
    check = engine_check(pin, workspace)
    return check.status, check.fix, check.stops


def test_an_engine_is_told_as_far_as_it_is_installed_and_patched(pin: Pin, workspace: Workspace) -> None:
    engine = engine_of(pin, workspace)
    assert look(pin, workspace) == ("missing", "python3 apply_patches.py --pin fake", False)
    patching.apply(pin, engine.vllm_dir)
    assert look(pin, workspace) == ("ok", None, False)
    engine.stamp.unlink()
    assert look(pin, workspace) == ("missing", "python3 harness engines install --pin fake", False)
    shutil.rmtree(engine.folder)
    assert look(pin, workspace) == ("missing", "python3 harness engines install --pin fake", False)


@pytest.mark.parametrize("gone", ["vllm/_version.py", "vllm/v1/core.py", "vllm", "torch-2.0.dist-info"])
def test_an_engine_that_claims_to_be_complete_and_is_not_is_to_be_made_again(
    pin: Pin, workspace: Workspace, gone: str
) -> None:
    engine = engine_of(pin, workspace)
    patching.apply(pin, engine.vllm_dir)
    path = engine.site_packages / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert look(pin, workspace) == ("missing", REINSTALL, True)
    assert str(workspace.root) not in engine_check(pin, workspace).found


def test_a_damaged_record_of_the_patches_is_no_traceback(pin: Pin, workspace: Workspace) -> None:
    engine = engine_of(pin, workspace)
    patching.apply(pin, engine.vllm_dir)
    (engine.site_packages / "coldstart_tracer" / "installed.json").write_text("{")
    assert look(pin, workspace) == ("missing", REINSTALL, True)


def test_an_engine_for_another_python_cannot_be_had(pin: Pin, workspace: Workspace) -> None:
    other = pin.model_copy(update={"python": ("3.99",)})
    assert look(other, workspace) == ("cannot", None, True)


def place_twin(workspace: Workspace) -> Path:
    folder = workspace.models / f"{NAME}-twin"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(safetensors({"a": ("BF16", [4])}))
    files = describe(folder, ["model.safetensors"], with_time=False)
    recipe = {"recipe_sha256": recipe_sha256(find_model(NAME), 0), "seed": 0, "scale": DEFAULT_SCALE}
    (folder / MANIFEST).write_text(json.dumps(recipe | {"files": files}))
    return folder


def test_a_twin_is_there_or_is_made_by_the_figure(workspace: Workspace) -> None:
    absent = look_at_model(NAME, workspace)
    assert (absent.check.status, absent.check.stops, absent.there) == ("missing", False, False)
    assert absent.file_bytes > 50e6
    place_twin(workspace)
    there = look_at_model(NAME, workspace)
    assert (there.check.status, there.check.fix, there.there) == ("ok", None, True)


def test_a_twin_of_another_recipe_is_made_again_by_the_figure(workspace: Workspace) -> None:
    manifest = place_twin(workspace) / MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"recipe_sha256": "0" * 64}))
    check = look_at_model(NAME, workspace).check
    assert (check.status, check.stops) == ("missing", False)


@pytest.mark.parametrize("damage", ["cut off", "missing", "added", "manifest"])
def test_a_damaged_twin_is_to_be_made_again(ask: Callable[..., Told], workspace: Workspace, damage: str) -> None:
    folder = place_twin(workspace)
    weights = folder / "model.safetensors"
    if damage == "cut off":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif damage == "missing":
        weights.unlink()
    elif damage == "added":
        (folder / "notes\x1b.txt").touch()
    else:
        (folder / MANIFEST).write_text("{")
    told = ask()
    again = f"rm -r models/{NAME}-twin && python3 download_models.py --synthetic {NAME}"
    assert (told.code, told.fix()) == (1, again)
    assert "\x1b" not in told.text


def test_half_downloaded_weights_stop_the_figure_with_a_command_that_loses_nothing(
    ask: Callable[..., Told], workspace: Workspace
) -> None:
    folder = workspace.models / NAME
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(find_model(NAME).config.as_dict()))
    (folder / "model.safetensors").write_bytes(safetensors({"a": ("BF16", [4])})[:-1])
    told = ask()
    assert told.fix() == f"mv models/{NAME} models/.{NAME}.incomplete && python3 download_models.py {NAME}"
    assert "not a complete safetensors file" in told.checks[f"model {NAME}"]["found"]
    assert (told.code, told.figures["12"]["fix"]) == (1, "bash run_figure.sh 12")  # which starts another model
    (folder / "model.safetensors").write_bytes(safetensors({"a": ("BF16", [4])}))
    assert ask().ok


def test_weights_behind_a_link_that_leads_nowhere_are_told(workspace: Workspace) -> None:
    workspace.models.mkdir()
    (workspace.models / NAME).symlink_to("/not/mounted")
    check = look_at_model(NAME, workspace).check
    assert (check.status, check.stops) == ("missing", True)


def test_an_interrupted_download_is_told_and_starts_use_the_twin(workspace: Workspace) -> None:
    downloading_folder(NAME, workspace.models).mkdir(parents=True)
    assert look_at_model(NAME, workspace).check.status == "missing"  # the twin, which the figure makes
    place_twin(workspace)
    found = look_at_model(NAME, workspace)
    assert (found.check.status, found.check.fix) == ("warn", f"python3 download_models.py {NAME}")
    assert (found.twin, found.there) == (True, True)


def test_a_wheelhouse_that_was_named_is_told_to_fit_or_why_it_does_not(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = TinyIndex(tmp_path, monkeypatch)
    monkeypatch.setattr("harness.engine.wheel_download.STEPS.run", tiny.copying_pip)
    house = tiny.build()
    monkeypatch.setenv("HARNESS_WHEELHOUSE", str(tmp_path / "wheelhouse"))
    check = engine_check(tiny.pin(), workspace)
    assert (check.status, check.found, check.automatic) == ("missing", "absent; the wheelhouse fits", True)
    assert (check.fix or "").endswith(f" --wheelhouse {tmp_path / 'wheelhouse'}")
    (tmp_path / "wheelhouse" / house.files[0].name).unlink()
    check = engine_check(tiny.pin(), workspace)
    assert (check.status, check.found, check.fix) == (
        "cannot",
        f"absent; wheelhouse: missing: {house.files[0].name}",
        None,
    )
    monkeypatch.setenv("HARNESS_WHEELHOUSE", str(tmp_path / "nowhere"))
    assert "cannot be read" in engine_check(tiny.pin(), workspace).found
