"""``python3 harness load``: what it writes, prints and refuses, against a small real server."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.commands import load as load_command
from harness.record.load import Sending
from harness.record.load_output import read_records, read_summary
from harness.workspace import ROOT
from tests.checkout import Call, Done
from tests.load_server import LoadServer, serving


@pytest.fixture(scope="module")
def running() -> Iterator[LoadServer]:
    with serving() as server:
        yield server


@pytest.fixture
def server(running: LoadServer) -> LoadServer:
    running.seen.clear()
    return running


@pytest.fixture
def call(typed: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setenv("COLUMNS", "200")
    return partial(typed, "load")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "load.jsonl"
    rows = [{"prompt": "one two", "conversation": 9, "output_tokens": 3}, {"prompt": "three"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_load_is_sent_and_what_was_seen_is_written_and_told(call, server, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    done = call("--base-url", f"{server.url}/v1/", "--data", data, "--output-file", out, "--output-tokens", 2, "--json")
    assert done.code == 0
    assert names(tmp_path) == ["load.jsonl", "out.jsonl", "out.summary.json"]
    records = read_records(out)
    assert [(each.conversation, each.output_tokens, each.request_id) for each in records] == [
        (9, 3, "load-0"),
        (1, 2, "load-1"),
    ]
    document = json.loads(done.out.splitlines()[-1])
    assert document["summary"] == json.loads((tmp_path / "out.summary.json").read_text())
    assert document["metrics"]["completed"] == {"value": 2.0, "unit": "requests"}
    assert document["metrics"]["ttft_mean_s"]["value"] > 0
    for word in ("TTFT", "TPOT", "ITL", "end to end", "2 of 2 requests completed", "CPU seconds", "output tokens/s"):
        assert word in done.err
    assert server.seen[0].body["model"] == "toy"


def test_failed_requests_are_stored_told_and_make_the_exit_code(call, server, tmp_path: Path) -> None:
    data, out = tmp_path / "load.jsonl", tmp_path / "out.jsonl"
    data.write_text('{"prompt": "error"}\n{"prompt": "fine"}\n')
    done = call("--base-url", server.url, "--data", data, "--output-file", out, "--output-tokens", 2)
    assert done.code == 1
    assert read_summary(tmp_path / "out.summary.json").failed == 1
    assert "1 × HTTP 500: no\\nroom" in done.out


def test_every_option_reaches_the_client(call, server, data: Path, tmp_path: Path, monkeypatch) -> None:
    sent: list[Any] = []
    real = load_command.run_load
    monkeypatch.setattr(load_command, "run_load", lambda *given: sent.append(given) or real(*given))
    sending = Sending(float("inf"), 3, False, True, True, 5, 0.5, 7.5)
    more = ("--model", "mine", "--request-id-prefix", "warm", "--output-tokens", 2, "--num-prompts", 1)
    call("--base-url", server.url, "--data", data, "--output-file", tmp_path / "a.jsonl", *sending.arguments(), *more)
    (rows, target, told), *_ = sent
    assert told == sending
    assert len(rows) == 1
    assert (target.model, target.prefix) == ("mine", "warm")
    plain = Sending(stream=False)
    out = tmp_path / "b.jsonl"
    call("--base-url", server.url, "--data", data, "--output-file", out, "--output-tokens", 2, *plain.arguments())
    assert sent[1][2] == plain


def refused(done: Done, *words: str) -> None:
    assert done.code == 2
    assert all(word in done.error for word in words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--request-rate", "fast"), ("--request-rate fast", "inf")),
        (("--request-rate", "0"), ("--request-rate 0",)),
        (("--request-rate", "nan"), ("--request-rate nan",)),
        (("--max-concurrency", 0), ("max-concurrency",)),
        (("--cancel", 1.5), ("cancel",)),
        (("--cancel", 0.5, "--no-stream"), ("--cancel", "--no-stream")),
        (("--num-prompts", 3), ("it has 2 requests",)),
        (("--request-id-prefix", "a b"), ("--request-id-prefix",)),
        (("--request-id-prefix", "a\r\nx: y"), ("--request-id-prefix",)),
        (("--base-url", "nonsense"), ("nonsense", "http://")),
        (("--base-url", "ftp://x"), ("ftp://x", "http://")),
        (("--base-url", "http://127.0.0.1:1"), ("no server answers",)),
        (("--base-url", "http://127.0.0.1:1", "--model", "m"), ("no server answers",)),
        (("--data", "nowhere.jsonl"), ("nowhere.jsonl", "docs/load.md")),
        (("--output-file", "out.csv"), ("must end in .jsonl",)),
        (("--output-file", "no/such/out.jsonl"), ("no folder that can be written to",)),
    ],
)
def test_wrong_use_is_one_line_and_nothing_is_sent_or_written(
    call, server, data: Path, tmp_path: Path, options: tuple[Any, ...], words: tuple[str, ...]
) -> None:
    given = {"--base-url": server.url, "--data": data, "--output-file": tmp_path / "out.jsonl", "--output-tokens": 2}
    done = call(*(part for option in given.items() for part in option), *options)
    refused(done, *words)
    assert names(tmp_path) == ["load.jsonl"]
    assert server.seen == []


@pytest.mark.parametrize("url", ["http://user:hunter2@127.0.0.1:9", "ftp://user:hunter2@x", "http://x/?key=hunter2"])
def test_a_secret_in_a_servers_url_is_refused_and_not_printed(call, data: Path, tmp_path: Path, url: str) -> None:
    done = call("--base-url", url, "--data", data, "--output-file", tmp_path / "o.jsonl", "--output-tokens", 2)
    refused(done, "--base-url: ")
    assert "hunter2" not in done.out + done.err


def test_a_bad_line_is_named_and_nothing_is_sent(call, server, data: Path, tmp_path: Path) -> None:
    with data.open("a") as file:
        file.write('{"prompt": 7}\n')
    done = call("--base-url", server.url, "--data", data, "--output-file", tmp_path / "o.jsonl", "--output-tokens", 2)
    refused(done, "line 3", "prompt must be text")
    data.write_text('{"messages": [{"role": "user", "content": "a"}]}\n')
    done = call("--base-url", server.url, "--data", data, "--output-file", tmp_path / "o.jsonl", "--output-tokens", 2)
    refused(done, "add --chat")
    assert server.seen == []


@pytest.mark.parametrize("there", ["out.jsonl", "out.summary.json"])
def test_an_output_file_that_is_there_stays_as_it_is(call, server, data: Path, tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    done = call("--base-url", server.url, "--data", data, "--output-file", tmp_path / "out.jsonl")
    refused(done, there, "exists already")
    assert (tmp_path / there).read_text() == "mine"
    assert server.seen == []


def test_a_load_that_is_stopped_writes_nothing(server, tmp_path: Path) -> None:
    data = tmp_path / "load.jsonl"
    data.write_text('{"prompt": "slow"}\n')
    command = [sys.executable, "-m", "harness", "load", "--base-url", server.url, "--data", str(data)]
    more = ["--output-file", str(tmp_path / "out.jsonl"), "--output-tokens", "2"]
    with subprocess.Popen([*command, *more], cwd=ROOT, stderr=subprocess.PIPE, text=True) as client:
        while not server.seen:
            assert client.poll() is None
            time.sleep(0.02)
        client.send_signal(signal.SIGINT)
        _, said = client.communicate(timeout=20)
    assert client.returncode == 130
    assert "nothing of it is written" in said
    assert "Traceback" not in said
    assert names(tmp_path) == ["load.jsonl"]


@pytest.mark.parametrize("models", [[], ["a", "b"]])
def test_which_of_several_models_is_meant_must_be_said(call, data: Path, tmp_path: Path, models: list[str]) -> None:
    with serving(models) as server:
        done = call(
            "--base-url", server.url, "--data", data, "--output-file", tmp_path / "o.jsonl", "--output-tokens", 2
        )
    refused(done, f"it serves {len(models)} models", "name the --model")
