"""Where somebody types ``python3 harness measure``, for all tests of it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.record.run import Run, read_run
from tests.checkout import Call, Done
from tests.measure.fake_engine import FakeEngine

KEY = "sk-secret-0123"
PROGRAM = "from vllm import LLM\n\nif __name__ == '__main__':\n    LLM(model='tiny')\n"


@dataclass(frozen=True)
class Shell:
    """Where somebody types."""

    fake: FakeEngine
    typed: Call
    port: int

    @property
    def env(self) -> Path:
        return self.fake.engine.folder

    @property
    def serve(self) -> tuple[str, ...]:
        return "vllm", "serve", "tiny", "--port", str(self.port)

    def measure(self, *arguments: str, env: bool = True) -> Done:
        """``python3 harness measure [--env VENV] ARGUMENTS``."""
        given = ("--env", str(self.env)) if env else ()
        return self.typed("measure", *given, *arguments)

    def runs(self) -> list[Run]:
        """Every record, oldest first."""
        found = [read_run(path.parent) for path in self.fake.workspace.runs.glob("*/cold_start/*/*/run.json")]
        return sorted(found, key=lambda run: run.started_at)

    def stored(self) -> list[Path]:
        """Whatever lies in the store, hidden or not."""
        return [path for path in self.fake.workspace.runs.rglob("*") if not path.is_dir()]


def document(done: Done) -> dict[str, Any]:
    """The last line of standard output."""
    found: dict[str, Any] = json.loads(done.out.splitlines()[-1])
    return found


def names(runs: list[Run]) -> list[str]:
    return [run.run_id for run in runs]
