"""Install an engine from a wheelhouse: no index is asked, and a reused Python is not touched."""

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.engine.reused_python import ReusedPython, folders_of
from harness.engine.wheel_check import Fit
from harness.engine.wheel_source import Source
from harness.record.wheelhouse import ENGINE, TORCH, offline_environment, offline_options, requirements

Run = Callable[[list[str], dict[str, str] | None], None]  # a command and its environment; raises if it fails


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
        options = self.reused.venv_options() if self.reused else []
        run([base, "-m", "venv", *options, str(folder)], environment)
        environment.pop("PYTHONDONTWRITEBYTECODE")
        (site_packages,) = folder.glob("lib/python*/site-packages")
        with tempfile.NamedTemporaryFile("w", prefix="wheels-", suffix=".txt") as wanted:
            wanted.write(requirements(self.fit.wheelhouse.of(ENGINE, TORCH)))
            wanted.flush()
            # A reused Python may have a package in the locked version, too: the engine gets its own nevertheless.
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--ignore-installed"]
            run([*pip, *offline_options(self.source.wheelhouse, Path(wanted.name))], environment)
        if self.reused:
            self.reused.path_file(site_packages)
            self._require_first(folder, site_packages, run)

    def _require_first(self, folder: Path, site_packages: Path, run: Run) -> None:
        """Make sure that the environment finds what it reuses, and its own packages first. Raises as ``run``."""
        names = list(self.fit.reused)
        code = (
            "import importlib.metadata as m, json, sys; "
            f"assert {str(site_packages)!r} in sys.path, 'site-packages is not searched'; "
            f"lost = [n for n in {names!r} if not list(m.distributions(name=n))]; "
            "assert not lost, 'not found: ' + ', '.join(lost)"
        )
        run([str(folder / "bin" / "python"), "-c", code], None)
