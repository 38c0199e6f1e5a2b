import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_hub import COMMIT, FakeHub, Repository, serving
from hub_models import HUB_ID, NAME, files_of_model, use_hub
from hypothesis import given
from hypothesis import strategies as st

from harness.engine import download as download_module
from harness.engine import twin_batch
from harness.engine.hub import fetch
from harness.engine.model_command import TOKEN, main
from harness.engine.model_store import ModelFiles
from harness.errors import HarnessError
from harness.spec.models import load_models
from harness.spec.pin import DEFAULT_CUDA_PIN

OTHER = "mistral-7b"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """A hub that has two models, asked from this process."""
    with serving(FakeHub()) as served:
        for name in (NAME, OTHER):
            served.repositories[load_models().models[name].hub_id] = Repository(files_of_model(name))
        use_hub(monkeypatch, served.url, tmp_path)
        monkeypatch.setattr(download_module, "transfer", fetch)
        yield served


Answer = tuple[int, str, str]


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Answer:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def one_line_refusal(answered: Answer) -> str:
    """What it said, if it refused in one line and did nothing."""
    code, out, err = answered
    assert (code, out, err.count("\n")) == (2, "", 1)
    return err


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
    monkeypatch.setattr("harness.engine.download_command.typer.confirm", lambda *_, **__: False)
    code, _, err = answer(["--all", "--dest", str(tmp_path)], capsys)
    assert code == 0
    assert "no such repository" in err  # what cannot be had is said before the question
    assert err.splitlines()[-1] == "nothing was downloaded"
    assert hub.sent == []


def test_the_models_of_a_figure_are_those_it_declares(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    code, out, _ = answer(["--figure", "2", "--synthetic", "--dry-run", "--dest", str(tmp_path)], capsys)
    assert (code, len(out.splitlines())) == (0, 1)
    assert out.startswith(NAME)
    code, out, _ = answer(["--figure", "rest", "--synthetic", "--dry-run", "--dest", str(tmp_path)], capsys)
    assert code == 0
    names = [line.partition(":")[0] for line in out.splitlines()]
    assert len(names) == len(set(names)) > 3


def test_several_twins_are_made_with_seed_and_scale_and_summed_up(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[tuple[Any, ...]] = []

    def ensure(name: str, _python: object, dest: Path, *rest: Any) -> ModelFiles:
        asked.append((name, rest[0], rest[1], rest[3]))
        folder = dest / f"{name}-twin"
        folder.mkdir()
        return ModelFiles(folder, name, True, None, "0" * 64, tensor_bytes=10**9)

    monkeypatch.setattr(twin_batch, "ensure_model", ensure)
    arguments = [NAME, OTHER, "--synthetic", "--seed", "3", "--scale", "0.02", "--dest", str(tmp_path)]
    code, out, err = answer(arguments, capsys)
    assert code == 0
    assert sorted(asked) == sorted([(NAME, True, 3, 0.02), (OTHER, True, 3, 0.02)])
    assert len(out.splitlines()) == 2
    assert err.splitlines()[-1].startswith("2 twins, 2.00 GB of tensors, in ")


def test_the_first_twin_that_fails_ends_the_command_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(name: str, *_: object) -> ModelFiles:
        raise HarnessError(f"making the twin of {name} failed")

    monkeypatch.setattr(twin_batch, "ensure_model", fail)
    code, out, err = answer([NAME, OTHER, "--synthetic", "--dest", str(tmp_path)], capsys)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("error: making the twin of ")


def test_twins_that_are_made_again_count_before_they_are(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / f"{NAME}-twin").mkdir()
    (tmp_path / f"{NAME}-twin" / "twin.json").write_text('{"files": {}, "scale": 0.02, "recipe_sha256": "older"}')
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    arguments = [NAME, "--synthetic", "--dest", str(tmp_path)]
    code, out, err = answer([*arguments, "--dry-run"], capsys)
    assert (code, "again: its recipe, seed or scale has changed, about 138 MB" in out) == (0, True)
    assert "about 0.14 GB; free there: 1.00 GB" in err
    code, _, err = answer([*arguments, "--scale", "1"], capsys)
    assert (code, "too little space: 6.43 GB to make, 1.00 GB free" in err) == (2, True)


@pytest.mark.usefixtures("hub")
def test_a_dry_run_of_tensorizing_installs_no_engine(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("harness.engine.tensorize.default_pin", lambda: DEFAULT_CUDA_PIN)
    monkeypatch.setattr("harness.engine.tensorize.ensure_engine", lambda *_, **__: pytest.fail("an engine was made"))
    code, out, _ = answer([NAME, "--tensorize", "--dry-run", "--dest", str(tmp_path / "models")], capsys)
    assert (code, out.count("would download")) == (0, 1)


def test_where_standard_input_is_closed_nobody_can_be_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "stdin", None)
    assert "add --yes, or name some" in one_line_refusal(answer(["--synthetic"], capsys))


def test_tensorizing_is_refused_on_the_cpu_engine_before_anything_is_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("harness.engine.tensorize.default_pin", lambda: "vllm-0.32.0-cpu")
    dest = tmp_path / "models"
    err = one_line_refusal(answer([NAME, "--synthetic", "--tensorize", "--dest", str(dest)], capsys))
    assert "--tensorize needs an NVIDIA GPU" in err
    assert not dest.exists()


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
    program = f"from harness.engine.model_command import main; main({[NAME, '--dest', str(dest)]!r})"
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
