"""Install an engine from a wheelhouse: no index is asked, and a reused Python is not touched."""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.engine.reused_python import ReusedPython, folders_of
from harness.engine.wheel_check import Fit, fit, require_fit
from harness.engine.wheel_source import Source
from harness.errors import HarnessError
from harness.record.wheelhouse import (
    ENGINE,
    TORCH,
    WheelhouseError,
    offline_environment,
    offline_options,
    requirements,
)
from harness.spec.pin import Build

Run = Callable[[list[str], dict[str, str] | None], None]  # a command and its environment; raises if it fails
# Asked of the new environment: what it reuses, the folders that has, and its own packages. Of a name that several
# folders of the path have, a whole package (``__init__.py``) in any of them wins over mere parts of one.
ORDER = """
import csv, importlib.metadata as metadata, importlib.util as util, json, os, sys, sysconfig
reused, sites, own = json.loads(sys.argv[1])
found = {name: next((each.version for each in metadata.distributions(name=name)), None) for name in reused}
assert found == reused, f"of the reused Python this is found: {found}"
path, site = [os.path.realpath(each) for each in sys.path], os.path.realpath(sysconfig.get_path("purelib"))
behind = [os.path.realpath(each) for each in sites]
assert all(path.index(site) < path.index(each) for each in behind if os.path.isdir(each)), f"its own come last: {path}"
for name in own:
    (dist, *_) = metadata.distributions(name=name, path=[site])
    files = {row[0] for row in csv.reader((dist.read_text("RECORD") or "").splitlines()) if row}
    for top in sorted({file.partition("/")[0] for file in files}):
        module = top.removesuffix(".py")
        if module.isidentifier() and ({f"{top}/__init__.py", f"{module}.py"} & files):
            origin = os.path.realpath(getattr(util.find_spec(module), "origin", None) or "")
            wrong = any(origin.startswith(each + os.sep) for each in behind)
            assert not wrong, f"{module} is taken from {origin}, not from {site}"
"""


@dataclass(frozen=True)
class Offline:
    """A wheelhouse that fits an engine."""

    source: Source
    fit: Fit

    @property
    def reused(self) -> ReusedPython | None:
        """The Python whose packages stand in for what the wheelhouse left out; None: it left out nothing."""
        return self.source.reused if self.fit.reused else None

    def announcement(self) -> str:
        """What is taken from where."""
        files = self.fit.wheelhouse.of(ENGINE, TORCH)
        text = f"from {len(files)} wheels of {self.source.wheelhouse}"
        if self.reused:
            packages = ", ".join(f"{name} {version}" for name, version in self.fit.reused.items())
            text += f", reused from {self.reused.python}: {packages}"
        surplus = self.fit.files.surplus
        return text + (f" (surplus, not installed: {', '.join(surplus)})" if surplus else "")

    def stamp(self) -> dict[str, Any]:
        """What the environment's stamp says besides lock and Python."""
        if self.reused is None:
            return {"wheelhouse": True}
        return {
            "wheelhouse": True,
            "reused": self.fit.reused,
            "reused_python": str(self.reused.python),
            "reused_sites": [str(site) for site in self.reused.sites],
            "reused_folders": [str(folder) for folder in folders_of(self.reused, list(self.fit.reused))],
        }

    def install(self, folder: Path, run: Run) -> None:
        """Make the environment in ``folder``, with the wheels on top of what is reused."""
        assert self.source.wheelhouse is not None
        base = str(self.source.reuse_python or sys.executable)
        environment = offline_environment(os.environ) | {"PYTHONDONTWRITEBYTECODE": "1"}
        run([base, "-m", "venv", str(folder)], environment)
        environment.pop("PYTHONDONTWRITEBYTECODE")
        with tempfile.NamedTemporaryFile("w", prefix="wheels-", suffix=".txt") as wanted:
            wanted.write(requirements(self.fit.wheelhouse.of(ENGINE, TORCH)))
            wanted.flush()
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            run([*pip, *offline_options(self.source.wheelhouse, Path(wanted.name))], environment)
        if self.reused:
            self.reused.show_to(folder)
            self.require_order(folder, run)

    def require_order(self, folder: Path, run: Run) -> None:
        """Make sure that the environment finds what it reuses, and its own packages before anything else.

        Raises as ``run``.
        """
        own = [file.package for file in self.fit.wheelhouse.of(ENGINE, TORCH)]
        sites = self.reused.sites if self.reused else ()
        asked = json.dumps([self.fit.reused, [str(site) for site in sites], own])
        with tempfile.TemporaryDirectory(prefix="home-") as home:  # as at a start, which has a HOME of its own
            environment = offline_environment(os.environ) | {"HOME": home, "PYTHONDONTWRITEBYTECODE": "1"}
            environment.pop("PYTHONPATH", None)
            run([str(folder / "bin" / "python"), "-c", ORDER, asked], environment)


def offline_of(pin: Build, source: Source) -> Offline | None:
    """The wheelhouse that a pin is to be installed from, if one was named.

    Raises:
        HarnessError: it does not fit; says everything that is missing, damaged or of another Python.
    """
    if source.wheelhouse is None:
        return None
    try:
        found = fit(source.wheelhouse, pin, source.reused)
    except WheelhouseError as error:
        raise HarnessError(str(error)) from None
    require_fit(found, source.wheelhouse, source.reused)
    return Offline(source, found)
