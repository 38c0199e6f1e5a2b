"""``python3 harness replay``: what it prints and stores, and that whatever is wrong is one line before anything runs.

The engine's answer is a toy's (tests/replay_toy.py); real replays: tests/engine/test_replay.py.
"""

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.cli import replay as cli_replay
from harness.measure import replay as measured
from harness.measure.inherited import INHERITED
from harness.record.event_log import read_events
from harness.spec.pin import DEFAULT_CPU_PIN
from harness.workspace import Workspace
from tests.checkout import Call
from tests.replay_folder import DIALOGUES
from tests.replay_place import TOKENIZER, Worker
from tests.replay_place import place as place
from tests.replay_place import worker as worker


@pytest.fixture
def call(place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """``python3 harness replay ARGUMENTS`` in the folder."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(cli_replay, "Workspace", lambda: Workspace(place))
    return partial(typed, "replay")


PRINTED = (
    "requests", "blocks allocated", "blocks reused", "blocks unique", "block reuse rate", "sharing fraction",
    "block hits", "reuse gap [s]", "prefix-hit tokens", "within a session", "across sessions", "evictions",
    "preemptions", "queueing [s]", "KV blocks in use", "over time", "trace", "tokenizer", "step time", "engine",
    "replayed in",
)  # fmt: skip


def test_nothing_that_only_one_shell_has_reaches_a_replay(worker: Worker, call: Call, monkeypatch: pytest.MonkeyPatch):
    for name in ("HF_TOKEN", "VLLM_USE_V2_MODEL_RUNNER", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "7")
    assert call("--trace", "trace.jsonl", "--num-blocks", "11", "--block-size", "4").code == 0
    assert worker.inherited["PATH"] == os.environ["PATH"]
    assert worker.inherited.keys() <= {*INHERITED, "CUDA_DEVICE_ORDER"}


def test_it_prints_every_number_in_order(worker: Worker, call: Call):
    done = call("--trace", "trace.jsonl", "--num-blocks", "11", "--block-size", "4")
    assert done.code == 0
    labels = [line[:22].strip() for line in done.out.splitlines()]
    assert labels == list(PRINTED)
    assert "assumed, not measured: 5 ms" in done.out
    assert DEFAULT_CPU_PIN in done.out
    assert len(worker.asked) == 1


def test_a_program_reads_the_last_line_and_people_the_other_stream(worker: Worker, call: Call):
    done = call("--trace", "trace.jsonl", "--json", "--stock")
    document = json.loads(done.out)
    assert (document["requests"], document["schema_version"], document["step_loop"]) == (5, 1, "stock")
    assert document["parameters"]["num_blocks"] is None
    assert document["trace"] | {"file": "trace.jsonl", "format": "tokens", "requests": 5} == document["trace"]
    assert "block reuse rate" in done.err
    assert worker.asked[0]["loop"] == "stock"


def test_files_that_were_asked_for_are_written_and_nothing_else(worker: Worker, call: Call, place: Path):
    before = set(place.iterdir())
    files = ("--output-file", "stats.json", "--per-request", "rows.csv", "--events", "events.jsonl.gz")
    done = call("--trace", "trace.jsonl", *files, "--json")
    assert {path.name for path in set(place.iterdir()) - before} == {"stats.json", "rows.csv", "events.jsonl.gz"}
    assert json.loads((place / "stats.json").read_text()) == json.loads(done.out)
    rows = (place / "rows.csv").read_text().splitlines()
    assert rows[0].startswith("request_id,session_id,turn,arrival_s,")
    assert [row.partition(",")[0] for row in rows[1:]] == [each[0] for each in DIALOGUES]
    *_, (_, last) = read_events(place / "events.jsonl.gz")
    assert last["event"] == "end"
    assert worker.asked[0]["events"] is True


def test_the_engine_is_asked_for_what_was_typed(worker: Worker, call: Call, place: Path):
    call("--trace", "trace.jsonl", "--num-blocks", "40", "--block-size", "4", "--policy", "lfu", "--watermark", "0.05",
         "--no-prefix-caching", "--max-num-seqs", "8", "--max-num-batched-tokens", "64")  # fmt: skip
    (asked,) = worker.asked
    assert asked.pop("out") != str(place)
    assert asked.pop("step_time")["base_s"] == 5e-3
    assert asked == {
        "trace": str(place / "trace.jsonl"), "block_size": 4, "num_blocks": 40, "prefix_caching": False,
        "policy": "lfu", "watermark": 0.05, "max_num_seqs": 8, "max_num_batched_tokens": 64, "max_model_len": 32,
        "loop": "fast", "scheduler_cls": None, "headroom": None, "offload": None,
        "events": False, "steps": False, "limit": None,
    }  # fmt: skip


def test_without_a_limit_there_are_blocks_for_every_request_at_once(worker: Worker, call: Call):
    call("--trace", "trace.jsonl", "--block-size", "4")
    at_once = sum(-(-(len(prompt) + len(output)) // 4) for *_, prompt, output in DIALOGUES)
    assert worker.asked[0]["num_blocks"] == at_once + 2


def test_a_model_says_how_many_bytes_its_kv_takes(worker: Worker, call: Call):
    done = call("--trace", "trace.jsonl", "--num-blocks", "101", "--model", "llama3-8b", "--json")
    # 2 × 32 layers × 8 heads × 128 × 2 bytes is 128 KiB a token.
    model = json.loads(done.out)["model"]
    assert (model["block_bytes"], model["cache_bytes"]) == (16 * (128 << 10), 100 * 16 * (128 << 10))
    assert worker.asked[0]["num_blocks"] == 101
    windows = json.loads(call("--trace", "trace.jsonl", "--model", "mistral-7b", "--json").out)["model"]
    assert windows["cache_bytes"] is None
    assert windows["assumed"] == "full attention in every layer (the model has windows of 4096 tokens)"


def test_the_tokenizer_is_that_of_the_workload_that_names_the_trace(worker: Worker, call: Call, place: Path):
    sha256 = json.loads(call("--trace", "trace.jsonl", "--json").out)["trace"]["sha256"]
    document: dict[str, Any] = {"tokenizer": TOKENIZER, "traces": {"multi_turn": {"sha256": sha256}}}
    (place / "workload.json").write_text(json.dumps(document))
    assert json.loads(call("--trace", "trace.jsonl", "--json").out)["tokenizer"] == TOKENIZER
    document["traces"]["multi_turn"]["sha256"] = "0" * 64  # of another trace
    (place / "workload.json").write_text(json.dumps(document))
    assert json.loads(call("--trace", "trace.jsonl", "--json").out)["tokenizer"] is None
    assert len(worker.asked) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing option '--trace'; see --help"),
        (("--trace", "nowhere.jsonl"), "nowhere.jsonl: cannot be read: No such file or directory"),
        (("--trace", "."), ".: cannot be read: Is a directory"),
        (("--trace", "broken.jsonl"), "broken.jsonl: line 2: truncated"),
        (("--trace", "empty.jsonl"), "empty.jsonl: an empty file is no trace"),
        (("--trace", "trace.jsonl", "--num-blocks", "0"), "--num-blocks 0: a number of blocks from 2"),
        (("--trace", "trace.jsonl", "--num-blocks", "-1"), "--num-blocks -1: a number of blocks from 2"),
        (("--trace", "trace.jsonl", "--num-blocks", "1"), "--num-blocks 1: a number of blocks from 2"),
        (("--trace", "trace.jsonl", "--num-blocks", "abc"), "--num-blocks 'abc': a whole number of blocks"),
        (("--trace", "trace.jsonl", "--num-blocks", "1e9"), "--num-blocks '1e9': a whole number of blocks"),
        (("--trace", "trace.jsonl", "--num-blocks", "9" * 30), f"--num-blocks {'9' * 30}: a number of blocks"),
        (("--trace", "trace.jsonl", "--num-blocks", "9999999999"), "with 9999999999 blocks takes about 1400.6 GB of"),
        (("--trace", "trace.jsonl", "--block-size", "0"), "--block-size 0: at least 1"),
        (("--trace", "mooncake.jsonl", "--block-size", "48"), "line 1: block size 48 does not divide the 512 tokens"),
        (("--trace", "trace.jsonl", "--watermark", "1"), "--watermark 1.0: a share of the blocks"),
        (("--trace", "trace.jsonl", "--watermark", "-0.1"), "--watermark -0.1: a share of the blocks"),
        (("--trace", "trace.jsonl", "--watermark", "nan"), "--watermark nan: a share of the blocks"),
        (("--trace", "trace.jsonl", "--policy", "mru"), "--policy 'mru': it is one of lru, fifo, lfu, oracle"),
        (("--trace", "trace.jsonl", "--max-num-seqs", "0"), "--max-num-seqs 0: at least 1"),
        (("--trace", "trace.jsonl", "--max-num-batched-tokens", "8"), "--max-num-batched-tokens 8: vLLM wants one for"),
        (("--trace", "trace.jsonl", "--output-file", "trace.jsonl"), "--output-file trace.jsonl: exists already"),
        (("--trace", "trace.jsonl", "--events", "no/e.gz"), "--events no/e.gz: there is no folder no; make it first"),
        (("--trace", "trace.jsonl", "--per-request", "a", "--output-file", "./a"), "names the same file; name another"),
        (("--trace", "trace.jsonl", "--model", "nope"), "unknown model 'nope'; known, nearest first: "),
        (("--trace", "trace.jsonl", "--model", "deepseek-v2-lite-16b"), "it keeps one latent vector a token (MLA)"),
        (("--trace", "trace.jsonl", "--model", "granite4.0-h-3b"), "layers without a KV cache that grows (mamba)"),
        (
            ("--trace", "trace.jsonl", "--block-size", "4", "--num-blocks", "7"),
            "trace.jsonl: line 3: its 22 prompt and 6 output tokens take 7 blocks of 4, the cache has 6 beside",
        ),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_runs(
    worker: Worker, call: Call, place: Path, arguments: tuple[str, ...], message: str
):
    (place / "empty.jsonl").touch()
    (place / "broken.jsonl").write_text((place / "trace.jsonl").read_text()[:200])
    before = {path: path.read_bytes() for path in place.iterdir()}
    done = call(*arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.error
    assert worker.asked == []
    assert {path: path.read_bytes() for path in place.iterdir()} == before


def test_a_program_gets_the_error_as_json(worker: Worker, call: Call):
    done = call("--trace", "trace.jsonl", "--num-blocks", "abc", "--json")
    assert done.code == 2
    assert json.loads(done.out)["error"].startswith("--num-blocks 'abc'")
    assert worker.asked == []


def test_a_replay_that_failed_leaves_nothing(worker: Worker, call: Call, place: Path):
    before = set(place.iterdir())
    worker.failure = "replaying failed (exit 1, python): StuckError: nothing can be scheduled"
    done = call("--trace", "trace.jsonl", "--output-file", "stats.json")
    assert done.code == 1
    assert done.err.splitlines()[-1] == f"error: {worker.failure}"
    assert set(place.iterdir()) == before


def test_what_somebody_made_meanwhile_is_kept_and_nothing_else_is_written(
    worker: Worker, call: Call, place: Path, monkeypatch: pytest.MonkeyPatch
):
    def work(*arguments: Any, **more: Any) -> None:
        worker(*arguments, **more)
        (place / "stats.json").write_text("somebody's")

    monkeypatch.setattr(measured, "run_worker", work)
    before = set(place.iterdir())
    done = call("--trace", "trace.jsonl", "--output-file", "stats.json", "--per-request", "rows.csv")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1] == "error: --output-file stats.json: exists already; name a new file"
    assert (place / "stats.json").read_text() == "somebody's"
    assert set(place.iterdir()) == {*before, place / "stats.json"}


@pytest.mark.parametrize(
    ("pin", "message"),
    [
        (None, f"is not installed; install it with: python3 harness engines install --pin {DEFAULT_CPU_PIN}"),
        ("vllm-0.10.1.1-cuda", "replays are written for the scheduler of vLLM 0.32.0, this is 0.10.1.1"),
        ("vllm-9", "unknown engine pin 'vllm-9'; known: "),
    ],
)
def test_an_engine_that_cannot_replay_is_one_line(call: Call, pin: str | None, message: str):
    done = call("--trace", "trace.jsonl", *(() if pin is None else ("--engine", pin)))
    assert done.code == 2
    assert message in done.error
