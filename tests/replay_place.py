"""A folder with traces to replay, and what stands for the engine there."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.commands import replay as replay_command
from harness.engine.environment import Engine
from harness.errors import HarnessError
from harness.measure import replay as measured
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from tests.replay_folder import DIALOGUES, small_toy, toy_counters, write_replay

TOKENIZER = {"name": "a test's words"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a trace and its workload.json."""
    lines = [
        {"request_id": name, "session_id": session, "turn": 1, "arrival_s": arrival}
        | {"prompt_token_ids": prompt, "output_token_ids": output}
        for name, session, arrival, prompt, output in DIALOGUES
    ]
    (tmp_path / "trace.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "mooncake.jsonl").write_text(
        '{"timestamp": 0, "input_length": 600, "output_length": 2, "hash_ids": [0, 1]}\n'
        '{"timestamp": 9, "input_length": 513, "output_length": 512, "hash_ids": [0, 2]}\n'
    )
    return tmp_path


class Worker:
    """Stands for the engine: answers every request with a toy's replay, or fails."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.failure: str | None = None
        self.fails_from = 0  # requests answered before
        self.inherited: dict[str, str] = {}

    def __call__(
        self, _python: Path, _module: str, paths: tuple[Path, Path], *_: object, inherited: dict[str, str]
    ) -> None:
        self.inherited = inherited
        for asked in json.loads(paths[0].read_text())["replays"]:
            self.asked.append(asked)
            out = Path(asked["out"])
            if self.failure is not None and len(self.asked) > self.fails_from:
                out.with_name(f".{out.name}.1").mkdir()
                raise HarnessError(self.failure)
            toy = write_replay(out, small_toy(blocks=10))
            (out / "replay.json").unlink()
            if not asked["events"]:
                (out / "events.jsonl.gz").unlink()
            (out / "counters.json").write_text(json.dumps(vars(toy_counters(toy))))


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, place: Path) -> Worker:
    """The engine is taken for installed, and answers at once."""
    found = Worker()
    monkeypatch.setattr(measured, "run_worker", found)
    monkeypatch.setattr(replay_command, "replay_engine", lambda *_: Engine(load_pin(DEFAULT_CPU_PIN), place))
    return found
