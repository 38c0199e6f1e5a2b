"""Engines from a wheelhouse, by real pip and without an index, on top of a Python that stays as it is."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.engine.environment import Engine, engine_of, ensure_engine
from harness.engine.offline import offline_of
from harness.engine.reused_python import reused_python
from harness.engine.steps import STEPS
from harness.engine.wheel_source import source_of
from harness.errors import HarnessError
from harness.record.pieces import join
from harness.workspace import Workspace
from tests.tiny_wheelhouse import HERE, TinyIndex
from tests.wheels import make_wheel, unpack_wheel

Listing = dict[str, str]


class Offline(TinyIndex):
    """A machine that has a wheelhouse without tinytorch and tinycuda, and a Python that has both."""

    def make(self) -> Engine:
        self.told.clear()
        return ensure_engine(self.pin(), Workspace(self.root), self.told.append)

    def refuse(self) -> str:
        with pytest.raises(HarnessError) as refused:
            self.make()
        assert "\n" not in str(refused.value)
        return str(refused.value)

    def give(self, name: str, version: str, site: Path) -> None:
        """Unpack a wheel there."""
        unpack_wheel(self.root, name, version, site)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_python: Path) -> Offline:
    """Nothing is installed yet; the reused Python is a virtual environment that pip has never touched."""
    found = Offline(tmp_path, monkeypatch)
    with monkeypatch.context() as quickly:
        quickly.setattr("harness.engine.wheel_download.STEPS.run", found.copying_pip)
        found.build(dest=tmp_path / "pieces", exclude=("tinytorch", "tinycuda"), split_bytes=500)
    assert join([tmp_path / "pieces"], tmp_path / "wheelhouse").complete
    subprocess.run([str(quick_python), "-m", "venv", str(tmp_path / "py")], check=True)
    site = site_of(tmp_path / "py")
    for name, version in (("tinytorch", "2.0+cu130"), ("tinycuda", "12.8"), ("tinylib", "9.9"), ("unrelated", "1.0")):
        found.give(name, version, site)
    found.unreachable(monkeypatch)
    # Environments are made by the reused Python itself; a copied one is made faster.
    make = tmp_path / "py" / "bin" / "python-that-copies"
    make.write_text(
        f'#!/bin/sh\nif [ "$1 $2 $#" = "-m venv 3" ]; then exec {quick_python} "$@"; fi\n'
        f'exec {tmp_path}/py/bin/python "$@"\n'
    )
    make.chmod(0o755)
    monkeypatch.setenv("HARNESS_WHEELHOUSE", str(tmp_path / "wheelhouse"))
    monkeypatch.setenv("HARNESS_REUSE_PYTHON", str(make))
    return found


def site_of(folder: Path) -> Path:
    (site,) = folder.glob("lib/python*/site-packages")
    return site


def listing(folder: Path) -> Listing:
    """Every file with its content."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def ask(engine: Engine, code: str, **variables: str) -> str:
    command = [str(engine.python), "-c", code]
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()


def test_an_environment_that_would_import_the_reused_pythons_copy_of_its_own_package_is_refused(
    offline: Offline,
) -> None:
    engine = offline.make()
    made = offline_of(offline.pin(), source_of())
    assert made
    said: list[tuple[int, str]] = []
    made.require_order(engine.folder, lambda command, environment: said.append(STEPS.run(command, environment)))
    assert said.pop() == (0, "")
    site = site_of(offline.root / "py")
    first = engine.site_packages / "zz.pth"
    first.write_text(f"import sys; sys.path.insert(0, {str(site)!r})\n")
    made.require_order(engine.folder, lambda command, environment: said.append(STEPS.run(command, environment)))
    assert "its own come last" in said.pop()[1]
    # A whole package behind is taken before a part of one in front.
    first.unlink()
    (engine.site_packages / "tinylib" / "__init__.py").unlink()
    made.require_order(engine.folder, lambda command, environment: said.append(STEPS.run(command, environment)))
    assert f"tinylib is taken from {site}/tinylib/__init__.py, not from {engine.site_packages}" in said.pop()[1]


