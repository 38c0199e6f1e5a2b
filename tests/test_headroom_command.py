"""``run_figure.sh headroom`` from what is typed to what is drawn; replays and real points are made up."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli import figure as cli_figure
from harness.commands.headroom import command as headroom_command
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.errors import HarnessError
from harness.measure import real_points
from harness.measure import replay as measured
from harness.record.atomic import write_json
from harness.record.headroom_tables import HEADROOM_TABLES, POINTS, STUDY
from harness.record.real_point import StepRow
from harness.record.replay import StepTime
from harness.record.study_slot import read_study_slot
from harness.spec.pin import load_pin
from harness.workspace import Workspace
from tests.checkout import Call, Done
from tests.real_point_folder import write_tables as write_real_tables
from tests.replay_folder import small_toy
from tests.sharing_slot import made_replay, write_tables

PIN = "vllm-0.32.0-cpu"
NAMES = ("TRACE", "DATA", "ENGINE", "SMOKE", "SEARCH", "WORKLOAD", "TRACE_MEMORY", "MODELS")


@dataclass
class Fake:
    """A checkout with a small declaration, and workers that count what they are asked for."""

    workspace: Workspace
    call: Callable[..., Done]
    asked: list[dict[str, Any]] = field(default_factory=list)  # replays
    served: list[dict[str, Any]] = field(default_factory=list)  # points
    fails_after: int | None = None  # replays in all
    environment: dict[str, str] = field(default_factory=dict)  # of the real engine that was started last

    def replay(self, _: Path, module: str, paths: tuple[Path, Path], *__: Any, **___: Any) -> None:
        """In the place of the worker that replays."""
        assert module == measured.WORKER
        for request in json.loads(paths[0].read_text())["replays"]:
            if len(self.asked) == self.fails_after:
                raise HarnessError("replaying failed (exit 1): out of memory")
            self.asked.append(request)
            names = ("block_size", "prefix_caching", "watermark", "headroom", "offload", "loop")
            given = {name: request[name] for name in names} | {"step_time": StepTime(**request["step_time"])}
            replay = made_replay("single-turn", 0, num_blocks=request["num_blocks"], **given)
            counters = replace(replay.facts.counters, steps=100)
            write_tables(Path(request["out"]), replace(replay, facts=replace(replay.facts, counters=counters)))
        write_json(paths[1], {})

    def serve(
        self, _: Path, module: str, paths: tuple[Path, Path], environment: dict[str, str], *__: Any, **___: Any
    ) -> None:
        """In the place of the worker with the real engine."""
        assert module == real_points.WORKER
        self.environment = environment
        for point in json.loads(paths[0].read_text())["points"]:
            self.served.append(point)
            write_real_tables(Path(point["out"]), small_toy(blocks=10))
            shutil.copy(point["trace"], Path(point["out"]) / "trace.jsonl")
        write_json(paths[1], {})

    @property
    def stored(self) -> list[Path]:
        return sorted(self.workspace.runs.glob("*/kv_headroom/*/1"))


def timed_steps() -> list[StepRow]:
    """Steps of a machine that needs 4 ms, and 0.1 ms for a sequence."""
    return [StepRow(n, n / 100, 0.004 + 1e-4 * (1 + n % 9), n % 3, 1 + n % 9, 10 + n, 0) for n in range(60)]


def small_declaration() -> dict[str, Any]:
    declared = yaml.safe_load((Workspace().figure("headroom") / "figure.yaml").read_text())
    del declared["workloads"]["dialogues"]  # needs a tokenizer
    declared["smoke"] |= {
        "requests": 40,
        "real": declared["smoke"]["real"] | {"requests": 20},
        "factors": {"least": 0, "most": 4, "step": 2},
        "targets": {"least": 2, "most": 3, "step": 1},
        "sigmas": [1.0],
    }
    return dict(declared)


@pytest.fixture
def fake(tmp_path: Path, typed: Call, monkeypatch: pytest.MonkeyPatch) -> Fake:
    root = tmp_path / "checkout"
    folder = root / "figures" / "figure-headroom"
    folder.mkdir(parents=True)
    (folder / "figure.yaml").write_text(yaml.safe_dump(small_declaration(), sort_keys=False))
    (folder / "plot.py").write_text("print('drawn')\n")  # the drawing has tests of its own

    found = Fake(Workspace(root), partial(typed, "figure", "headroom"))
    engine = Engine(load_pin(PIN), root / "engines" / PIN)
    files = ModelFiles(root / "models" / "opt-125m-twin", "opt-125m", True, None, "3" * 64)
    files.path.mkdir(parents=True)
    (files.path / "config.json").write_text('{"max_position_embeddings": 2048}')
    monkeypatch.setattr(cli_figure, "Workspace", lambda: found.workspace)
    monkeypatch.setattr(headroom_command, "set_up", lambda *_: engine)
    monkeypatch.setattr(headroom_command, "ensure_model", lambda *_, **__: files)
    monkeypatch.setattr(headroom_command, "calibration_steps", lambda *_: timed_steps())
    monkeypatch.setattr(headroom_command, "learn", lambda *_: pytest.fail("nobody asked for lengths"))
    monkeypatch.setattr(measured, "run_worker", found.replay)
    monkeypatch.setattr(real_points, "run_worker", found.serve)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for name in NAMES:
        monkeypatch.delenv(f"HARNESS_{name}", raising=False)
    return found


def mooncake(fake: Fake, requests: int = 200) -> Path:
    path = fake.workspace.root / "mooncake.jsonl"
    rows = (
        {"timestamp": 100 * n, "input_length": 1000, "output_length": 40, "hash_ids": [0, n + 1]}
        for n in range(requests)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_naive_search_is_replayed_served_stored_collected_and_drawn(fake: Fake) -> None:
    done = fake.call("--smoke", "--search", "naive", "--json", "--trace", mooncake(fake))
    assert (done.code, len(done.out.splitlines())) == (0, 1), done.err
    assert "drawn" in done.err.splitlines()
    document = json.loads(done.out)
    slot = read_study_slot(Path(document["slot"]), HEADROOM_TABLES, STUDY)
    columns = list(POINTS.columns)
    rows = [dict(zip(columns, row, strict=True)) for row in slot.tables[POINTS.name]]
    assert {row["workload"] for row in rows} == {"original", "mooncake"}
    of_naive = {
        row["parameter"] for row in rows if (row["search"], row["tier"], row["mode"]) == ("naive", "sim", "recompute")
    }
    assert of_naive == {0.0, 2.0, 4.0}
    assert {row["search"] for row in rows} == {"none", "naive"}
    assert {row["tier"] for row in rows} == {"sim", "real", "replayed", "paced"}
    assert slot.manifest["models"]["opt-125m"]["twin"] is True
    assert slot.manifest["workloads"]["original"]["seeds"] == [0, 1]


def test_requests_arrive_faster_the_faster_the_engine_serves_them_at_once(fake: Fake) -> None:
    fake.call("--smoke", "--search", "naive", "--workload", "original")
    offline = [each for each in fake.asked if "offline" in each["trace"] and each["block_size"] == 16]
    loaded = [each for each in fake.asked if "plain" in each["trace"]]
    assert len({each["trace"] for each in offline}) == 2  # a seed each
    assert len({each["trace"] for each in loaded}) == 2
    rows = [json.loads(line) for line in Path(loaded[0]["trace"]).read_text().splitlines()]
    capacity = 12 / 13.0  # of the made-up replay: its requests in its virtual time
    assert (len(rows) - 1) / rows[-1]["arrival_s"] == pytest.approx(2.0 * capacity, rel=0.2)


def test_what_is_stored_is_not_made_again_and_the_slot_is_the_same(fake: Fake) -> None:
    arguments = ("--smoke", "--search", "naive", "--workload", "original")
    assert fake.call(*arguments).code == 0
    slot = fake.workspace.figure("headroom") / "node0"
    before, made = {path.name: path.read_bytes() for path in slot.iterdir()}, (len(fake.asked), len(fake.served))
    assert fake.call(*arguments).code == 0
    assert (len(fake.asked), len(fake.served)) == made
    assert {path.name: path.read_bytes() for path in slot.iterdir()} == before


def test_points_of_other_threads_are_other_points_that_are_served_anew(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("--smoke", "--search", "naive", "--workload", "original")
    assert fake.call(*arguments).code == 0
    assert fake.environment["OMP_NUM_THREADS"] == "1"
    served = len(fake.served)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert fake.call(*arguments).code == 0
    assert fake.environment["OMP_NUM_THREADS"] == "2"
    assert len(fake.served) == 2 * served


def test_threads_that_are_no_number_are_refused_before_anything_is_made(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "0")
    done = fake.call("--smoke", "--search", "naive", "--workload", "original")
    assert (done.code, fake.stored) == (2, [])
    assert "OMP_NUM_THREADS=0: a whole number of threads from 1 on" in done.err.splitlines()[-1]


def test_each_models_limits_of_latency_are_its_own_step_times(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter((1.0, 1.0, 3.0, 3.0))  # of the first model before and after its points, then of the second

    def steps(*_: object) -> list[StepRow]:
        factor = next(seconds)
        return [replace(step, seconds=factor * step.seconds) for step in timed_steps()]

    monkeypatch.setattr(headroom_command, "calibration_steps", steps)
    monkeypatch.setattr(headroom_command, "serve_points", lambda *_: [])
    done = fake.call("--smoke", "--search", "naive", "--workload", "original", "--models", "opt-125m,qwen-0.5b")
    assert done.code == 0, done.err
    folder = fake.workspace.figure("headroom") / "node0"
    slo = read_study_slot(folder, HEADROOM_TABLES, STUDY).manifest["workloads"]["original"]["slo"]
    assert list(slo) == ["opt-125m", "qwen-0.5b"]
    first, second = slo.values()
    assert second["ttft_s"] == pytest.approx(3 * first["ttft_s"], rel=0.01)
    assert second["tpot_s"] == pytest.approx(3 * first["tpot_s"], rel=0.01)


def test_a_search_that_was_interrupted_goes_on_where_it_stopped(fake: Fake) -> None:
    arguments = ("--smoke", "--search", "naive", "--workload", "original")
    fake.fails_after = 7
    done = fake.call(*arguments)
    assert done.code == 1
    assert "out of memory" in done.err.splitlines()[-1]
    fake.fails_after = None
    assert fake.call(*arguments).code == 0
    assert len({request["out"] for request in fake.asked}) == len(fake.asked)
    assert list(fake.workspace.runs.rglob("*partial*")) == []


def test_a_dry_run_writes_nothing_and_counts_every_point(fake: Fake) -> None:
    before = sorted(fake.workspace.root.rglob("*"))
    done = fake.call("--dry-run", "--smoke", "--search", "naive", "--workload", "original", "--json")
    assert done.code == 0
    document = json.loads(done.out.splitlines()[-1])
    points = {row["tier"]: row["points"] for row in document["rows"]}
    # none, three factors and the offline replay, of two seeds; in swap none and two factors; real by steps and clock.
    assert points == {"simulated": 10, "simulated, swap": 6, "real engine": 4}
    assert sorted(fake.workspace.root.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--search", "lucky"), "--search lucky: it is one of naive, target, all"),
        (("--workload", "nobody"), "--workload nobody: it is one of original, mooncake"),
        (("--workload", "mooncake"), "--workload mooncake: it needs Mooncake's conversation_trace.jsonl"),
        (("--models", "opt-126m"), "unknown model 'opt-126m'"),
        (("--engine", "vllm-0.31.0-cpu"), "engine vllm-0.31.0-cpu has 0.31.0; leave --engine out"),
        (("--trace", "nowhere.jsonl"), "nowhere.jsonl: no such file"),
        (("--data", "nowhere.json", "--workload", "original"), "nowhere.json: no such file"),
        (("--eager",), "figure headroom does not take --eager"),
    ],
)
def test_wrong_use_is_one_line(fake: Fake, arguments: tuple[str, ...], said: str) -> None:
    done = fake.call("--smoke", *arguments)
    assert done.code == 2
    assert said in done.err.splitlines()[-1]
    assert fake.stored == []


def test_a_trace_that_is_too_short_for_its_repeats_says_how_many_it_needs(fake: Fake) -> None:
    done = fake.call("--smoke", "--search", "naive", "--workload", "mooncake", "--trace", mooncake(fake, 80))
    assert done.code == 2
    assert "it has 80 requests, 120 are wanted" in done.err.splitlines()[-1]
