"""Points on a real engine are made once, kept when a worker ends early, and never left half-written.

The engine's answer is a toy's; the real one: tests/engine/test_real_headroom.py.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.errors import HarnessError, MeasurementFailed
from harness.measure import filling, real_points
from harness.measure.inherited import INHERITED
from harness.measure.real_job import RealJob, make_real_job
from harness.measure.real_points import WantedPoint, make_points, missing_points
from harness.record.real_point import COUNTED, RealEngine, RealParameters, read_real_point
from harness.record.replay_store import StoredReplay
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from tests.real_point_folder import ENGINE, PARAMETERS, write_tables
from tests.replay_folder import DIALOGUES, small_toy


class Worker:
    """Stands for the engine: makes every point as a toy does, until something happens after so many."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.after = -1
        self.happens: BaseException = HarnessError("serving points failed (exit 1, python): ValueError: no")
        self.damages = False
        self.environment: Mapping[str, str] = {}
        self.inherited: Mapping[str, str] = {}

    def __call__(
        self,
        _python: Path,
        module: str,
        paths: tuple[Path, Path],
        environment: Mapping[str, str],
        *_: object,
        inherited: Mapping[str, str],
    ) -> None:
        assert module == real_points.WORKER
        self.environment, self.inherited = environment, inherited
        asked = json.loads(paths[0].read_text())
        self.asked.append(asked)
        for number, point in enumerate(asked["points"]):
            out = Path(point["out"])
            if number == self.after:
                out.with_name(f".{out.name}.1").mkdir()  # where the worker was writing
                raise self.happens
            write_tables(out, small_toy(10))
            if self.damages:
                (out / "steps.csv").write_text("step\n")
            self.made.append(out.parent.name)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    found = Worker()
    monkeypatch.setattr(real_points, "run_worker", found)
    return found


@pytest.fixture
def model(tmp_path: Path) -> ModelFiles:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"max_position_embeddings": 2048}')
    return ModelFiles(tmp_path / "model", "opt-125m", True, None, "2" * 64)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(load_pin(DEFAULT_CPU_PIN), tmp_path)


@pytest.fixture
def wanted(tmp_path: Path) -> list[WantedPoint]:
    return [wanted_point(tmp_path, factor) for factor in (0.0, 2.0, 4.0)]


