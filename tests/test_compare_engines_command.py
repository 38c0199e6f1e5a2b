"""``python3 harness engines compare``: against fake servers, good ones and every bad one, from call to table.

Over 300 lines: one short call of the same command per claim, over the same servers.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from harness.cli import engines as cli_engines
from harness.commands.compare_engines import runs as engines_runs
from harness.commands.compare_engines.serve import Engines
from harness.commands.compare_engines.tokens import Counter
from harness.engine.environment import Installed
from harness.engine.model_store import ModelFiles
from harness.errors import HarnessError
from harness.measure import served_engines
from harness.measure.address import Address, free_port
from harness.measure.served_engines import Command
from harness.record.comparison_run import ComparisonRun, read_comparison
from harness.record.load_output import ClientRecord
from harness.spec.pin import comparison_names, load_comparison
from harness.workspace import ROOT, Workspace
from tests.checkout import Call, Done
from tests.compare_server import FakeEngine
from tests.load_server import serving

SMALL = ("--num-prompts", 2, "--concurrency", "1,2", "--iterations", 1, "--output-tokens", 4, "--prompt-words", 5)


@pytest.fixture
def call(tmp_path: Path, typed: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(cli_engines, "Workspace", lambda: Workspace(tmp_path))
    return partial(typed, "engines")


@pytest.fixture(scope="module")
def fakes() -> Iterator[dict[str, FakeEngine]]:
    behaviours = "good nodone liar burst malformed silent slow mute greedy-other key:s3cret-key".split()
    with ExitStack() as stack:
        servers = {each: FakeEngine(["toy"], behaviour=each) for each in behaviours}
        for server in servers.values():
            stack.enter_context(serving(server=server))
        yield {name.partition(":")[0]: server for name, server in servers.items()}


def targets(fakes: dict[str, FakeEngine], *names: str) -> list[str]:
    return [word for name in names for word in ("--target", f"{name}={fakes[name].url}")]


def stored(root: Path) -> list[ComparisonRun]:
    return [read_comparison(path.parent) for path in sorted(root.glob("runs/*/*/engines_*/*/comparison.json"))]


def document(done: Done) -> dict:
    return json.loads(done.out.splitlines()[-1])


def values(done: Done, metric: str) -> dict[tuple[str, int], float]:
    rows = document(done)["rows"]
    return {(row["target"], row["concurrency"]): row["value"] for row in rows if row["metric"] == metric}


def test_good_servers_are_compared_stored_told_and_drawn(call: Call, fakes, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fakes["good"].seen.clear()
    done = call(*targets(fakes, "good", "nodone"), *SMALL, "--iterations", 2, "--out", out, "--json")
    assert done.code == 0
    assert sorted(path.name for path in out.iterdir()) == ["engines.csv", "engines.json", "engines.pdf", "engines.png"]
    first, second = stored(tmp_path)
    assert {level.phase for level in first.facts.levels} == {"good/c1", "good/c2", "nodone/c1", "nodone/c2"}
    assert (first.facts.status, first.facts.run, second.facts.run) == ("ok", 1, 2)
    assert set(values(done, "completed").values()) == {2.0}
    assert all(value > 0 for metric in ("ttft_median_s", "throughput") for value in values(done, metric).values())
    assert document(done)["gaps"] == {}
    assert [(each["what"], each["identical"]) for each in document(done)["agreements"]] == [("texts", 8)]
    bodies = [each.body for each in fakes["good"].seen]
    assert all(body["stream"] and body["temperature"] == 0 and "ignore_eos" not in body for body in bodies)
    prompts = [body["prompt"] for body in bodies if body["max_tokens"] == 4]
    assert len(prompts) == len(set(prompts)) == 8  # none twice: a kept prefix would answer faster
    assert "counted as streamed chunks with text" in done.err


def test_targets_without_a_verb_are_compared_and_the_groups_verbs_are_still_there(call: Call, fakes) -> None:
    assert call("--target", f"good={fakes['good'].url}", *SMALL).code == 0
    assert call("list", "--json").code == 0  # the group's verbs are still there


def test_a_server_that_lies_about_its_tokens_gains_nothing(call: Call, fakes) -> None:
    done = call(*targets(fakes, "good", "liar"), *SMALL, "--json")
    assert values(done, "tokens")["liar", 1] == values(done, "tokens")["good", 1] == 8
    assert values(done, "told_tokens")["liar", 1] == 80
    assert "liar itself says 160 tokens where 16 are counted (+900.0 %)" in done.err


def test_a_call_that_is_stopped_leaves_no_run(call: Call, fakes, tmp_path: Path, monkeypatch) -> None:
    def stopped(*_: object) -> None:
        assert list(tmp_path.rglob(".1.partial"))
        raise KeyboardInterrupt

    monkeypatch.setattr(engines_runs, "measure_repeat", stopped)
    assert call(*targets(fakes, "good"), *SMALL).code == 130
    assert list(tmp_path.rglob("*.partial")) == []


def test_an_answer_in_one_piece_has_no_decode_speed(call: Call, fakes) -> None:
    done = call(*targets(fakes, "burst"), *SMALL, "--json")
    assert values(done, "decode_median") == {}
    assert values(done, "tokens")["burst", 1] == 2  # without a tokenizer a chunk is all that can be counted


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("malformed", "its first request failed: not JSON: {half of a chu"),
        ("silent", "its first request failed: the stream ended without [DONE]"),
        ("slow", "its first request failed: no answer within 0.3 s"),
        ("mute", "its first answer holds no text"),
    ],
)
def test_a_bad_target_is_a_gap_with_its_reason_and_the_others_go_on(
    call: Call, fakes, name: str, reason: str, tmp_path: Path
) -> None:
    done = call(*targets(fakes, name, "good"), *SMALL, "--timeout", 0.3, "--json")
    assert done.code == 0
    assert document(done)["gaps"] == {name: reason}
    assert {target for target, _ in values(done, "throughput")} == {"good"}
    (run,) = stored(tmp_path)
    assert (run.facts.status, [each.gap for each in run.facts.targets]) == ("failed", [reason, None])


def test_without_any_target_that_answers_the_call_fails_but_is_stored(call: Call, tmp_path: Path) -> None:
    done = call("--target", f"down=http://127.0.0.1:{free_port()}", *SMALL, "--json", "--out", tmp_path / "out")
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith("error: no target was measured: no server answers: ")
    assert "refused" in document(done)["gaps"]["down"]
    assert len(stored(tmp_path)) == 1


def test_a_key_comes_from_the_environment_and_is_in_no_file(
    call: Call, fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOD_KEY", "s3cret-key")
    monkeypatch.setenv("BAD_KEY", "other-s3cret")
    url = fakes["key"].url
    arguments = ("--target", f"key={url}", "--key-env", "key=GOOD_KEY")
    arguments += ("--target", f"wrong={url}", "--key-env", "wrong=BAD_KEY", "--model-of", "wrong=toy")
    done = call(*arguments, *SMALL, "--json")
    assert done.code == 0
    assert values(done, "completed")["key", 2] == 2
    assert document(done)["gaps"]["wrong"] == (
        "its first request failed: HTTP 401: Incorrect API key provided: Bearer ***"
    )
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"s3cret" not in kept + done.out.encode() + done.err.encode()


def test_a_server_killed_mid_load_keeps_what_it_answered_and_is_a_gap_from_there_on(
    call: Call, fakes, tmp_path: Path
) -> None:
    port = free_port()
    command = [sys.executable, "-m", "tests.compare_server", "dies:5", str(port)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            while not Address(port=port).listens():
                assert process.poll() is None
            arguments = ("--target", f"dying=http://127.0.0.1:{port}", *targets(fakes, "good"))
            done = call(*arguments, *SMALL, "--num-prompts", 3, "--json")
        finally:
            process.kill()
    assert done.code == 0
    assert values(done, "completed")["good", 2] == 3
    completed, failed = values(done, "completed"), values(done, "failed")
    assert (completed["dying", 1], failed["dying", 1]) == (3, 0)
    assert completed["dying", 2] + failed["dying", 2] == 3
    assert failed["dying", 2] >= 1
    assert "requests failed at concurrency 2: " in document(done)["gaps"]["dying"]
    assert stored(tmp_path)[0].facts.status == "failed"


def test_engines_that_answer_otherwise_are_told_with_the_token_where_they_part(
    call: Call, fakes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    count_words(monkeypatch)
    done = call(*targets(fakes, "good", "greedy-other"), *SMALL, "--tokenizer", tmp_path, "--json")
    (told,) = document(done)["agreements"]
    assert (told["identical"], told["compared"], told["first_least"]) == (0, 4, 3)
    assert document(done)["tokenizer"] == tmp_path.name


def count_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tokenizer whose tokens are words, in the place of the worker's."""

    def ids(_: Counter, records: Sequence[ClientRecord]) -> dict[str, list[int]]:
        return {each.request_id: [sum(map(ord, word)) for word in (each.text or "").split()] for each in records}

    def counter(named: object, *_: object) -> Counter | None:
        return Counter(Path(str(named)) / "tokenizer.json", Path(sys.executable)) if named else None

    monkeypatch.setattr("harness.commands.compare_engines.compare.counter_of", counter)
    monkeypatch.setattr(Counter, "ids", ids)
    monkeypatch.setattr(Counter, "check", lambda _: None)


