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
        run([base, "-m", "venv", str(folder)], environment)
        environment.pop("PYTHONDONTWRITEBYTECODE")
        with tempfile.NamedTemporaryFile("w", prefix="wheels-", suffix=".txt") as wanted:
            wanted.write(requirements(self.fit.wheelhouse.of(ENGINE, TORCH)))
            wanted.flush()
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            run([*pip, *offline_options(self.source.wheelhouse, Path(wanted.name))], environment)
        if self.reused:
            self.reused.show_to(folder)
            self._require_found(folder, run)

    def _require_found(self, folder: Path, run: Run) -> None:
        """Make sure that the environment finds what it reuses, in that version. Raises as ``run``."""
        code = (
            f"import importlib.metadata as m; wanted = {self.fit.reused!r}; "
            "found = {name: next((each.version for each in m.distributions(name=name)), None) for name in wanted}; "
            "assert found == wanted, f'found on top of the reused Python: {found}'"
        )
        run([str(folder / "bin" / "python"), "-c", code], None)
