"""Make the locks of unpatched releases: ``.venv/bin/python patches/releases/make_locks.py --uv UV [NAME…]``.

UV is a uv program (``pip install uv`` into an environment of its own; made with 0.13.9). For each release (default: all
that have a folder here) it resolves what pin.yaml names for x86-64 Linux and the pin's Pythons, as of a week after the
release was published, and writes requirements.lock. Packages of old releases give lower bounds only: a week after the
release is when they fitted.

Only hashes of files that fit are kept: wheels for these Pythons, and the source archive where a Python has no wheel.
Resolving again writes the same lock, as long as the index holds the same files. Torch of CPU releases stays out: its
build depends on the index, so pin.yaml installs it separately.
"""

import argparse
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from packaging.markers import Marker  # noqa: E402
from packaging.tags import Tag, compatible_tags, cpython_tags  # noqa: E402
from packaging.utils import parse_wheel_filename  # noqa: E402

from harness.spec.pin import Pin, load_pin, release_names  # noqa: E402

FITS_AFTER = timedelta(days=7)
WITHOUT_TORCH = ("sympy", "networkx", "filelock", "jinja2", "fsspec", "setuptools<82")  # torch's pure dependencies
# Asked for by intel-openmp on Linux, in its own version; the resolver reads the metadata of another platform's wheel.
OF_OPENMP = "intel-cmplr-lib-ur"
NOT_FOR_CPU = ("torch", "torchvision", "torchaudio", "torchcodec")  # the last three: not needed, no CPU build
# release → what its metadata leaves open and what fits
BOUNDS: dict[str, tuple[str, ...]] = {}
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(40, 4, -1)]
PLATFORMS += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]


def make_lock(pin: Pin, uv: str) -> str:
    """The lock's text. Raises SystemExit with uv's reason if there is no solution."""
    published = _published(pin, uv)
    until = (published + FITS_AFTER).strftime("%Y-%m-%dT00:00:00Z")
    inputs = [f"{pin.distribution}=={pin.version}", *BOUNDS.get(pin.name, ())]
    inputs += WITHOUT_TORCH if pin.device == "cpu" else ()
    # CPU builds of some releases were published long after the release: they are taken whenever they came.
    options = ["--exclude-newer", until, "--exclude-newer-package", f"{pin.distribution}=false"]
    excluded = NOT_FOR_CPU if pin.device == "cpu" else ()
    packages = _compile(pin, uv, inputs, options, excluded)
    if openmp := [package["version"] for package in packages if package["name"] == "intel-openmp"]:
        inputs.append(f"{OF_OPENMP}=={openmp[0]}")
        packages = _compile(pin, uv, inputs, options, excluded)
    return _header(pin, inputs, until, excluded) + "".join(_lines(packages, pin))


def _published(pin: Pin, uv: str) -> datetime:
    """When the release itself was published: its CUDA wheel, whichever build the pin is of."""
    (package,) = _compile(pin, uv, [f"vllm=={pin.vllm_version}"], ["--no-deps"], ())
    when: datetime = min(wheel["upload-time"] for wheel in package["wheels"])
    return when


def _compile(
    pin: Pin, uv: str, inputs: Iterable[str], options: Iterable[str], excluded: Iterable[str]
) -> list[dict[str, Any]]:
    """The packages that uv resolves ``inputs`` to, with every file the index has of them."""
    newest = pin.python[-1].split(".")
    above = f"{newest[0]}.{int(newest[1]) + 1}"
    where = f"sys_platform == 'linux' and platform_machine == 'x86_64' and python_version < '{above}'"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "pyproject.toml").write_text(
            f'[project]\nname = "release"\nversion = "0"\nrequires-python = ">={pin.python[0]},<{above}"\n'
            f'[tool.uv]\nenvironments = ["{where}"]\n'
        )
        (folder / "inputs").write_text("\n".join(inputs) + "\n")
        (folder / "excluded").write_text("\n".join(excluded) + "\n")
        command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", pin.python[0], *options]
        command += ["--excludes", "excluded", "inputs", "--output-file", "pylock.toml"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{pin.name}: {done.stderr.strip()}")
        found: list[dict[str, Any]] = tomllib.loads((folder / "pylock.toml").read_text())["packages"]
    return found


def _lines(packages: Iterable[Mapping[str, Any]], pin: Pin) -> Iterator[str]:
    for package in packages:
        pythons = [python for python in pin.python if _wanted(package, python)]
        if not pythons:
            continue
        hashes = sorted(_hashes(package, pythons))
        only = " or ".join(f"python_version == '{python}'" for python in pythons) if len(pythons) < len(pin.python) else ""
        name = f"{package['name']}=={package['version']}" + (f" ; {only}" if only else "")
        yield " \\\n    ".join([name, *(f"--hash=sha256:{each}" for each in hashes)]) + "\n"


def _wanted(package: Mapping[str, Any], python: str) -> bool:
    environment = {
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "platform_machine": "x86_64",
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
        "python_version": python,
        "python_full_version": f"{python}.9",
    }
    return "marker" not in package or Marker(package["marker"]).evaluate(environment)


def _hashes(package: Mapping[str, Any], pythons: Iterable[str]) -> Iterator[str]:
    """Of the wheels that fit one of these Pythons, and of the source archive if one of them has no wheel."""
    chosen: set[str] = set()
    for python in pythons:
        tags = _tags(python)
        fit = [wheel for wheel in package.get("wheels", ()) if tags & _tags_of(wheel)]
        if not fit and "sdist" not in package:
            raise SystemExit(f"{package['name']}=={package['version']} has no file for Python {python}")
        files = fit or [package["sdist"]]
        if not fit:
            print(f"  {package['name']}=={package['version']} is built from source on Python {python}", file=sys.stderr)
        chosen |= {file["hashes"]["sha256"] for file in files}
    yield from chosen


def _tags_of(wheel: Mapping[str, Any]) -> frozenset[Tag]:
    return parse_wheel_filename(wheel.get("name") or wheel["url"].rpartition("/")[2].replace("%2B", "+"))[3]


def _tags(python: str) -> frozenset[Tag]:
    version = tuple(map(int, python.split(".")))
    interpreter = f"cp{version[0]}{version[1]}"
    return frozenset(
        [
            *cpython_tags(version, [interpreter], PLATFORMS),
            *compatible_tags(version, interpreter, PLATFORMS),
        ]
    )


def _header(pin: Pin, inputs: list[str], until: str, excluded: Iterable[str]) -> str:
    lines = [
        "Locked packages of this release; installed with: pip install --no-deps --require-hashes -r (this file)",
        f"Made by patches/releases/make_locks.py for Python {' and '.join(pin.python)} on x86-64 Linux, as of {until[:10]}, from",
        f"  INPUTS: {' '.join(inputs)}",
        *([f"  EXCLUDES: {' '.join(excluded)}  (see pin.yaml)"] if excluded else []),
    ]
    return "".join(f"# {line}\n" for line in lines)


def main() -> None:
    """Make the locks that were asked for."""
    parser = argparse.ArgumentParser(description="Make the locks of unpatched releases.")
    parser.add_argument("--uv", required=True, help="the uv program")
    parser.add_argument("names", nargs="*", metavar="NAME", help="releases; default: all")
    arguments = parser.parse_args()
    for name in arguments.names or release_names():
        pin = load_pin(name)
        print(name, file=sys.stderr)
        pin.lock.write_text(make_lock(pin, arguments.uv), encoding="utf-8")


if __name__ == "__main__":
    main()
