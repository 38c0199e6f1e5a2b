""".venv/ from a wheelhouse: without an index, by a Python that the wheels are for, or not at all and in one line."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import bootstrap
from harness.record.wheelhouse import MANIFEST, File, Wheelhouse
from harness.workspace import ROOT
from tests.checkout import Checkout, Done, tool_folder
from tests.wheels import make_wheel

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
pytestmark = pytest.mark.skipif(
    sys.version_info[:2] not in bootstrap.SUPPORTED, reason="needs a Python that environments are made with"
)


class Bare:
    """What bootstrap.py needs of a checkout, and a wheelhouse for it; no index answers."""

    def __init__(self, root: Path, quick_python: Path) -> None:
        self.root, self.python = root, quick_python
        (root / "harness").mkdir()
        shutil.copy(ROOT / "harness" / "bootstrap.py", root / "harness")
        shutil.copy(ROOT / "harness" / "__init__.py", root / "harness")
        shutil.copytree(ROOT / "harness" / "record", root / "harness" / "record")
        (root / "requirements.txt").write_text("tinytool==0.1\n")
        make_wheel(root / "wheels", "tinytool", "0.1")
        self.house()

    def house(self, **changed: object) -> None:
        (wheel,) = (self.root / "wheels").glob("*.whl")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        values = {
            "pin": "fake",
            "lock_sha256": "0" * 64,
            "requirements_sha256": hashlib.sha256((self.root / "requirements.txt").read_bytes()).hexdigest(),
            "python": HERE,
            "platform": "manylinux_2_28_x86_64",
            "glibc": "2.0",
            "excluded": {},
            "files": (File(wheel.name, digest, wheel.stat().st_size, ("harness",)),),
        }
        (self.root / "wheels" / MANIFEST).write_text(Wheelhouse(**{**values, **changed}).text())  # type: ignore[arg-type]

    def make(self, *arguments: str, before: str = "", **variables: str) -> Done:
        code = f"{before}import sys; sys.executable = {str(self.python)!r}\n"
        code += f"sys.argv = ['bootstrap.py', *{list(arguments)!r}]\n"
        code += "import runpy; runpy.run_path('harness/bootstrap.py', run_name='__main__')"
        asks = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONSTRAINT": "/not/there"}
        environment = {"PATH": os.environ["PATH"], **asks, **variables}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=self.root, env=environment, capture_output=True, text=True, timeout=60
        )
        return Done(done.returncode, done.stdout, done.stderr)

    @property
    def made(self) -> bool:
        return (self.root / ".venv" / ".complete").exists()


@pytest.fixture
def bare(tmp_path: Path, quick_python: Path) -> Bare:
    return Bare(tmp_path, quick_python)


def test_the_environment_is_made_of_the_wheels_and_no_index_is_asked(bare: Bare) -> None:
    done = bare.make("2", "--wheelhouse", "wheels", "--smoke")
    assert done.code == 0, done
    command = [str(bare.root / ".venv" / "bin" / "python"), "-c", "import tinytool; print(tinytool.__version__)"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "0.1\n"
    # A complete environment needs no wheelhouse, whatever is named.
    assert bare.make("--wheelhouse=/nowhere") == Done(0, "", "")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"requirements_sha256": None}, "has no wheels for .venv/; build it without --without-harness"),
        ({"requirements_sha256": "f" * 64}, "its wheels are for another requirements.txt; build it from this checkout"),
        ({"pieces": (File("part-000", "0" * 64, 1),)}, "is in pieces; put them together first"),
        ({"python": "3.99"}, f"its wheels are for Python 3.99, this is {HERE}; --reuse-python names one"),
    ],
)
def test_a_wheelhouse_that_does_not_fit_is_one_line_and_nothing_is_made(
    bare: Bare, changed: dict[str, object], says: str
) -> None:
    bare.house(**changed)
    done = bare.make(HARNESS_WHEELHOUSE="wheels")
    assert done.code == 2
    assert done.error.startswith(f"{bare.root}/wheels: {says}")
    assert not (bare.root / ".venv").exists()


def test_a_missing_or_damaged_wheel_is_named_and_nothing_is_made(bare: Bare) -> None:
    wheel = bare.root / "wheels" / "tinytool-0.1-py3-none-any.whl"
    wheel.write_bytes(b"")
    assert bare.make(HARNESS_WHEELHOUSE="wheels").error == (
        f"{bare.root}/wheels: damaged: tinytool-0.1-py3-none-any.whl; nothing was installed"
    )
    wheel.unlink()
    assert bare.make(HARNESS_WHEELHOUSE="wheels").error == (
        f"{bare.root}/wheels: missing: tinytool-0.1-py3-none-any.whl; nothing was installed"
    )
    assert bare.make("--wheelhouse", "nowhere").error.startswith(f"{bare.root}/nowhere/wheelhouse.json: cannot be read")


def test_the_reused_python_makes_the_environment_if_the_wheels_are_for_it(bare: Bare) -> None:
    bare.house(python="3.99")
    other = bare.root / "other python"
    other.write_text(f'#!/bin/sh\nif [ "$1" = -c ]; then echo 3.99; else echo "$@" > {bare.root}/called; fi\n')
    other.chmod(0o755)
    assert bare.make("2", "--wheelhouse", "wheels", "--reuse-python", str(other)).code == 0
    assert (bare.root / "called").read_text().split() == [
        "-B", f"{bare.root}/harness/bootstrap.py", "2", "--wheelhouse", "wheels", "--reuse-python", *str(other).split()
    ]  # fmt: skip
    wrong = bare.make("--wheelhouse", "wheels", "--reuse-python", sys.executable)
    assert wrong.error.endswith(f"this is {HERE}; {sys.executable} is not that either")
    assert not bare.made


def test_a_reused_python_of_path_is_found_by_its_name(bare: Bare) -> None:
    bare.house(python="3.99")
    folder = bare.root / "bin"
    folder.mkdir()
    (folder / "other").write_text(f'#!/bin/sh\n[ "$1" = -c ] && echo 3.99 || echo "$0" > {bare.root}/called\n')
    (folder / "other").chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    assert bare.make("2", "--wheelhouse", "wheels", "--reuse-python", "other", PATH=path).code == 0
    assert (bare.root / "called").read_text() == f"{folder}/other\n"


def test_a_python_without_venv_is_one_line_before_anything_is_made(bare: Bare) -> None:
    before = "import importlib.util as u; u.find_spec = lambda name: None\n"
    done = bare.make("--wheelhouse", "wheels", before=before)
    assert done.error.startswith("venv and ensurepip not found: .venv/ is made with them; install them")
    assert "set HARNESS_PYTHON to a Python that has them" in done.error
    assert not (bare.root / ".venv").exists()


@pytest.mark.parametrize("system", [0, 1])
def test_the_reused_python_is_taken_before_the_systems_supported_or_not(
    fresh: Checkout, tmp_path: Path, system: int
) -> None:
    path = tool_folder(tmp_path / "tools")
    for name in ("python3", "python3.11", "python3.12"):
        (path / name).unlink(missing_ok=True)
        (path / name).write_text(f"#!/bin/sh\nexit {system}\n")
        (path / name).chmod(0o755)
    script = 'source harness/find_python.sh; python=$(find_python "$@"); echo $python'
    for more, variables in (
        (("2", "--reuse-python", sys.executable), {}),
        ((f"--reuse-python={sys.executable}",), {}),
        ((), {"HARNESS_REUSE_PYTHON": sys.executable}),
    ):
        done = fresh.run(str(path / "bash"), "-c", script, "-", *more, env={"PATH": str(path), **variables})
        assert done == Done(0, f"{sys.executable}\n", "")


def test_the_manifest_is_read_by_the_standard_library_alone() -> None:
    code = "import sys; sys.path.insert(0, '.'); import harness.record.wheelhouse; print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = {name.partition(".")[0] for name in done.stdout.split()}
    assert names - {"harness", "__main__"} <= sys.stdlib_module_names