def test_a_tokenizer_that_counts_nothing_is_told_before_anything_is_sent(
    call: Call, fakes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    found = Counter(tmp_path / "tokenizer.json", Path(sys.executable))  # has no tokenizers: the worker itself fails
    monkeypatch.setattr("harness.commands.compare_engines.compare.counter_of", lambda *_: found)
    fakes["good"].seen.clear()
    done = call(*targets(fakes, "good"), *SMALL, "--tokenizer", tmp_path)
    assert (done.code, fakes["good"].seen, stored(tmp_path)) == (2, [], [])
    assert done.error.startswith(f"--tokenizer {tmp_path}: its tokenizer.json counts nothing: counting tokens failed")
    assert "No module named 'tokenizers'" in done.error


def test_a_count_that_fails_later_fails_its_run_and_is_not_replaced_by_chunks(
    call: Call, fakes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    count_words(monkeypatch)
    counted, calls = Counter.ids, iter((False, True))

    def ids(counter: Counter, records: Sequence[ClientRecord]) -> dict[str, list[int]]:
        if next(calls):
            raise HarnessError("counting tokens took more than 600 s")
        return counted(counter, records)

    monkeypatch.setattr(Counter, "ids", ids)
    arguments = (*targets(fakes, "good", "greedy-other"), *SMALL, "--iterations", 2, "--tokenizer", tmp_path)
    done = call(*arguments, "--json")
    assert [run.facts.status for run in stored(tmp_path)] == ["ok", "failed"]
    assert document(done)["gaps"]["good"] == (
        "its answers' tokens could not be counted: counting tokens took more than 600 s"
    )
    repeats = {(row["metric"], row["repeat"]) for row in document(done)["rows"]}
    assert {("ttft_median_s", 2), ("tokens", 1), ("throughput", 1)} <= repeats
    assert not repeats & {(metric, 2) for metric in ("tokens", "throughput", "decode_median", "chunks_per_token")}
    assert [each["compared"] for each in document(done)["agreements"]] == [4]  # of the counted repeat alone


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compare",), "nothing to compare: give --target NAME=URL, or --serve vllm,llama.cpp,transformers"),
        (("--target", "http://x"), "--target http://x…: it takes NAME=URL"),
        (("--target", "a=ftp://x"), "--target a=…: no URL of a server"),
        (("--target", "a=http://u:pass@x"), "--target a=…: a URL with a password"),
        (("--target", "a=http://x", "--target", "a=http://y"), "--target a=…: a stands twice"),
        (("--target", "a=http://x", "--key-env", "b=KEY"), "--key-env b=…: no --target has this name"),
        (
            ("--target", "a=http://x", "--key-env", "a=NOT_SET_HERE"),
            "--key-env a=NOT_SET_HERE: the variable is not set",
        ),
        (("--serve", "vllm,nope"), "--serve nope: no engine that is served here"),
        (("--serve", "vllm", "--target", "vllm=http://x"), "--target vllm=…: --serve has this name, too"),
        (("--serve", "vllm", "--model", "nope"), "unknown model 'nope'"),
        (("--serve", "vllm", "--engine", "nope"), "unknown engine pin 'nope'"),
        (("--target", "a=http://x", "--concurrency", "0"), "--concurrency 0: it takes whole numbers"),
        (("--target", "a=http://x", "--num-prompts", "4", "--concurrency", "8"), "--num-prompts 4: fewer than"),
        (("--target", "a=http://x", "--tokenizer", "nowhere"), "--tokenizer nowhere: there is no tokenizer.json"),
        (("--target", "a=http://x", "--prompts", "nowhere"), "--prompts nowhere: cannot be read"),
        (("--target", "a=http://x", "--out", "tests"), "--out tests: not an empty folder"),
    ],
)
def test_a_wrong_call_is_one_line_and_sends_nothing(
    call: Call, arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    done = call(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_without_an_engine_that_reads_tokenizers_it_says_what_to_install(call: Call, fakes, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    done = call(*targets(fakes, "good"), *SMALL, "--tokenizer", tmp_path)
    assert done.code == 2
    assert done.error.startswith("no installed engine can read a tokenizer: python3 harness engines install --pin ")


def serve_fakes(monkeypatch: pytest.MonkeyPatch, behaviours: dict[str, str], scratch: Path) -> None:
    """Started engines that are fake servers: kind → behaviour, or the command's last words."""
    build = load_comparison(comparison_names()[0])

    def set_up(*_: object) -> Engines:
        folder = Path(tempfile.mkdtemp(dir=scratch)) / "m"
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        model = ModelFiles(folder, "m", True, None, "0" * 64)
        return Engines(model, {kind: Installed(build, Path(sys.prefix)) for kind in behaviours})  # type: ignore[arg-type]

    def command(kind: str) -> Callable[..., Command]:
        def of(_: Installed, how: served_engines.Serving) -> Command:
            words = [sys.executable, "-m", "tests.compare_server", behaviours[kind], str(how.port)]
            if behaviours[kind].startswith("!"):
                words = [sys.executable, "-c", f"raise RuntimeError({behaviours[kind][1:]!r})"]
            return Command(words, {}, ROOT)

        return of

    monkeypatch.setattr("harness.commands.compare_engines.compare.set_up_engines", set_up)
    monkeypatch.setattr("harness.commands.compare_engines.compare.counter_of", lambda *_: None)
    monkeypatch.setattr(served_engines, "_COMMANDS", {kind: command(kind) for kind in behaviours})


def test_engines_are_started_measured_and_found_again_in_the_store(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    serve_fakes(monkeypatch, {"llama.cpp": "good", "transformers": "nodone"}, tmp_path)
    arguments = ("--serve", "llama.cpp,transformers", *SMALL, "--json")
    done = call(*arguments)
    assert (done.code, document(done)["gaps"]) == (0, {})
    (run,) = stored(tmp_path)
    assert [each.ready_s > 0 for each in run.facts.targets if each.ready_s] == [True, True]
    assert all(level.cpu_s is not None and level.others_cpu_s is not None for level in run.facts.levels)
    assert "random-weight twin" in done.err
    monkeypatch.setattr(engines_runs, "_make", lambda *_: pytest.fail("made again"))
    again = call(*arguments)
    assert document(again)["rows"] == document(done)["rows"]
    assert len(stored(tmp_path)) == 1


def test_an_engine_that_does_not_start_is_a_gap_with_its_own_last_words(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    serve_fakes(monkeypatch, {"vllm": "good", "llama.cpp": "!no such weights", "transformers": "good"}, tmp_path)
    done = call("--serve", "vllm,llama.cpp,transformers", *SMALL, "--json")
    assert done.code == 0
    assert document(done)["gaps"] == {"llama.cpp": "llama.cpp: its server ended: RuntimeError: no such weights"}
    assert {target for target, _ in values(done, "throughput")} == {"vllm", "transformers"}
    (run,) = stored(tmp_path)
    assert run.facts.status == "failed"  # so a repeated call tries again


def test_what_again_measured_is_what_the_next_call_shows(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    serve_fakes(monkeypatch, {"llama.cpp": "good"}, tmp_path)
    arguments = ("--serve", "llama.cpp", *SMALL, "--iterations", 2, "--json")

    def shown(*more: str) -> list[int]:
        return [run["run"] for run in document(call(*arguments, *more))["runs"]]

    assert (shown(), shown("--again"), shown()) == ([1, 2], [3, 4], [3, 4])
    (folder,) = tmp_path.glob("runs/*/*/engines_*/3")
    shutil.rmtree(folder)
    assert shown() == [2, 4]  # the newest that are complete: nothing is missing
    assert len(stored(tmp_path)) == 3


def test_an_engine_that_cannot_be_installed_ends_nothing_though_it_alone_could_read_tokenizers(
    call: Call, fakes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "tokenizer.json").write_text("{}")
    model = ModelFiles(folder, "m", True, None, "0" * 64)
    engines = Engines(model, {}, {"vllm": "not installed: no network"})
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr("harness.commands.compare_engines.compare.set_up_engines", lambda *_: engines)
    done = call("--serve", "vllm", *targets(fakes, "good"), *SMALL, "--json")
    assert (done.code, document(done)["tokenizer"]) == (0, None)
    assert document(done)["gaps"] == {"vllm": "not installed: no network"}
    assert "streamed chunks are counted: no installed engine can read a tokenizer" in done.err
    assert values(done, "tokens")["good", 1] == 8
