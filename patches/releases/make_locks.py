"""Make the locks of releases, serving pins and comparison builds.

``make_locks.py --uv UV [NAME…]``, run by .venv/bin/python. UV is a uv program (``pip install uv`` into an environment
of its own; made with 0.13.9). For each (default: all) it resolves what pin.yaml names for x86-64 Linux and the pin's
Pythons, as of half a day after the newest of it was published, and writes requirements.lock. A release gives most of
its dependencies lower bounds only; the versions of that day are what it was tested with.

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
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from harness.spec.pin import Build, Pin, comparison_names, load_build, release_names, serving_names

FITS_AFTER = timedelta(hours=12)
WITHOUT_TORCH = ("sympy", "networkx", "filelock", "jinja2", "fsspec", "setuptools<82")  # torch's pure dependencies
# Asked for by intel-openmp on Linux, in its own version; the resolver reads the metadata of another platform's wheel.
OF_OPENMP = "intel-cmplr-lib-ur"
NOT_FOR_CPU = ("torch", "torchvision", "torchaudio", "torchcodec")  # the last three: not needed, no CPU build
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(40, 4, -1)]
PLATFORMS += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]


@dataclass(frozen=True)
class Change:
    """What a release's metadata says that does not fit, or can no longer be had."""

    why: str
    without: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()  # wins over what any package asks for


@dataclass(frozen=True)
class Asked:
    """What uv is asked to resolve."""

    inputs: tuple[str, ...]
    without: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    until: str = ""  # no file that is newer
    whenever: tuple[str, ...] = ()  # but of these packages


_AIRPORTS = Change("pyairports is gone from the index; only guided decoding would import it", without=("pyairports",))
CHANGES = {
    "vllm-0.5.0-cuda": _AIRPORTS,
    "vllm-0.6.0-cuda": _AIRPORTS,
    "vllm-0.8.0-cuda": Change("xgrammar 0.1.16 is gone from the index", instead=("xgrammar==0.1.17",)),
}


def make_lock(pin: Build, uv: str) -> str:
    """The lock's text. Raises SystemExit with uv's reason if there is no solution."""
    change = CHANGES.get(pin.name, Change(""))
    asked = Asked(
        inputs=(f"{pin.distribution}=={pin.version}", *(WITHOUT_TORCH if _separately(pin) else ()), *pin.also),
        without=(*(NOT_FOR_CPU if _separately(pin) else ()), *change.without),
        instead=change.instead,
        until=(_published(pin, uv) + FITS_AFTER).strftime("%Y-%m-%dT%H:%M:%SZ"),
        # CPU builds of some releases were published long after the release: they are taken whenever they came.
        whenever=(pin.distribution, *(each.partition("==")[0] for each in change.instead)),
    )
    packages = _compile(pin, uv, asked)
    if openmp := [package["version"] for package in packages if package["name"] == "intel-openmp"]:
        asked = replace(asked, inputs=(*asked.inputs, f"{OF_OPENMP}=={openmp[0]}"))
        packages = _compile(pin, uv, asked)
    return _header(pin, asked, change.why) + "".join(_lines(packages, pin))


def _separately(pin: Build) -> bool:
    """Whether torch is installed after the lock."""
    return pin.device == "cpu" and pin.torch is not None


def _published(pin: Build, uv: str) -> datetime:
    """When the release was published: its CUDA wheel, whichever build the pin is of, or what serves it, if later."""
    engine = f"vllm=={pin.vllm_version}" if isinstance(pin, Pin) else f"{pin.distribution}=={pin.version}"
    exact = [engine, *(each for each in pin.also if "==" in each)]
    packages = [_compile(pin, uv, Asked((each,)), "--no-deps")[0] for each in exact]
    uploads: list[list[datetime]] = [[wheel["upload-time"] for wheel in package["wheels"]] for package in packages]
    return max(map(min, uploads))


def _compile(pin: Build, uv: str, asked: Asked, *options: str) -> list[dict[str, Any]]:
    """The packages that uv resolves it to, with every file the index has of them."""
    newest = pin.python[-1].split(".")
    above = f"{newest[0]}.{int(newest[1]) + 1}"
    where = f"sys_platform == 'linux' and platform_machine == 'x86_64' and python_version < '{above}'"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "pyproject.toml").write_text(
            f'[project]\nname = "release"\nversion = "0"\nrequires-python = ">={pin.python[0]},<{above}"\n'
            f'[tool.uv]\nenvironments = ["{where}"]\n'
        )
        for name, lines in (("inputs", asked.inputs), ("excludes", asked.without), ("overrides", asked.instead)):
            (folder / name).write_text("".join(f"{line}\n" for line in lines))
        command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", pin.python[0], *options]
        command += ["--excludes", "excludes", "--overrides", "overrides", "inputs", "--output-file", "pylock.toml"]
        command += ["--exclude-newer", asked.until] if asked.until else []
        command += [word for name in asked.whenever for word in ("--exclude-newer-package", f"{name}=false")]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{pin.name}: {done.stderr.strip()}")
        found: list[dict[str, Any]] = tomllib.loads((folder / "pylock.toml").read_text())["packages"]
    return found


def _lines(packages: Iterable[Mapping[str, Any]], pin: Build) -> Iterator[str]:
    for package in packages:
        pythons = [python for python in pin.python if _wanted(package, python)]
        if not pythons:
            continue
        hashes = sorted(_hashes(package, pythons))
        only = (
            " or ".join(f"python_version == '{python}'" for python in pythons) if len(pythons) < len(pin.python) else ""
        )
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


def _header(pin: Build, asked: Asked, why: str) -> str:
    pythons, day = " and ".join(pin.python), asked.until[:16]
    lines = [
        "Locked packages of this release; installed with: pip install --no-deps --require-hashes -r (this file)",
        f"Made by patches/releases/make_locks.py for Python {pythons} on x86-64 Linux, as of {day}, from",
        f"  INPUTS: {' '.join(asked.inputs)}",
        *([f"  WITHOUT: {' '.join(asked.without)}"] if asked.without else []),
        *([f"  INSTEAD: {' '.join(asked.instead)}"] if asked.instead else []),
        *([f"  BECAUSE: {why}"] if why else []),
    ]
    return "".join(f"# {line}\n" for line in lines)


def main() -> None:
    """Make the locks that were asked for."""
    parser = argparse.ArgumentParser(description="Make the locks of unpatched releases.")
    parser.add_argument("--uv", required=True, help="the uv program")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="releases, serving pins, comparison builds; default: all"
    )
    arguments = parser.parse_args()
    for name in arguments.names or release_names() + serving_names() + comparison_names():
        pin = load_build(name)
        print(name, file=sys.stderr)
        pin.lock.write_text(make_lock(pin, arguments.uv), encoding="utf-8")


if __name__ == "__main__":
    main()
