"""A Python that is there already, with packages that an engine reuses: what it is and what it has. It is only asked."""

import csv
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import HarnessError

ANSWER_S = 120  # an interpreter with many site hooks on a slow file system takes seconds
# Of several packages of one name, the first on the path is the one that is imported. Run with -s: what lies below the
# user's HOME is no part of an engine, whose starts have a HOME of their own.
PROBE = """
import sys
sys.path[:] = [path for path in sys.path if path]
import importlib.metadata as metadata, importlib.util as util, json, os, re, site, sysconfig
def packages(paths):
    found = {}
    for path in paths:
        for each in metadata.distributions(path=[path]):
            name = re.sub(r"[-_.]+", "-", each.metadata["Name"] or "").lower()
            found.setdefault(name, [each.version, str(getattr(each, "_path", ""))])
    return found
sites = [path for path in site.getsitepackages() if path in sys.path]
users = site.getusersitepackages()
print(json.dumps({
    "version": "%d.%d" % sys.version_info[:2],
    "sites": sites,
    "packages": packages(sites),
    "users": users,
    "users_packages": {} if users in sites else packages([users]),
    "header": os.path.join(sysconfig.get_path("include"), "Python.h"),
    "can_make": all(util.find_spec(name) for name in ("venv", "ensurepip")),
}))
"""


@dataclass(frozen=True)
class ReusedPython:
    """An interpreter; ``packages``: name → its version and the folder of its metadata (``….dist-info``)."""

    python: Path
    version: str
    sites: tuple[Path, ...]  # in the order in which it searches them
    packages: Mapping[str, tuple[str, Path]]
    lacks: tuple[str, ...] = ()  # what it cannot make an engine without
    users: Path = Path()  # the user's own packages, which it would find and an engine does not
    users_packages: Mapping[str, str] = field(default_factory=dict)  # name → version of those

    def show_to(self, environment: Path) -> None:
        """Let a virtual environment, made by this Python and filled, see its packages behind its own.

        Not before: pip would take what it sees for installed. And by name, not by ``include-system-site-packages``:
        that is of the Python behind a virtual environment, and brings what lies below HOME along.
        """
        lines = [f"import site; site.addsitedir({str(path)!r})\n" for path in self.sites]
        (site_packages,) = environment.glob("lib/python*/site-packages")
        (site_packages / "reused_python.pth").write_text("".join(lines), encoding="utf-8")

    def not_counted(self, names: Sequence[str]) -> list[str]:
        """For people: where else these packages may be, of which an engine sees nothing."""
        there = [f"{name} {self.users_packages[name]}" for name in names if name in self.users_packages]
        notes = [f"{', '.join(there)} in {self.users}: below HOME, which is another one in starts"] if there else []
        return [*notes, *(["what PYTHONPATH leads to"] if os.environ.get("PYTHONPATH") else [])]


def interpreter(python: str | Path) -> Path:
    """What was named, as an absolute path: a bare name is looked for on PATH, as a shell does. It need not exist."""
    on_path = shutil.which(python) if os.sep not in str(python) else None
    return Path(os.path.abspath(on_path or python))  # not resolved: a virtual environment's interpreter is a link


def reused_python(python: Path) -> ReusedPython:
    """Ask an interpreter. Raises HarnessError: it does not run, or answers nonsense."""
    path = interpreter(python)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTHONPATH", None)
    try:
        done = subprocess.run(
            [str(path), "-s", "-c", PROBE],
            capture_output=True,
            text=True,
            timeout=ANSWER_S,
            check=False,
            env=environment,
        )
        answer = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None
    except OSError as error:
        raise HarnessError(f"--reuse-python {path}: cannot be run ({error.strerror}); name an interpreter") from None
    except subprocess.TimeoutExpired:
        raise HarnessError(
            f"--reuse-python {path}: did not say within {ANSWER_S} s what it has; is its file system slow? repeat"
        ) from None
    except (ValueError, IndexError):
        answer = None
    if answer is None:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise HarnessError(f"--reuse-python {path}: does not run as a Python 3 ({last}); name an interpreter")
    lacks = (
        [] if os.path.exists(answer["header"]) else [f"Python.h ({answer['header']}), which engines compile against"]
    )
    lacks += [] if answer["can_make"] else ["venv and ensurepip, which engines are made with"]
    return ReusedPython(
        path,
        answer["version"],
        tuple(map(Path, answer["sites"])),
        {name: (version, Path(info)) for name, (version, info) in answer["packages"].items()},
        tuple(lacks),
        Path(answer["users"]),
        {name: version for name, (version, _) in answer["users_packages"].items()},
    )


def folders_of(reused: ReusedPython, names: Sequence[str]) -> tuple[Path, ...]:
    """Where these packages lie, each folder once: as their own lists of files say."""
    return tuple(sorted({folder for name in names for folder in _folders(reused.packages[name][1])}))


def _folders(info: Path) -> set[Path]:
    try:
        with (info / "RECORD").open(encoding="utf-8", newline="") as file:
            tops = {row[0].split("/")[0] for row in csv.reader(file) if row}
    except (OSError, UnicodeDecodeError):  # made by another tool than pip
        tops = {info.name}
    return {info.parent / top for top in tops if top != ".." and (info.parent / top).is_dir()}
