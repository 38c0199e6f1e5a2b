"""What every test may use: what takes long to make, and files whose pages can be evicted."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from harness.state.filesystem import filesystem_of
from tests.checkout import Call, Checkout, Done, make_checkout
from tests.nvml import Nvml, build
from tests.state.cached_files import make_file

# No test is judged by its time: beside others on a busy machine, any example may take long.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--alone",
        choices=("without", "only"),
        help="leave out, or run only, tests that need the machine for themselves (alone, or engine without beside)",
    )
    parser.addoption("--no-engine", action="store_true", help="leave out tests that start the real engine")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    part, no_engine = config.getoption("--alone"), config.getoption("--no-engine")
    left_out = [item for item in items if not is_wanted(item, part, no_engine)]
    items[:] = [item for item in items if is_wanted(item, part, no_engine)]
    config.hook.pytest_deselected(items=left_out)


def is_wanted(item: pytest.Item, part: str | None, no_engine: bool) -> bool:
    """Whether a test is of the part that ``--alone`` names, and may start an engine if it does."""
    if no_engine and item.get_closest_marker("engine"):
        return False
    return part is None or runs_alone(item) == (part == "only")


def runs_alone(item: pytest.Item) -> bool:
    """Whether a test measures: then nothing else may use the machine meanwhile."""
    starts = item.get_closest_marker("engine") and not item.get_closest_marker("beside")
    return bool(starts or item.get_closest_marker("alone"))


@pytest.fixture(scope="session")
def quick_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python for which ``python -m venv DIR`` takes a moment: it copies an environment with the pip of this one."""
    folder = tmp_path_factory.mktemp("quick")
    pip = importlib.util.find_spec("pip")
    command = [sys.executable, "-m", "venv", *(["--without-pip"] if pip else []), str(folder / "template")]
    subprocess.run(command, check=True)
    if pip and pip.origin:
        (site,) = (folder / "template").glob("lib/python*/site-packages")
        shutil.copytree(Path(pip.origin).parent, site / "pip")
    python = folder / "python"
    python.write_text(
        f"""#!/bin/sh
if [ "$1 $2 $#" = "-m venv 3" ] && [ ! -e "$3" ]; then
  mkdir -p "$(dirname "$3")" && exec cp -a {folder}/template "$3"  # with times: bytecode stays valid
fi
exec {sys.executable} "$@"
"""
    )
    python.chmod(0o755)
    return python


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose .venv is complete."""
    return make_checkout(tmp_path_factory.mktemp("complete"))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout as cloned."""
    return make_checkout(tmp_path_factory.mktemp("fresh"), venv=False)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """``python3 harness ARGUMENTS`` in this process: what a new one says, without its imports."""
    from harness.cli import app as cli  # only for who types: it brings most of the harness

    def run(*arguments: object) -> Done:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["harness", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a libnvidia-ml.so.1 that answers as tests say."""
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def nvml(nvml_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nvml:
    """A driver without GPUs, for this process (and children that get its ``environment``)."""
    driver = Nvml(nvml_library, tmp_path / "nvml.txt")
    driver.load(monkeypatch)
    return driver


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A folder on a disk."""
    found = filesystem_of(tmp_path)
    if found.network or found.elsewhere:
        pytest.skip(f"temporary files lie on {found.kind}, where nothing can be evicted; --basetemp=DIR names a disk")
    return tmp_path


@pytest.fixture
def weights(disk: Path) -> Path:
    """A file of 1 MiB on a disk, in memory."""
    return make_file(disk / "weights.safetensors")
