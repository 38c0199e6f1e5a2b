"""The anatomy study: the server that is started, and what defines a case of it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.cold_start.study import server_command
from harness.record.anatomy_tables import STUDY
from harness.spec.anatomy import LoadLevel, Sampled, Setting

# What the pins set for starts, otherwise here: log lines of every step would be part of what is measured.
ENVIRONMENT = {"VLLM_LOGGING_LEVEL": "INFO", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True)
class Conditions:
    """What a case is besides its setting."""

    engine: dict[str, Any]  # pin, version, lock_sha256, patches_sha256
    environment: dict[str, str]  # of its processes, as far as it changes them
    model: dict[str, Any]  # name, twin, files_sha256
    load_sha256: str


@dataclass(frozen=True)
class Case:
    """One server under all load levels; its repeats differ in the requests."""

    setting: Setting
    levels: tuple[LoadLevel, ...]
    sampled: Sampled

    @property
    def name(self) -> str:
        """Readable part of the case's name."""
        server, levels = self.setting.server, "-".join(str(level.concurrency) for level in self.levels)
        return f"serve_{self.setting.model}_{'eager' if server.enforce_eager else 'compiled'}_{levels}"

    def parameters(self) -> dict[str, Any]:
        """Everything that is asked, without how often."""
        return {
            **self.setting.model_dump(exclude={"repeats"}),
            "levels": [level.model_dump() for level in self.levels],
            "sampled": self.sampled.model_dump(),
        }

    def definition(self, on: Conditions) -> dict[str, Any]:
        """Everything that decides what a run gives, but its repeat."""
        return {"study": STUDY, "part": "serve", "parameters": self.parameters(), **asdict(on)}

    def command(self, python: Path, model: Path, name: str, port: int) -> list[str]:
        """``vllm serve``; ``name``: of the model, towards clients."""
        arguments = {**self.setting.server.model_dump(), "served_model_name": name}
        eager = arguments.pop("enforce_eager")
        return server_command(python, model, arguments, eager, port)
