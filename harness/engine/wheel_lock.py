"""What of a lock another machine needs: its packages for another Python and platform, less what is there already."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from packaging.markers import InvalidMarker, Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.version import Version

from harness.errors import HarnessError
from harness.record.wheelhouse import ENGINE, HARNESS, TORCH, normal_name
from harness.spec.pin import Build
from harness.workspace import ROOT

REQUIREMENTS = ROOT / "requirements.txt"
LISTED = "@"  # an exclusion that begins so names a file: what the other machine's Python has
_ENTRY = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)==(?P<version>[^\s;\\]+)\s*(;(?P<marker>[^\\]*))?")
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")
_PLATFORM = re.compile(r"manylinux_2_(?P<minor>[0-9]{1,2})_(?P<machine>x86_64|aarch64)")
_OLDEST_GLIBC = 5
NEWEST_GLIBC = 40
# Tags that older wheels carry → the glibc that they stand for.
LEGACY_GLIBC = {"manylinux2014": 17, "manylinux2010": 12, "manylinux1": 5}


@dataclass(frozen=True)
class Want:
    """A package whose wheel is wanted. Without hashes (requirements.txt, torch) whatever the index gives is taken."""

    name: str
    version: str
    hashes: tuple[str, ...]
    used_for: tuple[str, ...]

    @property
    def line(self) -> str:
        """As a requirement file has it."""
        return " ".join([f"{self.name}=={self.version}", *(f"--hash={each}" for each in self.hashes)])


@dataclass(frozen=True)
class Target:
    """The machine that the wheels are for: ``3.12`` and ``manylinux_2_28_x86_64``, and what it takes besides."""

    python: str
    platform: str

    @property
    def platforms(self) -> list[str]:
        """Every platform whose wheels run there, the newest first. Raises HarnessError: not a platform of ours."""
        found = _PLATFORM.fullmatch(self.platform)
        if not found:
            raise HarnessError(
                f"--platform {self.platform}: write it as manylinux_2_28_x86_64 (the glibc that is there)"
            )
        newest, machine = int(found["minor"]), found["machine"]
        exact = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, _OLDEST_GLIBC - 1, -1)]
        legacy = [f"{name}_{machine}" for name, glibc in LEGACY_GLIBC.items() if glibc <= newest]
        return [*exact, *legacy, f"linux_{machine}"]

    @property
    def newer(self) -> "Target":
        """The same with the newest glibc that locks know: for packages without a wheel for an older one."""
        return replace(self, platform=f"manylinux_2_{NEWEST_GLIBC}_{self.machine}")

    @property
    def machine(self) -> str:
        """The kind of its processor."""
        return self.platforms[0].partition("_2_")[2].partition("_")[2]

    def tags(self) -> frozenset[Tag]:
        """Tags of the wheels that can be installed there."""
        version = tuple(map(int, self.python.split(".")))
        interpreter = f"cp{version[0]}{version[1]}"
        return frozenset(
            [
                *cpython_tags(version, [interpreter], self.platforms),
                *compatible_tags(version, interpreter, self.platforms),
            ]
        )

    def environment(self) -> dict[str, str]:
        """What markers of requirements are evaluated in: not in this Python, which may be another one."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "platform_python_implementation": "CPython",
            "platform_machine": self.machine,
            "platform_system": "Linux",
            "sys_platform": "linux",
            "os_name": "posix",
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
        }


def locked(build: Build, target: Target) -> list[Want]:
    """The packages of the build's lock that the target installs. Raises HarnessError: a marker that cannot be read."""
    found = []
    text = re.sub(r"\\\s*\n", " ", build.lock.read_text("utf-8"))
    for line in text.splitlines():
        if not (entry := _ENTRY.match(line)):
            continue
        try:
            if entry["marker"] and not Marker(entry["marker"].partition("--hash")[0]).evaluate(target.environment()):
                continue
        except InvalidMarker:
            raise HarnessError(
                f"{build.lock}: the marker of {entry['name']} cannot be read; make the lock again"
            ) from None
        found.append(Want(entry["name"], entry["version"], tuple(_HASH.findall(line)), (ENGINE,)))
    return found


def separate_torch(build: Build, wants: Sequence[Want]) -> Want | None:
    """The torch that is installed after the lock, because its build depends on the index; None: the lock has it."""
    if build.torch is None:
        return None
    name, _, version = build.torch.partition("==")
    if any(normal_name(want.name) == normal_name(name) for want in wants):
        return None
    return Want(name, version, (), (TORCH,))


def harness_wants() -> list[Want]:
    """The packages of requirements.txt, every one pinned."""
    lines = (line.split("#")[0].strip() for line in REQUIREMENTS.read_text("utf-8").splitlines())
    pinned = (line.partition("==") for line in lines if line)
    return [Want(name, version, (), (HARNESS,)) for name, _, version in pinned]


def requirements_sha256() -> str:
    """Which requirements.txt it was."""
    return hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()


def without(wants: Sequence[Want], patterns: Sequence[str]) -> tuple[list[Want], dict[str, tuple[str, ...]]]:
    """What of ``wants`` is left, and what each pattern left out.

    A pattern is a package's name with ``*`` and ``?``. ``@FILE`` stands for every package in it that has the lock's
    version: FILE is what ``PYTHON -m pip list --format=freeze`` printed on the other machine.

    Raises:
        HarnessError: the file cannot be read.
    """
    excluded: dict[str, tuple[str, ...]] = {}
    left = list(wants)
    for pattern in patterns:
        out = [want for want in left if _matches(want, pattern)] if not pattern.startswith(LISTED) else []
        if pattern.startswith(LISTED):
            there = _listed(Path(pattern[len(LISTED) :]))
            out = [want for want in left if same_version(there.get(normal_name(want.name)), want.version)]
        left = [want for want in left if want not in out]
        key = LISTED + Path(pattern[len(LISTED) :]).name if pattern.startswith(LISTED) else pattern
        excluded[key] = tuple(sorted(f"{normal_name(want.name)}=={want.version}" for want in out))
    return left, excluded


def same_version(found: str | None, wanted: str) -> bool:
    """Whether a version is the wanted one; the local part of what was found (``+cu130``) says who built it."""
    if found is None:
        return False
    try:
        have, want = Version(found), Version(wanted)
    except ValueError:
        return found == wanted
    return have == want or (have.public == want.public and want.local is None)


def merged(wants: Sequence[Want]) -> list[Want]:
    """Each package and version once, with all that it is for, by name."""
    found: dict[tuple[str, str], Want] = {}
    for want in wants:
        key = (normal_name(want.name), want.version)
        before = found.get(key, replace(want, used_for=()))
        found[key] = replace(before, hashes=before.hashes or want.hashes, used_for=(*before.used_for, *want.used_for))
    return [found[key] for key in sorted(found)]


def _matches(want: Want, pattern: str) -> bool:
    return fnmatchcase(normal_name(want.name), re.sub(r"[-_.]+", "-", pattern).lower())


def _listed(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HarnessError(f"--exclude @{path}: cannot be read ({error}); name a file") from None
    entries = [entry for entry in map(_ENTRY.match, lines) if entry]
    if not entries:
        raise HarnessError(
            f"--exclude @{path}: no line NAME==VERSION; make it with: PYTHON -m pip list --format=freeze"
        )
    return {normal_name(entry["name"]): entry["version"] for entry in entries}
