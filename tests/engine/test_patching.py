"""Applying, repairing and taking back a patch set, on a small fake vllm."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_vllm import EDITS, HOOKS, INIT, PRISTINE, FakeEngine, make_fake_engine
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.engine import patching, replace
from harness.engine.patch_set import patches_sha256
from harness.engine.patch_state import LEFTOVER
from harness.errors import HarnessError
from harness.spec.pin import Pin


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    return make_fake_engine(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeEngine]:
    """One fake engine for all examples of a property; each example begins by restoring it."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        yield make_fake_engine(Path(folder), monkeypatch)


def restore(engine: FakeEngine, files: dict[str, tuple[bytes, int]]) -> None:
    for path in set(engine.files()) - set(files):
        (engine.site / path).unlink()
    for path, (data, mode) in files.items():
        (engine.site / path).parent.mkdir(exist_ok=True)
        (engine.site / path).write_bytes(data)
        (engine.site / path).chmod(mode & 0o777)


def both_ends(engine: FakeEngine) -> tuple[dict[str, tuple[bytes, int]], dict[str, tuple[bytes, int]]]:
    """The files of the pristine and of the patched engine; leaves it pristine."""
    restore(engine, {path: (text.encode(), 0o100644) for path, text in PRISTINE.items()})
    before = engine.files()
    patching.apply(engine.pin, engine.vllm_dir)
    after = engine.files()
    restore(engine, before)
    return before, after


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


@settings(deadline=None)  # each example runs git
@given(st.data())
def test_any_interrupted_application_is_repaired_and_can_be_reverted(shared: FakeEngine, data: st.DataObject) -> None:
    before, after = both_ends(shared)
    reached = data.draw(st.sets(st.sampled_from(sorted(after))), label="files that were in place when it died")
    mixed = before | {path: after[path] for path in reached}
    leftover = data.draw(st.sampled_from([None, *sorted(EDITS)]), label="file that was being written")
    restore(shared, mixed)
    if leftover:
        (shared.site / (leftover + LEFTOVER)).write_text("half a fi")
    if data.draw(st.booleans(), label="revert instead of repair"):
        patching.revert(shared.pin, shared.vllm_dir)
        assert shared.files() == before
    else:
        patching.apply(shared.pin, shared.vllm_dir)
        assert shared.files() == after


def test_a_killed_application_is_partial_and_repaired(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def dies_at_the_third(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 3:
            os._exit(9)
        os.rename(source, target)

    child = os.fork()
    if child == 0:
        monkeypatch.setattr(replace.os, "replace", dies_at_the_third)
        patching.apply(engine.pin, engine.vllm_dir)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert patching.status(engine.pin, engine.vllm_dir).state == "partial"
    patching.apply(engine.pin, engine.vllm_dir)
    assert patching.status(engine.pin, engine.vllm_dir).state == "applied"
    assert not list(engine.site.rglob(f"*{LEFTOVER}"))


@settings(deadline=None)
@given(fails_at=st.integers(0, 6), reverting=st.booleans(), error=st.sampled_from([OSError, KeyboardInterrupt]))
def test_a_failing_step_takes_all_steps_back(
    shared: FakeEngine, fails_at: int, reverting: bool, error: type[BaseException]
) -> None:
    before, after = both_ends(shared)
    restore(shared, after if reverting else before)
    steps = []
    put = replace._put

    def fails_once(file: Path, exists_after: bool, suffix: str) -> None:
        steps.append(file)
        if len(steps) == fails_at + 1:
            raise error(28, "No space left on device", str(file))
        put(file, exists_after, suffix)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replace, "_put", fails_once)
        with pytest.raises(HarnessError if error is OSError else error) as caught:
            (patching.revert if reverting else patching.apply)(shared.pin, shared.vllm_dir)
    assert shared.files() == (after if reverting else before)
    if error is OSError:
        assert str(steps[fails_at]) in str(caught.value)
        assert "No space left" in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        *EDITS,
        "coldstart_tracer/_spans.py",
        "coldstart_tracer/unknown.py",
        "coldstart_tracer.pth",
        "coldstart_tracer/installed.json",
    ],
)
@pytest.mark.parametrize("verb", [patching.apply, patching.revert])
def test_a_file_changed_by_somebody_else_is_refused_and_named(
    engine: FakeEngine, path: str, verb: Callable[[Pin, Path], list[str]]
) -> None:
    patching.apply(engine.pin, engine.vllm_dir)
    with (engine.site / path).open("a") as file:
        file.write("# a note of mine\n")
    before = engine.files()
    assert patching.status(engine.pin, engine.vllm_dir).paths("foreign") == [path]
    with pytest.raises(HarnessError, match=rf"{engine.site / path}: .*changed by something other"):
        verb(engine.pin, engine.vllm_dir)
    assert engine.files() == before


def test_a_file_edited_before_the_first_application_is_refused(engine: FakeEngine) -> None:
    (engine.site / "vllm/v1/core.py").write_text("import time\n")
    before = engine.files()
    with pytest.raises(HarnessError, match=r"vllm/v1/core\.py"):
        patching.apply(engine.pin, engine.vllm_dir)
    assert engine.files() == before


def test_another_version_of_vllm_is_refused_naming_both(engine: FakeEngine) -> None:
    (engine.site / "vllm/_version.py").write_text("__version__ = '1.2.4'\n")
    before = engine.files()
    with pytest.raises(HarnessError, match=r"this is vllm 1\.2\.4, .* is for 1\.2\.3"):
        patching.apply(engine.pin, engine.vllm_dir)
    assert engine.files() == before


def test_the_version_is_read_from_the_dist_info_where_there_is_no_version_file(engine: FakeEngine) -> None:
    (engine.site / "vllm/_version.py").unlink()
    with pytest.raises(HarnessError, match="not an installed vllm"):
        patching.status(engine.pin, engine.vllm_dir)
    (engine.site / "vllm_fake-1.2.3.dist-info").mkdir()
    assert patching.status(engine.pin, engine.vllm_dir).state == "pristine"


def test_a_folder_that_is_no_vllm_package_is_refused(tmp_path: Path, engine: FakeEngine) -> None:
    with pytest.raises(HarnessError, match="not a vllm package folder"):
        patching.status(engine.pin, tmp_path)


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


def test_a_pin_whose_hashes_do_not_fit_its_diffs_changes_nothing(engine: FakeEngine) -> None:
    wrong = engine.pin.files["vllm/v1/core.py"].model_copy(update={"patched_sha256": "0" * 64})
    pin = engine.pin.model_copy(update={"files": engine.pin.files | {"vllm/v1/core.py": wrong}})
    before = engine.files()
    with pytest.raises(HarnessError, match=r"pin\.yaml: 'patched_sha256' of vllm/v1/core\.py"):
        patching.apply(pin, engine.vllm_dir)
    assert engine.files() == before


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


def test_check_reports_a_hook_whose_target_is_gone_with_the_nearest_name(engine: FakeEngine) -> None:
    patching.apply(engine.pin, engine.vllm_dir)
    assert patching.check(engine.pin, engine.vllm_dir).ok
    (engine.patches / "fake/hooks.toml").write_text(HOOKS.replace("Core.start", "Core.begin_start"))
    patching.apply(engine.pin, engine.vllm_dir)
    result = patching.check(engine.pin, engine.vllm_dir)
    assert not result.ok
    assert [(hook.name, hook.nearest) for hook in result.gone] == [("Core.begin_start", "Core.start")]