def test_an_engine_is_installed_without_an_index_on_top_of_a_python_that_stays_as_it_is(offline: Offline) -> None:
    before = listing(offline.root / "py")
    (offline.root / "wheelhouse" / "more-1.0-py3-none-any.whl").touch()
    engine = offline.make()
    assert listing(offline.root / "py") == before
    python = offline.root / "py" / "bin" / "python-that-copies"
    assert offline.told == [
        "Installing engine fake into engines/fake/ (10 GB, once) …",
        f"from 2 wheels of {offline.root}/wheelhouse, reused from {python}: tinycuda 12.8, tinytorch 2.0+cu130 "
        "(surplus, not installed: more-1.0-py3-none-any.whl)",
    ]
    # Its own tinylib comes first, although the reused Python has another one.
    imported = "import tinyvllm, tinytorch, tinycuda, tinylib; print(tinytorch.__version__, tinylib.__version__)"
    assert ask(engine, imported) == "2.0+cu130 3.1"
    # Whatever HOME is: what lies below it is searched neither before nor after.
    users = offline.root / "home" / ".local" / "lib" / f"python{HERE}" / "site-packages"
    for name in ("tinytorch", "tinylib", "tinyhome"):
        offline.give(name, "7.7", users)
    assert ask(engine, imported, HOME=str(offline.root / "home")) == "2.0+cu130 3.1"
    found = "import importlib.util as u; print(u.find_spec('tinyhome'))"
    assert ask(engine, found, HOME=str(offline.root / "home")) == "None"
    assert (
        ask(engine, "import importlib.metadata as m; print(m.version('tinylib'), m.version('vllm'))") == "3.1 1.0+cpu"
    )
    assert engine.reused == {"tinycuda": "12.8", "tinytorch": "2.0+cu130"}
    assert engine.installed_version("tinytorch") == "2.0+cu130"
    assert engine.installed_version("tinylib") == "3.1"
    assert engine.library_folders == (
        engine.folder,
        site_of(offline.root / "py") / "tinycuda",
        site_of(offline.root / "py") / "tinycuda-12.8.dist-info",
        site_of(offline.root / "py") / "tinytorch",
        site_of(offline.root / "py") / "tinytorch-2.0+cu130.dist-info",
    )
    assert engine.is_complete
    assert offline.make() == engine
    assert offline.told == []


def test_nothing_is_installed_where_something_is_missing_and_all_of_it_is_said(offline: Offline) -> None:
    house, site = offline.root / "wheelhouse", site_of(offline.root / "py")
    (house / "tinyvllm-1.0-py3-none-any.whl").unlink()
    (house / "tinylib-3.1-py3-none-any.whl").write_bytes(b"cut off")
    (site / "tinytorch-2.0+cu130.dist-info" / "METADATA").write_text("Name: tinytorch\nVersion: 1.9+cu126\n")
    assert offline.refuse() == (
        f"wheelhouse {house}: missing: tinyvllm-1.0-py3-none-any.whl; damaged: tinylib-3.1-py3-none-any.whl; "
        "not in the reused Python: tinytorch 2.0 (found: 1.9+cu126); nothing was installed"
    )
    assert offline.told == []
    assert not (offline.root / "engines" / "fake").exists()


