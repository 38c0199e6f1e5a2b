"""Where a vllm lies, and which site-packages its Python reads ``.pth`` files from. Nothing of it is imported."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError

ANSWER_S = 60  # an interpreter with many site hooks on a slow file system takes seconds
SITE_NAMES = ("site-packages", "dist-packages")
# The current folder is where we are called, not where the engine will be started: what lies in it does not count.
PROBE = """
import sys
sys.path[:] = [path for path in sys.path if path]
import importlib.util, json, site, sysconfig
spec = importlib.util.find_spec("vllm")
folders = site.getsitepackages() + ([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])
print(json.dumps({"init": spec and spec.origin, "folders": folders, "own": sysconfig.get_path("purelib")}))
"""


@dataclass(frozen=True)
class Place:
    """One vllm package and where a tracer for it belongs."""

    vllm_dir: Path
    site_packages: Path
    python: Path | None  # the interpreter that runs it; None if it is not known

    @property
    def option(self) -> str:
        """The option of ``apply_patches.py`` that names this place."""
        if self.vllm_dir.parent == self.site_packages:
            return f"--vllm-path {self.vllm_dir}"
        return f"--python {self.python}"


def place_of(python: Path) -> Place:
    """The vllm that ``python`` imports.

    Raises:
        HarnessError: it does not run, or has no vllm.
    """
    python = Path(os.path.abspath(python))  # not resolved: a virtual environment's interpreter is a link
    found = _ask(python)
    if not found["init"] or Path(found["init"]).name != "__init__.py":
        raise HarnessError(f"{python}: has no vllm; name the Python of the environment that vllm is installed in")
    vllm_dir = Path(found["init"]).parent
    read = [Path(folder) for folder in found["folders"]]
    beside = next((folder for folder in read if folder.resolve() == vllm_dir.parent.resolve()), None)
    return Place(vllm_dir, beside or Path(found["own"]), python)


def place_in(folder: Path, python: Path | None = None) -> Place:
    """The vllm in ``folder``: the package, or the checkout or site-packages that holds it.

    Raises:
        HarnessError: no vllm is there, ``python`` imports another one, or a checkout came without ``python``.
    """
    vllm_dir = Path(os.path.abspath(folder))
    if not (vllm_dir / "__init__.py").is_file() and (vllm_dir / "vllm" / "__init__.py").is_file():
        vllm_dir /= "vllm"
    if vllm_dir.name != "vllm" or not (vllm_dir / "__init__.py").is_file():
        raise HarnessError(f"{folder}: not a vllm package folder (no __init__.py); give the folder that 'vllm' is")
    if python is not None:
        place = place_of(python)
        if place.vllm_dir.resolve() != vllm_dir.resolve():
            raise HarnessError(f"{python}: imports the vllm in {place.vllm_dir}, not the one in {vllm_dir}")
        return place
    if vllm_dir.parent.name not in SITE_NAMES:
        raise HarnessError(
            f"{vllm_dir}: not in a site-packages folder, so the Python that runs it cannot be told; "
            f"name it with --python"
        )
    return Place(vllm_dir, vllm_dir.parent, _python_beside(vllm_dir.parent))


def _python_beside(site: Path) -> Path | None:
    """``…/bin/python`` of ``…/lib/python3.12/site-packages``, if it is there."""
    if len(site.parents) < 3:
        return None
    names = ("python", site.parent.name, "python3")
    return next((path for name in names if (path := site.parents[2] / "bin" / name).exists()), None)


def _ask(python: Path) -> dict[str, Any]:
    """What ``PROBE`` prints. ``-E``: the environment of a start is not this one's; ``-B``: leave nothing behind."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COLDSTART_")}
    command = [str(python), "-E", "-B", "-c", PROBE]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=ANSWER_S, cwd="/"
        )
    except OSError as error:
        raise HarnessError(f"{python}: does not run ({error.strerror}); name a Python interpreter") from None
    except subprocess.TimeoutExpired:
        raise HarnessError(f"{python}: did not say within {ANSWER_S} s where its vllm is") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise HarnessError(f"{python}: cannot say where its vllm is: {said[-1][:200]}; name a Python 3 interpreter")
    try:
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])  # a site hook may print, too
    except (IndexError, ValueError):
        raise HarnessError(f"{python}: is not a Python interpreter; name one") from None
    return answer
