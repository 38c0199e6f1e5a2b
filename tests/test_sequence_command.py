"""``python3 harness sequence``: what it writes and prints, and that whatever is wrong is one line.

torch is faked: a "model" predicts the value W places before. Real models: tests/engine/test_sequence_models.py.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cli import sequence as cli_sequence
from harness.commands.sequence import command as sequence_command
from harness.commands.sequence import data as sequence_data
from harness.commands.sequence.data import CODES, read_series
from harness.engine.environment import Engine
from harness.errors import HarnessError
from harness.measure import sequence_models
from harness.measure.sequence_folder import read_model
from harness.measure.sequence_models import Training, predict_lengths, train_sequence
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from harness.workspace import Workspace
from tests.checkout import Call
from tests.replay_folder import DIALOGUES, small_toy, write_events

PERIOD = [3, 1, 4, 1, 5]
ENGINE = Engine(load_pin(DEFAULT_CPU_PIN), Path("engine"))


def fake_worker(_python: Path, module: str, paths: tuple[Path, Path], *_: object) -> None:
    asked = json.loads(paths[0].read_text())
    values = np.load(asked["values"])
    if module == sequence_models.PREDICT:
        window = asked["window"]
        np.save(paths[1], np.stack([values[:-window] for _ in asked["models"]]))
        return
    window, out = asked["split"]["first"], Path(asked["out"])
    if asked["seed"] == 13:
        raise HarnessError("training failed")
    (out / "model.safetensors").write_bytes(b"weights")
    np.save(out / "predictions.npy", values[:-window])
    shape = {"model": asked["model"], "window": window, "classes": asked["classes"]}
    history = [{"epoch": 1, "train_loss": 1.0, "validation_loss": 1.0}]
    record = {"architecture": shape, "normalisation": None, "training": {"best_epoch": 1}, "history": history}
    paths[1].write_text(json.dumps(record | {"torch": "0"}))


@pytest.fixture
def call(typed: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    monkeypatch.setattr(sequence_models, "run_worker", fake_worker)
    monkeypatch.setattr(sequence_command, "sequence_engine", lambda *_: ENGINE)
    monkeypatch.setattr(cli_sequence, "Workspace", lambda: Workspace(tmp_path / "checkout"))
    monkeypatch.setenv("COLUMNS", "200")
    return partial(typed, "sequence")


def column(path: Path, values: list[int]) -> Path:
    path.write_text("".join(f"{each}\n" for each in ["lengths", *values]))
    return path


@pytest.fixture
def periodic(tmp_path: Path) -> Path:
    return column(tmp_path / "periodic.csv", PERIOD * 80)


def numbers(path: Path) -> tuple[str, list[int]]:
    found = read_series(path)
    return found.column, found.values.tolist()


def test_lengths_of_a_trace_are_extracted_in_order_of_arrival(call, tmp_path: Path) -> None:
    row = {"session_id": None, "turn": 1}
    arrivals = [(5.0, 3, 1), (1.0, 2, 7), (5.0, 4, 2), (0.0, 1, 9)]
    rows = [
        row | {"request_id": str(at), "arrival_s": when, "prompt_token_ids": [1] * p, "output_token_ids": [2] * o}
        for at, (when, p, o) in enumerate(arrivals)
    ]
    trace = tmp_path / "trace.jsonl"
    trace.write_text("".join(json.dumps(each) + "\n" for each in rows))
    wanted = {"output_tokens": [9, 7, 1, 2], "prompt_tokens": [1, 2, 3, 4], "total_tokens": [10, 9, 4, 6]}
    for name, lengths in wanted.items():
        assert call("extract", "--trace", trace, "--column", name, "--out", tmp_path / f"{name}.csv").code == 0
        assert numbers(tmp_path / f"{name}.csv") == (name, lengths)
    mooncake = tmp_path / "mooncake.jsonl"
    mooncake.write_text('{"timestamp": 0, "input_length": 9, "output_length": 8, "hash_ids": [0]}\n')
    assert call("extract", "--trace", mooncake, "--column", "total_tokens", "--out", tmp_path / "new/m.csv").code == 0
    assert numbers(tmp_path / "new/m.csv") == ("total_tokens", [17])


def test_operations_and_lengths_come_from_an_event_log(call, tmp_path: Path) -> None:
    toy, log = small_toy(blocks=10), tmp_path / "events.jsonl.gz"
    write_events(log, toy.events)
    assert call("extract", "--events", log, "--column", "operations", "--out", tmp_path / "o.csv").code == 0
    wanted = [CODES[each["event"]] for each in toy.events if each["event"] in CODES]
    assert numbers(tmp_path / "o.csv") == ("operations", wanted)
    assert set(wanted) == set(range(6))
    assert call("extract", "--events", log, "--column", "output_tokens", "--out", tmp_path / "l.csv").code == 0
    assert numbers(tmp_path / "l.csv") == ("output_tokens", [len(each[4]) for each in DIALOGUES])


def test_extracting_refuses_what_it_cannot_do_and_leaves_nothing(call, tmp_path: Path, monkeypatch) -> None:
    log, bad = tmp_path / "events.jsonl.gz", tmp_path / "bad.jsonl.gz"
    write_events(log, small_toy().events)
    write_events(bad, [{"t": 0, "event": "teleport"}])
    trace = tmp_path / "trace.jsonl"
    trace.write_text('{"timestamp": 0, "input_length": 9, "output_length": 8, "hash_ids": [0]}\n' * 3)
    before = sorted(path.name for path in tmp_path.iterdir())
    new = tmp_path / "new.csv"
    monkeypatch.setattr(sequence_data, "MAX_BYTES", 18)
    for arguments, said in (
        (("--trace", trace, "--column", "words", "--out", new), "no such column; name one of output_tokens"),
        (("--trace", trace, "--column", "operations", "--out", new), "operations are in --events"),
        (("--column", "prompt_tokens", "--out", new), "name either --trace FILE or --events"),
        (("--trace", trace, "--events", log, "--column", "prompt_tokens", "--out", new), "name either"),
        (("--events", bad, "--column", "operations", "--out", new), "line 1: no event is called teleport"),
        (("--events", trace, "--column", "operations", "--out", new), "damaged after line 0"),
        (("--trace", tmp_path / "no", "--column", "prompt_tokens", "--out", new), "No such file"),
        (("--trace", log, "--column", "prompt_tokens", "--out", new), "line 1: not JSON"),
        (("--trace", trace, "--column", "prompt_tokens", "--out", log), "exists already; name a new file"),
        (("--trace", trace, "--column", "prompt_tokens", "--out", new), "too much for one file"),
    ):
        done = call("extract", *arguments)
        assert done.code == 2
        assert said in done.error
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"1\n2\n3\n", "line 1: a number, no header"),
        (b"a,b\n1,2\n", "line 1: more than one column"),
        (b"a\n", "no value below the header"),
        (b"a\n1\n2.5\n", "line 3: not a whole number from 0 to"),
        (b"a\n-1\n", "(got -1)"),
        (b"a\n1\n\n2\n", "line 3: not a whole number from 0 to 9007199254740991 (got an empty line)"),
        (b"a\n1,2\n", "line 2: not a whole number"),
        (b"a\n99999999999999999999\n", "line 2: not a whole number"),
        (b"a\n\xff\n", "not text in UTF-8"),
        (b"a\n" + b"1\n" * 11, "11 values are too few: a window of 4 takes at least 14"),
        (b"a\n" + b"1\n" * 600, "cannot be used: 1202 bytes, it may have at most 1000"),
    ],
)
def test_data_that_cannot_be_used_are_one_line(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, said: str
) -> None:
    monkeypatch.setattr(sequence_data, "MAX_BYTES", 1000)
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    options = ("--task", "regression", "--window-size", 4, "--data", path)
    for verb in (("evaluate", *options), ("train", *options, "--out", tmp_path / "model")):
        done = call(*verb)
        assert done.code == 2
        assert said in done.error
    assert [each.name for each in tmp_path.iterdir()] == ["data.csv"]


def test_impossible_options_are_one_line_and_leave_nothing(call, tmp_path: Path, periodic: Path) -> None:
    out = tmp_path / "model"
    good = {"--task": "regression", "--window-size": 4, "--data": periodic, "--out": out}
    for changed, said in (
        ({"--task": "ranking"}, "--task ranking: no such task"),
        ({"--window-size": 0}, "--window-size 0"),
        ({"--window-size": "x"}, "should be a valid integer"),
        ({"--mod": 1}, "--mod 1: it must be at least 2"),
        ({"--data": tmp_path / "absent.csv"}, "No such file"),
        ({"--model": "transformer"}, "--model transformer: no such model; name one of mlp, lstm"),
        ({"--epochs": 0}, "--epochs 0: it must be 1 to"),
        ({"--seed": -1}, "--seed -1: it must be 0 to"),
        ({"--seed": 13}, "training failed"),
        ({"--out": periodic}, "is not an empty folder; name a new one"),
        ({"--out": tmp_path}, "is not an empty folder; name a new one"),
    ):
        done = call("train", *(each for option in (good | changed).items() for each in option))
        assert done.code == 2
        assert said in done.error
    assert [each.name for each in tmp_path.iterdir()] == ["periodic.csv"]


def test_an_engine_that_is_not_installed_is_named_with_its_command(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=f"install it with: python3 harness engines install --pin {DEFAULT_CPU_PIN}"):
        sequence_models.sequence_engine(None, Workspace(tmp_path))


def trained(call: Call, data: Path, out: Path, *more: object) -> None:
    done = call("train", "--task", "regression", "--window-size", 5, "--data", data, "--out", out, *more)
    assert done.code == 0, done.err


def test_a_trained_model_is_stored_with_all_that_it_depends_on(call, tmp_path: Path, periodic: Path) -> None:
    trained(call, periodic, tmp_path / "m", "--model", "lstm", "--seed", 4)
    assert sorted(each.name for each in (tmp_path / "m").iterdir()) == ["model.json", "model.safetensors"]
    document = json.loads((tmp_path / "m/model.json").read_text())
    assert (document["task"], document["window"], document["mod"]) == ("regression", 5, None)
    assert (document["model"], document["seed"], document["data"]["column"]) == ("lstm", 4, "lengths")
    assert document["split"] == {"first": 5, "train_end": 281, "validation_end": 340, "end": 400}
    assert document["metrics"] == {"validation": {"mae": 0.0}, "test": {"mae": 0.0}}
    assert document["residual_quantiles"] == [0] * 101
    assert str(tmp_path) not in json.dumps(document)


def test_a_model_is_held_against_the_best_baseline_also_for_programs(call, tmp_path: Path, periodic: Path) -> None:
    trained(call, periodic, tmp_path / "m")
    options = ("--task", "regression", "--window-size", 5, "--data", periodic)
    done = call("evaluate", *options, "--model-dir", tmp_path / "m", "--json")
    assert done.code == 0
    document = json.loads(done.out.splitlines()[-1])
    evaluation = document["evaluation"]
    assert list(evaluation["scores"]) == ["last value", "mean", "median", "Markov, order 1", "MLP, seed 0"]
    assert evaluation["targets"] == 60
    assert [each["beats"] for each in evaluation["comparisons"]] == [True]
    assert "MLP, seed 0 against Markov, order 1: gain +" in done.err
    assert "beats it" in done.err
    alone = call("evaluate", *options)
    assert "best baseline: Markov, order 1" in alone.out
    assert "beat" not in alone.out


def test_it_is_said_when_no_model_beats_a_baseline_and_when_the_data_are_others(call, tmp_path: Path, periodic) -> None:
    trained(call, periodic, tmp_path / "a")
    trained(call, periodic, tmp_path / "b")
    other = column(tmp_path / "other.csv", np.random.default_rng(2).integers(0, 9, 400).tolist())
    models = ("--model-dir", tmp_path / "a", "--model-dir", tmp_path / "b")
    done = call("evaluate", "--task", "regression", "--window-size", 5, "--data", other, *models)
    assert "no model beats the best baseline" in done.out
    for name in ("MLP, seed 0 (a)", "MLP, seed 0 (b)"):
        assert f"{name} was trained on other data" in done.out
        assert f"{name} against" in done.out


def test_a_model_for_something_else_is_refused_in_one_line(call, tmp_path: Path, periodic: Path) -> None:
    trained(call, periodic, tmp_path / "m")
    for task, window, mod in (("classification", 5, ()), ("regression", 6, ()), ("regression", 5, ("--mod", 8))):
        options = ("--task", task, "--window-size", window, *mod, "--data", periodic, "--model-dir", tmp_path / "m")
        done = call("evaluate", *options)
        assert done.code == 2
        assert "a model for regression of the value from the 5 before it, asked for was --task" in done.error


def damaged(folder: Path, **changed: Any) -> None:
    document = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(document | changed))


def test_a_damaged_model_is_refused_in_one_line(call, tmp_path: Path, periodic: Path) -> None:
    options = ("evaluate", "--task", "regression", "--window-size", 5, "--data", periodic, "--model-dir")
    assert "No such file" in call(*options, tmp_path / "absent").error
    for number, (harm, said) in enumerate(
        (
            (lambda folder: (folder / "model.safetensors").write_bytes(b"other"), "is not the file that was written"),
            (lambda folder: (folder / "model.safetensors").unlink(), "No such file"),
            (lambda folder: (folder / "model.json").write_text("{"), "not JSON"),
            (lambda folder: damaged(folder, schema_version=2), "not a sequence model of schema 1"),
            (lambda folder: damaged(folder, window=7), "its architecture does not fit"),
            (lambda folder: damaged(folder, residual_quantiles=[1]), "must be 101 whole numbers"),
            (lambda folder: damaged(folder, architecture=None), "is missing or wrong"),
        )
    ):
        folder = tmp_path / f"m{number}"
        trained(call, periodic, folder)
        harm(folder)
        assert said in call(*options, folder).error


def test_a_study_gets_a_length_for_every_request(call, tmp_path: Path, periodic: Path) -> None:
    trained(call, periodic, tmp_path / "m")
    predictions = predict_lengths([9, 8, 0, 6, 5, 4, 3, 2], tmp_path / "m", ENGINE)
    assert predictions.values == [3, 3, 3, 3, 3, 9, 8, 1]  # the training mean, then five places back; at least 1
    assert predictions.residual_quantiles == [0] * 101
    assert predict_lengths([9, 8], tmp_path / "m", ENGINE).values == [3, 3]
    assert predict_lengths([], tmp_path / "m", ENGINE).values == []


def test_a_study_is_refused_lengths_by_a_model_of_something_else(call, tmp_path: Path, periodic: Path) -> None:
    trained(call, periodic, tmp_path / "m", "--mod", 3)
    with pytest.raises(HarnessError, match="value mod 3 from the 5 before it, not lengths"):
        predict_lengths([1] * 9, tmp_path / "m", ENGINE)
    settings = read_model(tmp_path / "m").settings
    model = train_sequence(PERIOD * 9, settings, Training(seed=2), tmp_path / "n", ENGINE)
    assert (model.name, model.settings) == ("MLP, seed 2", settings)