def test_without_the_python_that_is_reused_it_is_asked_for(offline: Offline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_REUSE_PYTHON")
    assert offline.refuse().endswith(
        "not in the reused Python: tinycuda 12.8 (found: none), tinytorch 2.0 (found: none); "
        "--reuse-python names a Python that has what was left out; nothing was installed"
    )


def test_an_engine_whose_reused_package_has_another_version_is_no_longer_complete(offline: Offline) -> None:
    engine = pretend_installed(offline)
    assert engine.is_complete
    metadata = site_of(offline.root / "py") / "tinytorch-2.0+cu130.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("2.0+cu130", "2.0+cu126"))
    assert not engine.is_complete


def test_an_engine_on_top_of_one_python_is_not_complete_for_another_and_is_for_who_names_none(
    offline: Offline, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = pretend_installed(offline)
    monkeypatch.setenv("HARNESS_REUSE_PYTHON", sys.executable)
    assert not engine.is_complete
    monkeypatch.delenv("HARNESS_REUSE_PYTHON")
    assert engine.is_complete
    monkeypatch.delenv("HARNESS_WHEELHOUSE")
    assert engine.is_complete


def test_an_engine_from_a_wheelhouse_is_never_exchanged_for_one_from_an_index(
    offline: Offline, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = pretend_installed(offline)
    metadata = site_of(offline.root / "py") / "tinytorch-2.0+cu130.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("2.0+cu130", "2.0+cu126"))
    python = f"{offline.root}/py/bin/python-that-copies"
    monkeypatch.delenv("HARNESS_REUSE_PYTHON")
    monkeypatch.delenv("HARNESS_WHEELHOUSE")
    assert offline.refuse() == (
        f"engine fake was installed from a wheelhouse, and tinytorch 2.0+cu130 of {python} is now 2.0+cu126; "
        f"repeat with --wheelhouse DIR --reuse-python {python}, or remove it: python3 harness engines remove fake"
    )
    assert engine.python.exists()


def pretend_installed(offline: Offline) -> Engine:
    """An environment that claims to be complete and to reuse tinytorch."""
    engine = engine_of(offline.pin(), Workspace(offline.root))
    engine.python.parent.mkdir(parents=True)
    engine.python.symlink_to(sys.executable)
    stamp = {
        "lock_sha256": offline.pin().lock_sha256,
        "python": HERE,
        "wheelhouse": True,
        "reused": {"tinytorch": "2.0+cu130"},
        "reused_python": str(offline.root / "py" / "bin" / "python-that-copies"),
        "reused_sites": [str(site_of(offline.root / "py"))],
        "reused_folders": [],
    }
    engine.stamp.write_text(json.dumps(stamp))
    return engine


@pytest.mark.parametrize(
    ("python", "says"),
    [("/nowhere/python", "cannot be run"), ("/bin/true", "does not run as a Python 3"), ("/bin/false", "exit code 1")],
)
def test_a_python_that_cannot_be_reused_is_one_line(
    offline: Offline, monkeypatch: pytest.MonkeyPatch, python: str, says: str
) -> None:
    monkeypatch.setenv("HARNESS_REUSE_PYTHON", python)
    assert says in offline.refuse()


def test_a_python_is_reused_only_with_a_wheelhouse(offline: Offline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_WHEELHOUSE")
    assert offline.refuse().startswith("--reuse-python belongs to --wheelhouse")


def test_packages_of_a_python_that_is_no_virtual_environment_are_seen_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = Path(getattr(sys, "_base_executable", sys.executable))
    has = reused_python(base).packages
    name = next((each for each in sorted(has) if each.isidentifier() and each not in ("pip", "setuptools")), None)
    if name is None or sys.prefix == sys.base_prefix:
        pytest.skip("needs a virtual environment made by a Python with a package that environments do not get")
    version = has[name][0]
    tiny = Offline(tmp_path, monkeypatch)
    tiny.lines[f"{name}=={version}"] = make_wheel(tiny.index, name, version)
    tiny.lock("tinyvllm==1.0", "tinylib==3.1", f"{name}=={version}")
    with monkeypatch.context() as quickly:
        quickly.setattr("harness.engine.wheel_download.STEPS.run", tiny.copying_pip)
        tiny.build(exclude=(name,), with_harness=False)
    tiny.unreachable(monkeypatch)
    monkeypatch.setenv("HARNESS_WHEELHOUSE", str(tmp_path / "wheelhouse"))
    monkeypatch.setenv("HARNESS_REUSE_PYTHON", str(base))
    engine = tiny.make()
    assert engine.reused == {name: version}
    code = f"import importlib.metadata as m, tinyvllm, tinytorch; print(m.version({name!r}), tinytorch.__version__)"
    assert ask(engine, code) == f"{version} 2.0"
