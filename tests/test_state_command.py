"""``python3 harness state``: what is in memory, for people and programs, and whether it is what was asked for."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.cli import state as cli_state
from harness.state import drop_caches
from harness.state.pagecache import evict, residency, warm
from harness.workspace import Workspace
from tests.checkout import Call, Done
from tests.state.cached_files import SIZE, make_file, mounted, user


@pytest.fixture
def call(typed: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    monkeypatch.setattr(cli_state, "Workspace", lambda: Workspace(tmp_path))
    return partial(typed, "state")


def document(done: Done) -> dict[str, Any]:
    return dict(json.loads(done.out.splitlines()[-1]))


def test_the_last_line_for_programs_says_what_is_in_memory(call, weights: Path) -> None:
    evict(weights)
    done = call(weights, "--json")
    told = document(done)
    assert done.code == 0
    assert told.pop("file_system")["kind"]
    entry = {"path": str(weights), "bytes": SIZE, "resident_bytes": 0, "verdict": "evicted", "reason": None}
    assert told == {
        "files": [entry],
        "bytes": SIZE,
        "resident_bytes": 0,
        "resident_fraction": 0.0,
        "verdict": "evicted",
        "reason": None,
    }


def test_warming_and_evicting_are_done_and_proved(call, weights: Path, disk: Path) -> None:
    make_file(disk / "tokenizer.json", 1000)
    evict(weights)
    done = call(disk, "--warm", "--json")
    assert (done.code, document(done)["verdict"], residency(weights).is_resident) == (0, "resident", True)
    assert call(disk, "--show", "--json").code == 0
    assert residency(weights).is_resident
    done = call(disk, "--evict", "--json")
    assert (done.code, document(done)["verdict"], residency(weights).is_evicted) == (0, "evicted", True)
    assert len(document(done)["files"]) == 2


def test_people_get_a_table_the_disk_and_the_verdict(call, weights: Path, disk: Path) -> None:
    (disk / "original").mkdir()
    make_file(disk / "original" / "more", 2_000_000)
    warm(weights)
    evict(disk / "original" / "more")
    done = call(disk)
    lines = [line.split() for line in done.out.splitlines()]
    assert (done.code, done.err) == (0, "")
    assert ["weights.safetensors", "1.0", "100.0%", "resident"] in lines
    assert ["original/more", "2.0", "0.0%", "evicted"] in lines
    assert "2 files, 3.0 MB, 34.4% resident: partial" in done.out
    assert "file system " in done.out


def test_of_very_many_files_the_odd_ones_are_shown(call, disk: Path) -> None:
    for number in range(50):
        evict(make_file(disk / f"part-{number:02}", 4096))
    warm(disk / "part-49")
    done = call(disk)
    assert "part-49" not in call(disk, "--evict").out
    assert "… and 10 more (--json names them)" in done.out
    assert "50 files, 0.2 MB, 2.0% resident: partial" in done.out


def test_what_was_not_reached_is_exit_1_with_the_reason(call, weights: Path, disk: Path) -> None:
    with user(weights, "maps") as process:
        done = call(weights, "--evict")
        assert done.code == 1
        assert f"not evicted: weights.safetensors: mapped by pid {process.pid} ({process.name})" in done.out
    with mounted(disk / "memory", "-t", "tmpfs", "none") as folder:
        make_file(folder / "file")
        done = call(folder, "--evict", "--json")
        told = document(done)
        assert (done.code, told["verdict"], told["file_system"]["kind"]) == (1, "resident", "tmpfs")
        assert told["reason"] == f"file: {told['files'][0]['reason']}"
        assert "not evicted: file: on tmpfs, which is memory" in done.err
        assert call(folder, "--warm").code == 0


def test_a_models_real_weights_come_before_its_twin(call, tmp_path: Path) -> None:
    done = call("llama3-3b", "--json")
    assert done.code == 2
    cure = "python3 download_models.py llama3-3b [--synthetic] makes it"
    assert document(done)["error"] == f"{tmp_path}/models/llama3-3b-twin: not there; {cure}"
    twin = tmp_path / "models" / "llama3-3b-twin"
    twin.mkdir(parents=True)
    make_file(twin / "twin.json", 10)
    assert f"{twin}: no file in it; {cure}" in call("llama3-3b").error
    make_file(twin / "model.safetensors")
    assert [file["path"] for file in document(call("llama3-3b", "--json"))["files"]] == [f"{twin}/model.safetensors"]
    real = tmp_path / "models" / "llama3-3b"
    (real / ".cache").mkdir(parents=True)
    make_file(real / ".cache" / "hidden", 10)
    make_file(real / "model.safetensors")
    assert [file["path"] for file in document(call("llama3-3b", "--json"))["files"]] == [f"{real}/model.safetensors"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--evict", "--warm"), "give one of --evict, --warm and --show"),
        (("--show", "--warm"), "give one of --evict, --warm and --show"),
        (("--drop-caches=some",), "Invalid value for '--drop-caches'"),
        (("another",), "Got unexpected extra argument(s) (another); see --help"),
    ],
)
def test_wrong_use_is_exit_2_and_does_nothing(call, weights: Path, arguments: tuple[str, ...], error: str) -> None:
    evict(weights)
    done = call(weights, *arguments, "--json")
    assert done.code == 2
    assert done.error.startswith(error)
    assert document(done)["error"].startswith(error)
    assert residency(weights).is_evicted


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("llama3-3", "llama3-3: neither a file or folder nor a model of models.yaml (nearest: llama3-3b, "),
        ("/nothing/there", "/nothing/there: No such file or directory; name a file or a folder of files"),
        ("/dev/null", "/dev/null: neither a regular file nor a folder; name a file or a folder of files"),
    ],
)
def test_what_is_no_model_and_no_file_is_named(call, target: str, error: str) -> None:
    assert call(target).error.startswith(error)


def test_all_caches_are_dropped_only_if_asked_and_it_is_said(
    call, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = tmp_path / "drop_caches"
    monkeypatch.setattr(drop_caches, "DROP_CACHES", kernel)
    for argument in ("--evict", "--warm", "--show"):
        call(weights, argument)
        assert not kernel.exists()
    monkeypatch.setattr("os.sync", lambda: None)
    done = call(weights, "--evict", "--drop-caches=all")
    assert (done.code, kernel.read_text()) == (0, "3\n")
    assert "dropping the page cache of the whole machine" in done.err


def test_a_name_cannot_move_the_cursor(call, disk: Path) -> None:
    make_file(disk / "a\x1b[2Jb", 10)
    done = call(disk)
    assert "\x1b" not in done.out
    assert "a\\x1b[2Jb" in done.out
