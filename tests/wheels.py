"""Tiny wheels, made on the spot, so that real pip can be tried without a network."""

import hashlib
import zipfile
from pathlib import Path

import pytest


def make_wheel(folder: Path, name: str, version: str) -> str:
    """A pure-Python wheel whose module ``name`` knows its version; returns its requirement line with the hash."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f"__version__ = '{version}'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]))
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def unpack_wheel(scratch: Path, name: str, version: str, site: Path) -> None:
    """Make a wheel and put its content into a folder of packages, as if pip had."""
    make_wheel(scratch / "given", name, version)
    with zipfile.ZipFile(scratch / "given" / f"{name}-{version}-py3-none-any.whl") as archive:
        archive.extractall(site)


def only_these_wheels(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on pip finds what lies in ``folder`` and nothing else."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
