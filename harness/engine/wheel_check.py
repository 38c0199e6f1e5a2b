"""Whether a wheelhouse is what an engine needs here: found out, and told, before anything is installed."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.engine.pin_fit import is_other_build, its_build
from harness.engine.reused_python import ReusedPython
from harness.engine.wheel_lock import Target, locked, same_version, separate_torch
from harness.engine.wheel_source import HERE
from harness.errors import HarnessError
from harness.record.plain import printable
from harness.record.wheelhouse import ENGINE, TORCH, Problems, Wheelhouse, normal_name, problems, read_wheelhouse
from harness.spec.pin import Build


@dataclass(frozen=True)
class Lacking:
    """A package that was left out and that the reused Python does not have in that version and build."""

    name: str
    wanted: str
    found: str | None

    def __str__(self) -> str:
        """For people."""
        return f"{self.name} {self.wanted} (found: {self.found or 'none'})"


@dataclass(frozen=True)
class Fit:
    """What of a wheelhouse does not fit. ``wrong``: reasons that are not about single wheels."""

    wheelhouse: Wheelhouse
    wrong: tuple[str, ...] = ()
    files: Problems = field(default_factory=Problems)
    unlisted: tuple[str, ...] = ()  # packages of the lock that the manifest does not have
    lacking: tuple[Lacking, ...] = ()
    reused: dict[str, str] = field(default_factory=dict)  # package → its version in the reused Python
    not_counted: tuple[str, ...] = ()  # where else what is lacking may be

    @property
    def fits(self) -> bool:
        """Whether the engine can be installed from it."""
        return not (self.wrong or self.files.stop or self.unlisted or self.lacking)

    def lines(self) -> list[str]:
        """For people: everything that is not as it should be, one line for each kind."""
        unlisted = [f"not in it: {', '.join(self.unlisted)}"] if self.unlisted else []
        lacking = [f"not in the reused Python: {', '.join(map(str, self.lacking))}"] if self.lacking else []
        elsewhere = [f"not counted: {'; '.join(self.not_counted)}"] if self.not_counted else []
        return [printable(line) for line in (*self.wrong, *self.files.lines(), *unlisted, *lacking, *elsewhere)]

    def document(self) -> dict[str, Any]:
        """As ``--json`` has it."""
        house = self.wheelhouse
        return {
            "fits": self.fits,
            "pin": house.pin,
            "python": house.python,
            "platform": house.platform,
            "glibc": house.glibc,
            "wrong": list(self.wrong),
            "missing": [*self.files.missing, *self.unlisted],
            "damaged": list(self.files.damaged),
            "surplus": list(self.files.surplus),
            "lacking": [vars(each) for each in self.lacking],
            "not_counted": list(self.not_counted),
            "reused": self.reused,
        }


def fit(folder: Path, build: Build, reused: ReusedPython | None, contents: bool = True) -> Fit:
    """Look at a wheelhouse for the engine ``build``, to be installed on top of ``reused`` or with this Python.

    Without ``contents`` wheels are looked for and not read.

    Raises:
        HarnessError, WheelhouseError: there is none, or the lock cannot be read.
    """
    house = read_wheelhouse(folder)
    wrong = tuple(_wrong(house, build, reused))
    if wrong:
        return Fit(house, wrong)
    target = Target(house.python, house.platform)
    wants = locked(build, target)
    torch = separate_torch(build, wants)
    versions = {normal_name(want.name): want.version for want in [*wants, *([torch] if torch else [])]}
    left_out = {name: version for name, version in versions.items() if f"{name}=={version}" in house.left_out}
    engine = house.of(ENGINE, TORCH)
    there = {file.package: file.version for file in engine}
    unlisted = [f"{n}=={v}" for n, v in versions.items() if n not in left_out and not same_version(there.get(n), v)]
    has = {name: reused.packages[name][0] for name in left_out if reused and name in reused.packages}
    lacking = tuple(_lacking(build, left_out, has))
    not_counted = reused.not_counted([each.name for each in lacking]) if reused and lacking else ()
    found = problems(folder, engine, house.files, contents)
    return Fit(house, (), found, tuple(unlisted), lacking, dict(sorted(has.items())), tuple(not_counted))


def _lacking(build: Build, left_out: Mapping[str, str], has: Mapping[str, str]) -> Iterator[Lacking]:
    for name, version in left_out.items():
        found = has.get(name)
        if not same_version(found, version):
            yield Lacking(name, version, found)
        elif found and is_other_build(build, found):
            yield Lacking(name, version + its_build(build), found)


def require_fit(found: Fit, folder: Path, reused: ReusedPython | None) -> None:
    """Refuse a wheelhouse that does not fit. Raises HarnessError: everything that is wrong, in one line."""
    if found.fits:
        return
    hint = ""
    if found.lacking and reused is None:
        hint = "; --reuse-python names a Python that has what was left out"
    raise HarnessError(f"wheelhouse {folder}: {'; '.join(found.lines())}{hint}; nothing was installed")


def _wrong(house: Wheelhouse, build: Build, reused: ReusedPython | None) -> Sequence[str]:
    wrong = []
    python = reused.version if reused else HERE
    if house.pin != build.name:
        wrong.append(f"of engine {house.pin}, not {build.name}")
    elif house.lock_sha256 != build.lock_sha256:
        wrong.append(f"of another lock of engine {house.pin}: build it from this checkout")
    if house.pieces:
        wrong.append("in pieces: put them together first (python3 harness wheelhouse join)")
    if house.python != python:
        wrong.append(f"for Python {house.python}, {reused.python if reused else 'this'} is {python}")
    target = Target(house.python, house.platform)
    if target.machine != platform.machine():
        wrong.append(f"for {target.machine}, this is {platform.machine()}")
    library, version = platform.libc_ver()
    if library == "glibc" and _numbers(version) < _numbers(house.glibc):
        wrong.append(f"needs glibc {house.glibc}, this is {version}")
    if reused and reused.lacks:
        wrong.append(f"{reused.python} has no {', no '.join(reused.lacks)}: install them, or name another Python")
    return wrong


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
