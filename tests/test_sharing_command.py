"""``run_figure.sh sharing`` from what is typed to what is drawn; vLLM's part is played by made-up replays."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.cli import figure as cli_figure
from harness.commands.sharing import command as sharing_command
from harness.commands.sharing.workloads import DialogueFolder
from harness.engine.environment import Engine
from harness.errors import HarnessError
from harness.measure import filling
from harness.measure import replay as measured
from harness.record.atomic import write_json
from harness.record.replay import Parameters, StepTime, read_facts
from harness.record.replay_making import Making
from harness.record.sharing_tables import MOONCAKE, MULTI, SHARING_TABLES, SINGLE
from harness.record.study_slot import read_study_slot
from harness.spec.pin import load_pin
from harness.workspace import Workspace
from tests.checkout import Call, Done
from tests.sharing_slot import made_replay, write_tables

PIN = "vllm-0.32.0-cpu"
RECORDED = '{"request_id": "a", "turn": 1, "arrival_s": 0, "prompt_token_ids": [1], "output_token_ids": [2]}\n'
CONVERSATIONS = [("c0", 0.5, 40), ("c1", 1.0, 50), ("c2", 2.0, 90)]


@dataclass
class Fake:
    """A checkout with the declaration, and a worker that counts what it is asked for."""

    workspace: Workspace
    call: Callable[..., Done]
    asked: list[list[dict[str, Any]]] = field(default_factory=list)
    fails_after: int | None = None  # replays of one worker

    def work(self, _: Path, module: str, paths: tuple[Path, Path], *__: Any, **___: Any) -> None:
        """In the place of ``run_worker``."""
        assert module == measured.WORKER
        requests = json.loads(paths[0].read_text())["replays"]
        self.asked.append(requests)
        for number, request in enumerate(requests):
            if number == self.fails_after:
                Path(request["out"]).with_name(f".{Path(request['out']).name}.99").mkdir()
                raise HarnessError("replaying failed (exit 1): out of memory")
            kind = MOONCAKE if "mooncake" in request["trace"] else SINGLE if "single" in request["trace"] else MULTI
            names = ("block_size", "prefix_caching", "policy", "watermark", "limit")
            given = {name: request[name] for name in names} | {"step_time": StepTime(**request["step_time"])}
            replay = made_replay(kind, 0, num_blocks=request["num_blocks"], **given)
            write_tables(Path(request["out"]), replay)
        write_json(paths[1], {})

    @property
    def replays(self) -> int:
        """How many a worker was asked for."""
        return sum(map(len, self.asked))

    @property
    def stored(self) -> list[Path]:
        return sorted(self.workspace.runs.glob("*/prefix_sharing/*/1"))


def make_traces(folder: DialogueFolder, *_: Any) -> None:
    """In the place of ``workload make``: three dialogues, whose second turns carry the first."""
    if folder.is_made:
        return
    folder.folder.mkdir(parents=True)
    for name, turns in (("single", (1,)), ("multi", (1, 2))):
        rows = [
            {"request_id": f"{who}-t{turn}", "session_id": who, "turn": turn, "arrival_s": at + 10 * turn + folder.seed,
             "prompt_token_ids": list(range(tokens * turn)), "output_token_ids": [1, 2]}
            for turn in turns for who, at, tokens in CONVERSATIONS
        ]  # fmt: skip
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder.folder / f"{name}_turn_trace.jsonl").write_text(text)
    document = {"source": {"kind": "generated", "file": None, "shape": "small"}, "tokenizer": {"name": "words"}}
    write_json(folder.folder / "workload.json", document | {"traces": {}})


@pytest.fixture
def fake(tmp_path: Path, typed: Call, monkeypatch: pytest.MonkeyPatch) -> Fake:
    root = tmp_path / "checkout"
    folder = root / "figures" / "figure-sharing"
    folder.mkdir(parents=True)
    declared = Workspace().figure("sharing")
    shutil.copy(declared / "figure.yaml", folder)
    # The drawing has tests of its own; here it is enough that it is asked for.
    (folder / "plot.py").write_text("print('drawn')\n")

    found = Fake(Workspace(root), partial(typed, "figure", "sharing"))
    engine = Engine(load_pin(PIN), root / "engines" / PIN)
    monkeypatch.setattr(cli_figure, "Workspace", lambda: found.workspace)
    monkeypatch.setattr(sharing_command, "set_up", lambda *_: engine)
    monkeypatch.setattr(measured, "run_worker", found.work)
    monkeypatch.setattr(DialogueFolder, "make", make_traces)
    for name in ("HARNESS_TRACE", "HARNESS_DATA", "HARNESS_ENGINE", "HARNESS_SMOKE"):
        monkeypatch.delenv(name, raising=False)
    return found


def mooncake(fake: Fake, lines: str | None = None) -> Path:
    path = fake.workspace.root / "mooncake.jsonl"
    row = '{"timestamp": 0, "input_length": 1000, "output_length": 5, "hash_ids": [0, 1]}\n'
    path.write_text(row if lines is None else lines)
    return path


def test_everything_is_replayed_stored_collected_and_drawn(fake: Fake) -> None:
    done = fake.call("--smoke", "--json", "--trace", mooncake(fake))
    assert (done.code, len(done.out.splitlines())) == (0, 1)
    assert "drawn" in done.err.splitlines()
    document = json.loads(done.out)
    assert document["replays"] == {"made": len(fake.stored), "stored": 0} == {"made": fake.replays, "stored": 0}
    assert {row["of"] for row in document["comparison"]} >= {SINGLE, MULTI, "ratio"}
    slot = read_study_slot(Path(document["slot"]), SHARING_TABLES, "prefix_sharing")
    assert {case["workload"] for case in slot.manifest["cases"]} == {SINGLE, MULTI, MOONCAKE}
    assert slot.manifest["mooncake"]["file"] == "mooncake.jsonl"
    assert slot.manifest["tokenizer"] == {"name": "words"}
    assert all((run / "replay.json").is_file() for run in fake.stored)


def test_what_is_stored_is_not_made_again_and_the_slot_is_the_same(fake: Fake) -> None:
    assert fake.call("--smoke").code == 0
    slot = fake.workspace.figure("sharing") / "node0"
    before, replays = {path.name: path.read_bytes() for path in slot.iterdir()}, fake.replays
    assert fake.call("--smoke").code == 0
    assert fake.replays == replays
    assert {path.name: path.read_bytes() for path in slot.iterdir()} == before


def test_a_worker_that_dies_loses_only_the_replay_in_progress(fake: Fake) -> None:
    fake.fails_after = 5
    done = fake.call("--smoke")
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith("error: replaying failed (exit 1): out of memory; 5 replays of ")
    assert len(fake.stored) == 5
    fake.fails_after = None
    assert fake.call("--smoke").code == 0
    assert len(fake.stored) == fake.replays - len(fake.asked[0]) + 5
    left = [path for path in fake.workspace.runs.rglob("*partial*")]
    assert left == []


def test_what_a_killed_harness_had_not_put_in_place_is_found(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:  # as if it had been killed before
        patched.setattr(filling, "_put_in_place", lambda _: ([], None))
        patched.setattr(Making, "discard", lambda _: None)
        patched.setattr(filling, "harness_facts", lambda: {"version": "of the killed call"})
        fake.call("--smoke")
    assert fake.stored == []
    replays = fake.replays
    assert fake.call("--smoke").code == 0
    assert len(fake.stored) == fake.replays == replays
    assert {read_facts(run).harness["version"] for run in fake.stored} == {"of the killed call"}


def test_a_replay_began_when_its_worker_had_not_run_yet(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: set[str] = set()

    def work(*arguments: Any, **_: Any) -> None:
        for path in fake.workspace.runs.glob("*/*/*/.1.partial.json"):
            document = json.loads(path.read_text())
            noted.add(document["started_at"])
            write_json(path, document | {"started_at": "2000-01-01T00:00:00Z"})  # told apart from any later time
        fake.work(*arguments)

    monkeypatch.setattr(measured, "run_worker", work)
    assert fake.call("--smoke").code == 0
    assert noted
    assert {read_facts(run).started_at for run in fake.stored} == {"2000-01-01T00:00:00Z"}


def test_every_request_is_what_the_worker_takes(fake: Fake) -> None:
    fake.call("--smoke", "--trace", mooncake(fake))
    for request in (request for batch in fake.asked for request in batch):
        assert request["num_blocks"] > 1
        assert request["max_model_len"] >= 2
        assert not Path(request["out"]).parent.joinpath("1", "counters.json").exists()
        assert set(Parameters.__dataclass_fields__) <= request.keys()


def test_a_dry_run_writes_nothing(fake: Fake) -> None:
    before = sorted(fake.workspace.root.rglob("*"))
    done = fake.call("--dry-run", "--json", "--trace", mooncake(fake))
    document = json.loads(done.out.splitlines()[-1])
    assert (done.code, len(done.out.splitlines())) == (0, 1)
    assert document["minutes"] > 0
    assert [row["made"] for row in document["workloads"]] == [False, False, False, True]
    assert sorted(fake.workspace.root.rglob("*")) == sorted([*before, fake.workspace.root / "mooncake.jsonl"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--models", "a"), "figure sharing does not take --models; leave it out; it takes --data, --dry-run"),
        (("0",), "figure sharing does not take SLOT_INDEX; leave it out; it takes --data"),
        (
            ("--engine", "vllm-0.10.1.1-cuda"),
            "drives the scheduler of vLLM 0.32.0, engine vllm-0.10.1.1-cuda",
        ),
        (("--engine", "nope"), "unknown engine pin 'nope'"),
        (("--trace", "absent.jsonl"), "absent.jsonl: no such file; name Mooncake's conversation_trace.jsonl"),
        (("--data", "absent.json"), "absent.json: no such file; name dialogues as ShareGPT's JSON or JSONL"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_made(fake: Fake, arguments: tuple[str, ...], message: str) -> None:
    before = sorted(fake.workspace.root.rglob("*"))
    done = fake.call("--smoke", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.error
    assert done.error.count("\n") <= 1
    assert fake.asked == []
    assert sorted(fake.workspace.root.rglob("*")) == before


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "an empty file is no trace"),
        ('{"timestamp": 0, "input_len', "line 1: truncated"),
        (
            '{"request_id": "a", "turn": 1, "arrival_s": 0, "prompt_token_ids": [1], "output_token_ids": [2]}\n',
            "--data takes",
        ),
    ],
)
def test_a_bad_trace_is_named_before_anything_is_replayed(fake: Fake, lines: str, message: str) -> None:
    done = fake.call("--smoke", "--json", "--trace", mooncake(fake, lines))
    assert done.code == 2
    assert message in json.loads(done.out.splitlines()[-1])["error"]
    assert fake.asked == []
