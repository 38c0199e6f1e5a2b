"""``download_models.py``: real weights from a hub, and what is refused in one line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_hub import COMMIT, FakeHub
from hub_models import HUB_ID, NAME, use_hub
from hypothesis import given
from hypothesis import strategies as st

from harness.commands.download_models.command import TOKEN
from harness.spec.models import load_models
from tests.engine.typed_models import OTHER, answer, one_line_refusal
from tests.engine.typed_models import hub as hub

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "form", ["{}", "--token={}", "--dest={}", "-t{}", " {}", "'{}'", "Bearer {}", "--dest=/tmp/{}", "HF_TOKEN:{}"]
)
def test_an_argument_that_looks_like_a_token_is_refused_without_being_echoed(
    capsys: pytest.CaptureFixture[str], form: str
):
    token = "hf_" + "AbCdEfGh" * 4
    code, out, err = answer(["--synthetic", NAME, form.format(token)], capsys)
    assert code == 2
    assert "looks like a hub token" in err
    assert "AbCd" not in out + err
    assert err.count("\n") == 1


@pytest.mark.parametrize("argument", ["--dest=/data/hf_models", "/mnt/hf_cache/models", "llama2-7b-hf", "--all"])
def test_a_path_with_hf_in_it_is_no_token(argument: str):
    assert not TOKEN.search(argument)


@given(st.text(alphabet="abcXYZ0123456789", min_size=1), st.sampled_from(["", "--token=", "HF_TOKEN=", "-t="]))
def test_whatever_follows_hf_underscore_is_taken_for_a_token(secret: str, before: str):
    assert TOKEN.search(f"{before}hf_{secret}")


def test_an_unknown_model_is_one_line_and_exit_2_before_anything_is_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    dest = tmp_path / "models"
    err = one_line_refusal(answer(["--synthetic", NAME, "llama9", "--dest", str(dest)], capsys))
    assert err.startswith("error: unknown model 'llama9'; known, nearest first: ")
    assert not dest.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([NAME, "--all"], "not two of them"),
        ([NAME, "--figure", "2"], "not two of them"),
        (["--figure", "99"], "unknown figure '99'"),
        ([NAME, "--scale", "0.02"], "--scale is for structural twins; add --synthetic"),
        ([NAME, "--seed", "1"], "--seed is for structural twins; add --synthetic"),
        ([NAME, "--synthetic", "--scale", "0"], "larger than 0 and at most 1"),
        ([NAME, "--synthetic", "--scale", "nan"], "larger than 0 and at most 1"),
        ([NAME, "--synthetic", "--resolve"], "give it without --synthetic"),
        ([], "add --yes, or name some"),
        (["--all"], "add --yes, or name some"),
        (["--synthetic"], "add --yes, or name some"),
    ],
)
def test_a_use_that_cannot_be_meant_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], complaint: str
):
    dest = tmp_path / "models"
    assert complaint in one_line_refusal(answer([*arguments, "--dest", str(dest)], capsys))
    assert not dest.exists()


def test_a_download_says_how_much_it_is_and_how_much_is_free_before_it_starts(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    code, out, err = answer([NAME, "--dest", str(tmp_path / "models")], capsys)
    assert code == 0
    assert "to download into" in err.splitlines()[0]
    assert "free there: " in err.splitlines()[0]
    assert f"{NAME}: real weights in {tmp_path / 'models' / NAME}" in out
    hub.sent.clear()
    code, again, _ = answer([NAME, "--dest", str(tmp_path / "models")], capsys)
    assert (code, again, hub.sent) == (0, out, [])


def test_too_little_disk_is_one_more_line_and_nothing_is_made(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    dest = tmp_path / "models"
    for arguments in ([NAME], [NAME, "--synthetic"]):
        code, out, err = answer([*arguments, "--dest", str(dest)], capsys)
        assert (code, out) == (2, "")
        assert f"error: {dest}: too little space" in err.splitlines()[-1]
        assert not dest.exists()
    assert hub.sent == []


def test_one_refused_model_does_not_keep_the_others_and_the_command_fails(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    hub.repositories[HUB_ID].gated = True
    code, out, err = answer([NAME, OTHER, "--dest", str(tmp_path)], capsys)
    assert code == 2
    assert f"{OTHER}: real weights in" in out
    assert f"{NAME}: {HUB_ID} is gated" in err.splitlines()[1]
    assert err.splitlines()[-1] == f"error: 1 of 2 models are not there: {NAME} (why: above)"
    assert not (tmp_path / NAME).exists()


def test_a_dry_run_lists_each_model_and_writes_nothing(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    hub.repositories[HUB_ID].gated = True
    dest = tmp_path / "models"
    code, out, err = answer([NAME, OTHER, "--dest", str(dest), "--dry-run"], capsys)
    assert code == 0
    assert f"{OTHER}: would download" in out
    assert COMMIT in out
    assert f"{NAME}: cannot be downloaded: {HUB_ID} is gated" in out
    assert "free there" in err
    assert not dest.exists()
    code, out, _ = answer(["--synthetic", NAME, "--dest", str(dest), "--dry-run"], capsys)
    assert code == 0
    assert f"would make a structural twin in {dest / f'{NAME}-twin'}" in out
    assert not dest.exists()


def test_without_a_network_a_download_is_one_line_and_a_dry_run_knows_the_sizes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    use_hub(monkeypatch, "http://127.0.0.1:9", tmp_path)
    err = one_line_refusal(answer([NAME, "--dest", str(tmp_path)], capsys))
    assert "http://127.0.0.1:9 cannot be reached" in err
    (tmp_path / OTHER).symlink_to("elsewhere")
    code, out, err = answer([NAME, OTHER, "--dest", str(tmp_path), "--dry-run"], capsys)
    assert (code, out.splitlines()) == (
        0,
        [
            f"{OTHER}: would verify the real weights in {tmp_path / OTHER}",
            f"{NAME}: would download {HUB_ID}, 6.43 GB, into {tmp_path / NAME}",
        ],
    )
    assert f"to download into {tmp_path}: 6.43 GB; free there: " in err


def test_everything_is_downloaded_only_after_a_yes(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True, readline=lambda: "n\n"))
    monkeypatch.setattr("harness.commands.download_models.download.typer.confirm", lambda *_, **__: False)
    code, _, err = answer(["--all", "--dest", str(tmp_path)], capsys)
    assert code == 0
    assert "no such repository" in err  # what cannot be had is said before the question
    assert err.splitlines()[-1] == "nothing was downloaded"
    assert hub.sent == []


def test_resolve_writes_the_commits_that_the_hub_names_or_none(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    copy = tmp_path / "models.yaml"
    shutil.copy(ROOT / "models.yaml", copy)
    monkeypatch.setattr("harness.engine.revisions.MODELS_YAML", copy)
    before = copy.read_bytes()
    code, out, _ = answer([NAME, "--resolve", "--dry-run"], capsys)
    assert (code, copy.read_bytes()) == (0, before)
    assert out.startswith(f"{NAME}: {HUB_ID} is at {COMMIT} (before: ")
    del hub.repositories[load_models().models[OTHER].hub_id]
    assert "no such repository" in one_line_refusal(answer([NAME, OTHER, "--resolve"], capsys))
    assert copy.read_bytes() == before
    assert answer([NAME, "--resolve"], capsys)[0] == 0
    assert load_models(copy).models[NAME].revision == COMMIT


def test_ctrl_c_ends_a_transfer_at_once_and_the_next_call_finishes_it(hub: FakeHub, tmp_path: Path):
    shard = "model-00002-of-00002.safetensors"
    hub.stalled.add(shard)
    dest = tmp_path / "models"
    program = f"from harness.commands.download_models.command import main; main({[NAME, '--dest', str(dest)]!r})"
    command = [sys.executable, "-c", program]
    started = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while shard not in hub.names_sent() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(started.pid, signal.SIGINT)
    _, err = started.communicate(timeout=60)
    assert started.returncode == 130
    assert err.splitlines()[-1] == "stopped; repeat the command to go on"
    assert not (dest / NAME).exists()
    hub.stalled.clear()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, f"{NAME}: real weights in" in done.stdout) == (0, True), done.stderr
    assert json.loads((dest / f"{NAME}.snapshot.json").read_text())["files"].keys() >= {shard}
    assert not any(path.suffix == ".incomplete" for path in dest.rglob("*"))
