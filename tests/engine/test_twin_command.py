"""``download_models.py --synthetic`` and ``--tensorize``: what is made of models here, and what is refused before."""

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hub_models import NAME

from harness.commands.download_models import twins
from harness.engine.model_store import ModelFiles
from harness.errors import HarnessError
from harness.spec.pin import DEFAULT_CUDA_PIN
from tests.engine.typed_models import OTHER, answer, one_line_refusal
from tests.engine.typed_models import hub as hub


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

    monkeypatch.setattr(twins, "ensure_model", ensure)
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

    monkeypatch.setattr(twins, "ensure_model", fail)
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
