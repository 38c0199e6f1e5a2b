"""What was looked at: one thing of the machine (``Check``), and one figure of the paper (``FigureCheck``)."""

from dataclasses import dataclass
from typing import Any, Literal

# warn: it works, and something is to be known. missing: `fix` makes it. cannot: this machine cannot have it.
Status = Literal["ok", "warn", "missing", "cannot"]


@dataclass(frozen=True)
class Check:
    """One thing that figures need. ``fix``: the one command that gives it, typed in the checkout; None: none does."""

    name: str
    status: Status
    found: str
    needed: str
    fix: str | None = None
    automatic: bool = False  # what is missing is made by `bash run_figure.sh NUM` itself

    @property
    def stops(self) -> bool:
        """Whether no figure that needs it can be measured before somebody has done something."""
        return self.status == "cannot" or (self.status == "missing" and not self.automatic)

    @property
    def why(self) -> str:
        """What is wrong, in a few words."""
        needed = f" (needed: {self.needed})" if self.status == "cannot" and self.needed else ""
        return f"{self.name}: {self.found}{needed}"

    def document(self) -> dict[str, Any]:
        """As ``--json`` has it."""
        names = ("name", "status", "found", "needed", "fix")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class FigureCheck:
    """Whether this machine can give a figure. ``ready``: nothing has to be done before ``bash run_figure.sh NUM``."""

    figure: str
    status: Status
    why: str  # not empty unless it is ok
    fix: str | None
    minutes: float | None  # of the starts that are not stored yet; None: none can be made here
    ready: bool

    def document(self) -> dict[str, Any]:
        """As ``--json`` has it."""
        return {name: getattr(self, name) for name in ("figure", "status", "why", "fix", "minutes")}