def write_trace(folder: Path) -> Path:
    lines = [
        {"request_id": name, "session_id": session, "turn": 1, "arrival_s": arrival}
        | {"prompt_token_ids": prompt, "output_token_ids": output}
        for name, session, arrival, prompt, output in DIALOGUES
    ]
    (folder / "trace.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / "trace.jsonl"


def job(folder: Path, **changed: Any) -> RealJob:
    return make_real_job(write_trace(folder), replace(PARAMETERS, **changed))


def wanted_point(folder: Path, factor: float, engine: RealEngine = ENGINE) -> WantedPoint:
    definition: dict[str, Any] = {"factor": factor, "environment": {"OMP_NUM_THREADS": "2"}}
    stored = StoredReplay.of(folder / "runs", "node-1", "kv_headroom", f"naive-{factor}", definition)
    return WantedPoint(stored, definition, job(folder, headroom={"policy": "naive", "factor": factor}, engine=engine))


def left_of(wanted: Sequence[WantedPoint]) -> dict[str, list[str]]:
    """What lies in each case's folder."""
    return {
        each.stored.case: sorted(path.name for path in each.stored.folder.iterdir())
        for each in wanted
        if each.stored.folder.is_dir()
    }


def test_points_are_made_by_one_engine_and_read_back(
    worker: Worker, wanted: list[WantedPoint], model: ModelFiles, engine: Engine
):
    assert missing_points(wanted, model, engine) == wanted
    make_points(wanted, model, engine, 60)
    assert missing_points(wanted, model, engine) == []
    assert len(worker.asked) == 1
    assert (worker.asked[0]["engine"]["num_blocks"], worker.asked[0]["model"]) == (11, str(model.path))
    for each in wanted:
        point = read_real_point(each.stored.run)
        assert point.facts.parameters == each.job.parameters
        assert point.facts.model == {"name": "opt-125m", "twin": True, "files_sha256": "2" * 64}
        assert point.facts.trace["requests"] == len(DIALOGUES)
        assert not (each.stored.run / COUNTED).exists()
    assert set(map(tuple, left_of(wanted).values())) == {("1", "case.json")}


def test_the_engine_gets_what_defines_its_points_and_of_the_shell_what_is_allowed(
    worker: Worker, wanted: list[WantedPoint], model: ModelFiles, engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    for name in ("VLLM_CPU_KVCACHE_SPACE", "HF_TOKEN", "OMP_SCHEDULE"):
        monkeypatch.setenv(name, "x")
    make_points(wanted, model, engine, 60)
    assert worker.environment == {"OMP_NUM_THREADS": "2"}
    assert "PATH" in worker.inherited
    assert worker.inherited.keys() <= {*INHERITED, "CUDA_DEVICE_ORDER"}


def test_what_was_made_before_a_worker_failed_is_kept_and_only_the_rest_is_made_again(
    worker: Worker, wanted: list[WantedPoint], model: ModelFiles, engine: Engine
):
    worker.after = 1
    with pytest.raises(MeasurementFailed, match=r"ValueError: no; 1 points of 3 are stored, 2 are not$"):
        make_points(wanted, model, engine, 60)
    assert sorted(left_of(wanted).values()) == [["1", "case.json"], ["case.json"], ["case.json"]]
    worker.after = -1
    todo = missing_points(wanted, model, engine)
    make_points(todo, model, engine, 60)
    assert worker.made == [each.stored.case for each in wanted]
    assert missing_points(wanted, model, engine) == []


def test_what_was_finished_when_somebody_killed_the_call_is_put_in_place_by_the_next_one(
    worker: Worker, wanted: list[WantedPoint], model: ModelFiles, engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    worker.after, worker.happens = 2, KeyboardInterrupt()
    with monkeypatch.context() as patch:
        patch.setattr(filling, "_put_in_place", lambda _: ([], None))  # a kill leaves no time for it,
        patch.setattr(real_points.Making, "discard", lambda _: None)  # nor for this
        with pytest.raises(KeyboardInterrupt):
            make_points(wanted, model, engine, 60)
    assert not any(each.stored.is_there for each in wanted)
    assert missing_points(wanted, model, engine) == wanted[2:]
    worker.after = -1
    make_points(wanted[2:], model, engine, 60)
    assert set(map(tuple, left_of(wanted).values())) == {("1", "case.json")}
    assert worker.made == [each.stored.case for each in wanted]


def test_a_point_that_contradicts_itself_is_removed_and_named(
    worker: Worker, wanted: list[WantedPoint], model: ModelFiles, engine: Engine
):
    worker.damages = True
    with pytest.raises(MeasurementFailed, match=r"^a point cannot be used: .*steps\.csv:1: .*; it was removed, repeat"):
        make_points(wanted, model, engine, 60)
    assert set(map(tuple, left_of(wanted).values())) == {("case.json",)}


def test_a_point_that_is_there_is_not_made_again(
    worker: Worker, wanted: list[WantedPoint], model: ModelFiles, engine: Engine
):
    make_points(wanted[:1], model, engine, 60)
    with pytest.raises(HarnessError, match="exists already; points are not overwritten"):
        make_points(wanted, model, engine, 60)
    assert len(worker.asked) == 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"num_blocks": 12}, "points of one call share an engine; give each configuration a call of its own"),
        ({"max_model_len": 4096}, "max_model_len 4096: opt-125m takes 2048 tokens; leave longer requests out"),
    ],
)
def test_an_engine_that_cannot_be_is_refused_before_it_is_started(
    worker: Worker, tmp_path: Path, model: ModelFiles, engine: Engine, changed: dict[str, int], message: str
):
    other = wanted_point(tmp_path, 1.0, replace(ENGINE, **changed))
    asked = [wanted_point(tmp_path, 0.0), other] if "num_blocks" in changed else [other]
    with pytest.raises(HarnessError, match=message):
        make_points(asked, model, engine, 60)
    assert (worker.asked, left_of(asked)) == ([], {})


def test_a_model_without_a_config_is_one_line(
    worker: Worker, wanted: list[WantedPoint], model: ModelFiles, engine: Engine
):
    (model.path / "config.json").unlink()
    with pytest.raises(HarnessError, match=r"config\.json: not readable \(No such file or directory\)$"):
        make_points(wanted, model, engine, 60)
    assert (worker.asked, left_of(wanted)) == ([], {})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"arrivals": "days"}, "arrivals 'days': by steps or seconds"),
        ({"headroom": None, "watermark": 1.0}, "watermark 1.0: a share of the blocks, from 0 to less than 1"),
        ({"watermark": 0.1}, "watermark 0.1: a head-room policy takes its place; leave one of them out"),
        ({"headroom": {"policy": "naive", "factor": -1}}, "head-room policy naive: factor must be a number from 0"),
        ({"engine": replace(ENGINE, block_size=16)}, "block_size 16: vLLM's CPU engine takes multiples of 32"),
        ({"engine": replace(ENGINE, max_num_seqs=0)}, "max_num_seqs 0, max_num_batched_tokens 8192: vLLM wants"),
        ({"engine": replace(ENGINE, num_blocks=1)}, "a request takes 1 blocks, the cache has 0 beside vLLM's null"),
        (
            {"engine": replace(ENGINE, max_model_len=9)},
            "a request of 31 tokens, the engine takes 9; give",
        ),
    ],
)
def test_a_point_that_cannot_be_is_one_line(tmp_path: Path, changed: dict[str, Any], message: str):
    with pytest.raises(HarnessError) as error:
        job(tmp_path, **changed)
    assert message in str(error.value)
    assert str(error.value).isprintable()


def test_a_trace_without_tokens_is_refused(tmp_path: Path):
    path = tmp_path / "mooncake.jsonl"
    path.write_text('{"timestamp": 0, "input_length": 600, "output_length": 2, "hash_ids": [0, 1]}\n')
    with pytest.raises(HarnessError, match="a mooncake trace has no tokens to give a real engine; give a token trace"):
        make_real_job(path, RealParameters(ENGINE, "steps"))
