"""Interruptions, failing steps and other people's changes leave an engine whole, on a small fake vllm."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_vllm import EDITS, PRISTINE, FakeEngine, make_fake_engine, restore
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.engine import patching, replace
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


def both_ends(engine: FakeEngine) -> tuple[dict[str, tuple[bytes, int]], dict[str, tuple[bytes, int]]]:
    """The files of the pristine and of the patched engine; leaves it pristine."""
    restore(engine, {path: (text.encode(), 0o100644) for path, text in PRISTINE.items()})
    before = engine.files()
    patching.apply(engine.pin, engine.vllm_dir)
    after = engine.files()
    restore(engine, before)
    return before, after


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


def test_a_pin_whose_hashes_do_not_fit_its_diffs_changes_nothing(engine: FakeEngine) -> None:
    wrong = engine.pin.files["vllm/v1/core.py"].model_copy(update={"patched_sha256": "0" * 64})
    pin = engine.pin.model_copy(update={"files": engine.pin.files | {"vllm/v1/core.py": wrong}})
    before = engine.files()
    with pytest.raises(HarnessError, match=r"pin\.yaml: 'patched_sha256' of vllm/v1/core\.py"):
        patching.apply(pin, engine.vllm_dir)
    assert engine.files() == before
