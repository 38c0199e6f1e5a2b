"""A Python that is there already, with packages that an engine reuses: what it is and what it has. It is only asked."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError

_UNSEEN, _SEEN = (f"include-system-site-packages = {word}" for word in ("false", "true"))
ANSWER_S = 120  # an interpreter with many site hooks on a slow file system takes seconds
# Of several packages of one name, the first on the path is the one that is imported.
PROBE = """
import sys
sys.path[:] = [path for path in sys.path if path]
import importlib.metadata as metadata, json, os, re, site, sysconfig
sites = [path for path in site.getsitepackages() + [site.getusersitepackages()] if path in sys.path]
found = {}
for path in sites:
    for each in metadata.distributions(path=[path]):
        name = re.sub(r"[-_.]+", "-", each.metadata["Name"] or "").lower()
        if name in found:
            continue
        tops = {str(file).split("/")[0] for file in each.files or ()}
        folders = [os.path.join(path, top) for top in tops if top != ".." and os.path.isdir(os.path.join(path, top))]
        found[name] = [each.version, sorted(folders)]
own = sys.prefix != sys.base_prefix
print(json.dumps({"version": "%d.%d" % sys.version_info[:2], "sites": sites, "packages": found, "is_venv": own}))
"""


@dataclass(frozen=True)
class ReusedPython:
    """An interpreter; ``packages``: name → its version and the folders that it lies in."""

    python: Path
    version: str
    sites: tuple[Path, ...]  # in the order in which it searches them
    packages: Mapping[str, tuple[str, tuple[Path, ...]]]
    is_venv: bool  # a virtual environment: one made by it would not see its packages

    def show_to(self, environment: Path) -> None:
        """Let a virtual environment, made by this Python and filled, see its packages behind its own.

        Not before: pip would take what it sees for installed.
        """
        if self.is_venv:  # an environment made by one sees the packages of the Python behind both
            lines = [f"import site; site.addsitedir({str(path)!r})\n" for path in self.sites]
            (site_packages,) = environment.glob("lib/python*/site-packages")
            (site_packages / "reused_python.pth").write_text("".join(lines), encoding="utf-8")
            return
        settings = environment / "pyvenv.cfg"
        text = settings.read_text(encoding="utf-8").replace(_UNSEEN, _SEEN)
        settings.write_text(text, encoding="utf-8")


def reused_python(python: Path) -> ReusedPython:
    """Ask an interpreter. Raises HarnessError: it does not run, or answers nonsense."""
    path = Path(os.path.abspath(python))  # not resolved: a virtual environment's interpreter is a link
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTHONPATH", None)
    try:
        done = subprocess.run(
            [str(path), "-c", PROBE], capture_output=True, text=True, timeout=ANSWER_S, check=False, env=environment
        )
        answer = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None
    except OSError as error:
        raise HarnessError(f"--reuse-python {python}: cannot be run ({error.strerror}); name an interpreter") from None
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        answer, done = None, None
    if answer is None:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1] if done else "no answer"
        raise HarnessError(f"--reuse-python {python}: does not run as a Python 3 ({last}); name an interpreter")
    packages = {name: (version, tuple(map(Path, folders))) for name, (version, folders) in answer["packages"].items()}
    sites = tuple(map(Path, answer["sites"]))
    return ReusedPython(path, answer["version"], sites, packages, answer["is_venv"])


def folders_of(reused: ReusedPython, names: Sequence[str]) -> tuple[Path, ...]:
    """Where these packages lie, each folder once."""
    return tuple(sorted({folder for name in names for folder in reused.packages[name][1]}))
