"""A Python that is to be reused: found as a shell finds it, asked, and told what it has, lacks, or has elsewhere."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.engine import reused_python as module
from harness.engine.reused_python import folders_of, interpreter, reused_python
from harness.errors import HarnessError
from tests.wheels import unpack_wheel

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
Make = Callable[[str], Path]


@pytest.fixture
def script(tmp_path: Path) -> Make:
    """Makes an interpreter of a line of shell."""

    def make(line: str) -> Path:
        (tmp_path / "other-python").write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / "other-python").chmod(0o755)
        return tmp_path / "other-python"

    return make


def test_a_bare_name_is_looked_for_on_path_and_a_path_is_made_absolute(
    tmp_path: Path, script: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = script(f'exec {sys.executable} "$@"')
    monkeypatch.setenv("PATH", str(tmp_path))
    assert interpreter("other-python") == there
    assert reused_python(Path("other-python")).python == there
    monkeypatch.chdir(tmp_path)
    assert interpreter("bin/python") == tmp_path / "bin" / "python"
    with pytest.raises(HarnessError, match=f"^--reuse-python {tmp_path}/absent: cannot be run"):
        reused_python(Path("absent"))


def test_headers_and_venv_that_it_lacks_are_told(script: Make) -> None:
    changed = (
        'import importlib.util as util, sys, sysconfig; sysconfig.get_path = lambda name: "/nowhere"; '
        'find = util.find_spec; util.find_spec = lambda name: None if name == "ensurepip" else find(name); '
        "exec(sys.argv[1])"
    )
    python = script(f"""exec {sys.executable} -s -c '{changed}' "$3\"""")
    assert reused_python(python).lacks == (
        "Python.h (/nowhere/Python.h), which engines compile against",
        "venv and ensurepip, which engines are made with",
    )


def test_what_lies_below_home_or_is_named_by_pythonpath_is_not_counted_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = tmp_path / ".local" / "lib" / f"python{HERE}" / "site-packages"
    unpack_wheel(tmp_path, "tinyhome", "1.0", users)
    unpack_wheel(tmp_path, "tinypath", "1.0", tmp_path / "path")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    base = Path(getattr(sys, "_base_executable", sys.executable))  # one that would search what lies below HOME
    found = reused_python(base)
    assert not {"tinyhome", "tinypath"} & set(found.packages)
    assert found.not_counted(["tinyhome", "tinypath"]) == [
        f"tinyhome 1.0 in {users}: below HOME, which is another one in starts",
        "what PYTHONPATH leads to",
    ]
    monkeypatch.delenv("PYTHONPATH")
    assert found.not_counted(["tinypath"]) == []


def test_a_python_that_takes_too_long_is_told_so(script: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_S", 0.05)
    with pytest.raises(
        HarnessError, match=r"did not say within 0\.05 s what it has; is its file system slow\? repeat$"
    ):
        reused_python(script("exec sleep 5"))


def test_a_packages_folders_are_read_off_its_list_of_files(tmp_path: Path) -> None:
    site = tmp_path / "site"
    unpack_wheel(tmp_path, "tiny", "1.0", site)
    info = site / "tiny-1.0.dist-info"
    with (info / "RECORD").open("a") as record:
        record.write('../../bin/tiny,,\n"tiny/a,b.py",,\nsingle.py,,\ngone/x.py,,\n')
    found = module.ReusedPython(Path("python"), HERE, (site,), {"tiny": ("1.0", info)})
    assert folders_of(found, ["tiny"]) == (site / "tiny", info)
    (info / "RECORD").unlink()
    assert folders_of(found, ["tiny"]) == (info,)
