"""Where things lie in a checkout. Tests pass another one; nothing else decides on paths."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Workspace:
    """Folders of one checkout."""

    root: Path = ROOT

    @property
    def engines(self) -> Path:
        """Engine environments, one per pin."""
        return self.root / "engines"

    @property
    def models(self) -> Path:
        """Checkpoints and twins."""
        return self.root / "models"

    @property
    def runs(self) -> Path:
        """The run store."""
        return self.root / "runs"

    @property
    def caches(self) -> Path:
        """Compile-cache sandboxes, one per session."""
        return self.root / "caches"

    def figure(self, number: str) -> Path:
        """A figure's folder."""
        return self.root / "figures" / f"figure-{number}"
