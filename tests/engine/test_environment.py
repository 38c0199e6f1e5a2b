"""Engine environments: made by real pip from a lock that names a tiny wheel; reused, repaired, or refused."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.engine import environment
from harness.engine.environment import Engine, engine_of, ensure_engine
from harness.errors import HarnessError
from harness.spec import pin as pins
from harness.spec.pin import Pin
from harness.workspace import Workspace
from tests.wheels import make_wheel, only_these_wheels

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


class Maker:
    """Makes the engine of a pin called ``fake`` below a temporary folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.told: list[str] = []
        self.lock(make_wheel(root / "wheels", "tinyvllm", "1.0"))
        make_wheel(root / "wheels", "tinytorch", "2.0")

    def lock(self, text: str) -> None:
        (self.root / "patches" / "fake").mkdir(parents=True, exist_ok=True)
        (self.root / "patches" / "fake" / "requirements.lock").write_text(text)

    def pin(self, *python: str) -> Pin:
        return Pin(
            name="fake",
            distribution="tinyvllm",
            version="1.0",
            vllm_version="1.0",
            device="cpu",
            python=python or (HERE,),
            torch="tinytorch==2.0",
            environment={},
            files={},
        )

    def make(self, *python: str) -> Engine:
        self.told.clear()
        return ensure_engine(self.pin(*python), Workspace(self.root), self.told.append)

    def refuse(self, *python: str) -> str:
        """The error of an attempt, which must be one line."""
        with pytest.raises(HarnessError) as refused:
            self.make(*python)
        assert "\n" not in str(refused.value)
        assert refused.value.exit_code == 2
        return str(refused.value)


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_python: Path) -> Maker:
    monkeypatch.setattr(environment.sys, "executable", str(quick_python))
    monkeypatch.setattr(pins, "PATCHES", tmp_path / "patches")
    only_these_wheels(tmp_path / "wheels", monkeypatch)
    monkeypatch.delenv("TORCH_INDEX_URL", raising=False)
    return Maker(tmp_path)


def ask(engine: Engine, code: str) -> str:
    command = [str(engine.python), "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def pretend_installed(maker: Maker, **stamp: str) -> Engine:
    """An environment that claims to be complete; it holds nothing but a file to recognise it by."""
    engine = engine_of(maker.pin(), Workspace(maker.root))
    engine.python.parent.mkdir(parents=True)
    engine.python.symlink_to(sys.executable)
    (engine.folder / "as before").touch()
    wanted = {"lock_sha256": maker.pin().lock_sha256, "python": HERE}
    engine.stamp.write_text(json.dumps(wanted | stamp))
    return engine


def fail_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every installation end at its first step, for tests that only ask whether one is begun."""

    def stop(_engine: Engine) -> None:
        raise HarnessError("begun")

    monkeypatch.setattr(environment, "_install", stop)


def test_an_interrupted_installation_is_redone_and_the_complete_one_reused(maker: Maker) -> None:
    half = engine_of(maker.pin(), Workspace(maker.root))
    (half.site_packages / "tinyvllm").mkdir(parents=True)
    (half.site_packages / "tinyvllm" / "half.py").write_text("")  # no stamp: it was interrupted
    engine = maker.make()
    assert maker.told == ["Installing engine fake into engines/fake/ (10 GB, once) …"]
    assert not (engine.site_packages / "tinyvllm" / "half.py").exists()
    assert ask(engine, "import tinyvllm, tinytorch; print(tinyvllm.__version__, tinytorch.__version__)") == "1.0 2.0"
    assert ask(engine, "import importlib.metadata as m; print(m.version('vllm'))") == "1.0+cpu"
    assert engine.installed_as() == {"lock_sha256": maker.pin().lock_sha256, "python": HERE}
    (engine.folder / "as before").touch()
    assert maker.make() == engine
    assert maker.told == []
    assert (engine.folder / "as before").exists()


def test_a_package_that_pip_cannot_get_is_one_line_and_leaves_no_complete_engine(maker: Maker) -> None:
    pretend_installed(maker, lock_sha256="of another lock")  # a changed lock is installed anew
    maker.lock("unobtainable==1.0 --hash=sha256:" + "0" * 64 + "\n")
    message = maker.refuse()
    assert message.startswith("engine fake could not be installed (no network and nothing cached?): ERROR: ")
    assert "unobtainable==1.0" in message
    assert engine_of(maker.pin(), Workspace(maker.root)).installed_as() is None


def test_a_torch_that_replaces_a_locked_package_is_refused(maker: Maker) -> None:
    wheels = maker.root / "wheels"
    maker.lock(make_wheel(wheels, "tinyvllm", "1.0") + "\n" + make_wheel(wheels, "tinytorch", "1.9"))
    assert "replaced tinytorch 1.9 of the lock by 2.0" in maker.refuse()
    assert engine_of(maker.pin(), Workspace(maker.root)).installed_as() is None


@pytest.mark.parametrize("stamp", [{"lock_sha256": "of another lock"}, {"python": "3.9"}])
def test_another_lock_or_python_means_a_new_installation(
    maker: Maker, stamp: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = pretend_installed(maker, **stamp)
    fail_to_install(monkeypatch)
    assert maker.refuse() == "begun"
    assert len(maker.told) == 1
    assert not engine.folder.exists()  # nothing of the old one is mixed into the new one


def test_the_lock_and_the_separately_pinned_torch_are_both_part_of_the_identity(maker: Maker) -> None:
    pin = maker.pin()
    before = pin.lock_sha256
    assert pin.model_copy(update={"torch": "tinytorch==3.0"}).lock_sha256 != before
    maker.lock("other==1.0\n")
    assert pin.lock_sha256 != before


@pytest.mark.parametrize("damage", ["not json", "", "{}", "[]"])
def test_a_damaged_stamp_is_an_interrupted_installation(
    maker: Maker, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_installed(maker).stamp.write_text(damage)
    fail_to_install(monkeypatch)
    assert maker.refuse() == "begun"


def test_an_environment_whose_python_is_gone_is_made_again(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = pretend_installed(maker)
    engine.python.unlink()
    engine.python.symlink_to(maker.root / "an uninstalled python")
    fail_to_install(monkeypatch)
    assert maker.refuse() == "begun"


def test_a_complete_environment_is_not_touched(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = pretend_installed(maker)
    fail_to_install(monkeypatch)
    assert maker.make() == engine
    assert (engine.folder / "as before").exists()


def test_a_python_that_cannot_hold_the_pin_is_refused_before_anything_is_touched(maker: Maker) -> None:
    assert maker.refuse("3.8", "3.9") == f"engine fake needs Python 3.8 or 3.9, this is {HERE}"
    assert maker.told == []
    assert not (maker.root / "engines").exists()


def test_a_folder_that_cannot_hold_engines_is_one_line(maker: Maker) -> None:
    (maker.root / "engines").write_text("a file")
    where = f"{maker.root / 'engines'}"
    assert maker.refuse() == f"{where}: engines cannot be put there (File exists); make it writable"


def test_a_second_installation_waits_for_the_first(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    go_on = threading.Event()

    def install(engine: Engine) -> None:
        begun.append(1)
        assert go_on.wait(10)
        engine.python.parent.mkdir(parents=True)
        engine.python.symlink_to(sys.executable)

    monkeypatch.setattr(environment, "_install", install)
    threads = [threading.Thread(target=maker.make) for _ in range(2)]
    for thread in threads:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert begun == [1]
