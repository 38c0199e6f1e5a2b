"""``python3 harness engines list`` and ``remove``."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from harness.commands.engines import run_list, run_remove
from harness.errors import HarnessError
from harness.measure.lock import only_measurement
from harness.spec import pin as pins
from harness.spec.pin import Pin, load_pin
from harness.workspace import Workspace

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Pin ``patched`` and releases ``old`` and ``new``; nothing is installed."""
    monkeypatch.setattr(pins, "PATCHES", tmp_path / "patches")
    for name, below in (("patched", "."), ("old", "releases"), ("new", "releases")):
        folder = tmp_path / "patches" / below / name
        folder.mkdir(parents=True)
        pin = Pin(
            name=name,
            distribution="vllm",
            version="1.0",
            vllm_version="1.0",
            device="cpu",
            python=(HERE,),
            torch="torch==1.0",
            environment={},
            files={},
        )
        (folder / "pin.yaml").write_text(yaml.safe_dump(pin.model_dump(mode="json")))
        (folder / "requirements.lock").write_text("")
    return Workspace(tmp_path)


def install(workspace: Workspace, name: str, **stamp: str) -> Path:
    """An environment that claims to be complete."""
    folder = workspace.engines / name
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / "library").write_bytes(b"x" * 100_000)
    wanted = {"lock_sha256": load_pin(name).lock_sha256, "python": HERE}
    (folder / "engine.json").write_text(json.dumps(wanted | stamp))
    return folder


def listed(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[str, int]]:
    """Name → state and bytes, as a program reads it."""
    capsys.readouterr()
    assert run_list(True, workspace) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    return {each["name"]: (each["state"], each["bytes"]) for each in json.loads(last)["engines"]}


def test_the_list_tells_installed_interrupted_outdated_absent_and_unknown(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {state for state, _ in listed(workspace, capsys).values()} == {"absent"}
    install(workspace, "patched")
    install(workspace, "old", lock_sha256="of another lock")
    (install(workspace, "new") / "engine.json").unlink()
    (workspace.engines / "somebody's").mkdir()
    (workspace.engines / ".new.lock").touch()
    found = listed(workspace, capsys)
    assert {name: state for name, (state, _) in found.items()} == {
        "patched": "installed",
        "old": "outdated",
        "new": "interrupted",
        "somebody's": "unknown",
    }
    assert found["patched"][1] >= 100_000
    assert found["somebody's"][1] == 0


def test_the_table_says_which_engines_are_patched(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    install(workspace, "old")
    run_list(False, workspace)
    rows = {
        cells[1].strip(): cells[2].strip()
        for line in capsys.readouterr().out.splitlines()
        if len(cells := line.split("│")) > 2
    }
    assert rows == {"patched": "yes", "old": "no", "new": "no"}


def test_releases_are_removed_and_the_patched_engine_stays(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("patched", "old", "new"):
        install(workspace, name)
    assert run_remove([], True, workspace) == 0
    assert [name for name, (state, _) in listed(workspace, capsys).items() if state != "absent"] == ["patched"]
    assert run_remove([], True, workspace) == 0


def test_a_named_one_is_removed_even_if_it_is_patched_or_interrupted(workspace: Workspace) -> None:
    kept = install(workspace, "old")
    (install(workspace, "new") / "engine.json").unlink()
    install(workspace, "patched")
    run_remove(["new", "patched", "new"], False, workspace)
    assert [path.name for path in workspace.engines.iterdir() if path.is_dir()] == [kept.name]


def test_nothing_is_removed_while_something_is_measured(workspace: Workspace) -> None:
    folder = install(workspace, "old")
    with only_measurement(workspace.root, "figure 1"), pytest.raises(HarnessError, match="another measurement"):
        run_remove(["old"], False, workspace)
    assert (folder / "engine.json").exists()


@pytest.mark.parametrize(("names", "releases"), [([], False), (["old"], True)])
def test_what_to_remove_must_be_said_in_one_way(names: list[str], releases: bool, workspace: Workspace) -> None:
    folder = install(workspace, "old")
    with pytest.raises(HarnessError, match="name the environments to remove, or give --releases"):
        run_remove(names, releases, workspace)
    assert folder.exists()
