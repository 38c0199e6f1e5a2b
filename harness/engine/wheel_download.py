"""Wheels of wanted packages for another machine, by pip: downloaded, or built here where only a source archive is."""

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from harness.engine.steps import STEPS
from harness.engine.wheel_lock import LEGACY_GLIBC, Target, Want
from harness.errors import HarnessError
from harness.record.wheelhouse import normal_name

BATCH = 20  # packages of one pip: what an interrupted one loses
_NO_WHEEL = ("No matching distribution found", "Could not find a version that satisfies")
_PIP = [sys.executable, "-m", "pip"]
_QUIET = ["--quiet", "--disable-pip-version-check"]


@dataclass(frozen=True)
class Downloads:
    """A folder that wheels for a target are put into."""

    folder: Path
    target: Target

    def get(self, wants: Sequence[Want]) -> list[Path]:
        """Wheels of these packages; one for a newer glibc where there is none for the target's.

        Raises:
            HarnessError: one cannot be had, and why.
        """
        with self._scratch() as scratch:
            code, output = self._download(wants, self.target, scratch)
            if code == 0:
                return self._taken(scratch)
            if len(wants) > 1:  # which one it is, and the others' wheels
                return [path for want in wants for path in self.get([want])]
            if not any(text in output for text in _NO_WHEEL):
                raise HarnessError(f"{wants[0].name}=={wants[0].version} cannot be downloaded: {_last(output)}")
            if self._download(wants, self.target.newer, scratch)[0] == 0:
                return self._taken(scratch)
        return [self._built(wants[0])]

    def get_with_dependencies(self, want: Want, locked: Sequence[Want], index: str | None) -> list[Path]:
        """A package and what it brings besides the ``locked`` packages, whose versions hold. Raises as ``get``."""
        with self._scratch() as scratch:
            versions = scratch / "versions"
            versions.write_text("".join(f"{each.name}=={each.version}\n" for each in locked))
            more = ["--constraint", str(versions), "--find-links", str(self.folder)]
            command = [
                *_PIP,
                "download",
                *_QUIET,
                *_for_target(self.target),
                *more,
                *(["--index-url", index] if index else []),
            ]
            code, output = STEPS.run([*command, "--dest", str(scratch / "found"), f"{want.name}=={want.version}"])
            if code:
                raise HarnessError(f"{want.name}=={want.version} cannot be downloaded: {_last(output)}")
            names = {normal_name(each.name) for each in locked}
            for path in (scratch / "found").glob("*.whl"):
                if normal_name(path.name.split("-")[0]) in names:
                    path.unlink()
            return self._taken(scratch / "found")

    def _download(self, wants: Sequence[Want], target: Target, scratch: Path) -> tuple[int, str]:
        (scratch / "wanted").write_text("".join(f"{want.line}\n" for want in wants))
        hashes = ["--require-hashes"] if all(want.hashes for want in wants) else []
        command = [*_PIP, "download", *_QUIET, "--no-deps", *hashes, *_for_target(target)]
        return STEPS.run([*command, "--dest", str(scratch), "--requirement", str(scratch / "wanted")])

    def _built(self, want: Want) -> Path:
        """A wheel of a package that is published as source only, if any Python on any machine can use it."""
        with self._scratch() as scratch:
            (scratch / "wanted").write_text(f"{want.line}\n")
            hashes = ["--require-hashes"] if want.hashes else []
            command = [*_PIP, "wheel", *_QUIET, "--no-deps", f"--no-binary={want.name}", *hashes]
            code, output = STEPS.run([*command, "--wheel-dir", str(scratch), "--requirement", str(scratch / "wanted")])
            where = (
                f"{want.name}=={want.version} has no wheel for Python {self.target.python} on {self.target.platform}"
            )
            if code:
                raise HarnessError(f"{where}, and none can be built here: {_last(output)}")
            (made,) = scratch.glob("*.whl")
            if not _everywhere(made, self.target):
                raise HarnessError(f"{where}, and its source makes one for this machine alone ({made.name})")
            return self._taken(scratch)[0]

    def _taken(self, scratch: Path) -> list[Path]:
        """Move what is there into the folder."""
        return [Path(shutil.move(path, self.folder / path.name)) for path in sorted(scratch.glob("*.whl"))]

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """A folder on the same disk, so that what was downloaded is moved in one step."""
        with tempfile.TemporaryDirectory(prefix=".pip-", dir=self.folder) as scratch:
            yield Path(scratch)


def glibc_of(wheel: str) -> int:
    """The minor version of the oldest glibc that a wheel runs on, by its name; 0: it does not say, or needs none."""
    found = []
    for tag in parse_wheel_filename(wheel)[3]:
        name = next((name for name in LEGACY_GLIBC if tag.platform.startswith(f"{name}_")), None)
        exact = re.match(r"manylinux_2_([0-9]+)_", tag.platform)
        found.append(int(exact[1]) if exact else LEGACY_GLIBC[name] if name else 0)
    return min(found)


def _for_target(target: Target) -> list[str]:
    platforms = [word for platform in target.platforms for word in ("--platform", platform)]
    return ["--only-binary=:all:", "--python-version", target.python, "--implementation", "cp", *platforms]


def _everywhere(wheel: Path, target: Target) -> bool:
    try:
        tags = parse_wheel_filename(wheel.name)[3]
    except InvalidWheelFilename:
        return False
    return any(tag.platform == "any" and tag.abi == "none" for tag in tags) and bool(tags & target.tags())


def _last(output: str) -> str:
    """The error, without the place that was asked."""
    lines = [
        line for line in output.splitlines() if line.strip() and not line.lower().startswith(("warning", "[notice"))
    ]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["pip said nothing"])[-1].removeprefix("ERROR: ")
