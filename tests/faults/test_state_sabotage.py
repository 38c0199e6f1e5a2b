"""Starts whose declared state somebody destroys: each is caught, named in the record, and does not count.

Caches, libraries, clocks and noise; weights: test_weights_sabotage.py.
"""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.measure import preparation
from harness.measure.preparation import Surroundings
from harness.measure.start import OfflineStart
from harness.state.clocks import ClockWatch
from tests.faults.declared_states import CACHED, RAM, reason, refused, start
from tests.faults.declared_states import model as model
from tests.faults.declared_states import small_probe as small_probe
from tests.measure.conftest import fake as fake
from tests.measure.fake_engine import FakeEngine
from tests.state.cached_files import make_file, mounted, user


def test_a_compile_cache_left_in_place_is_not_an_empty_one(fake: FakeEngine, model: Path) -> None:
    (fake.root / "elsewhere").mkdir()
    (fake.root / "elsewhere" / "kernel.so").write_text("stale")
    (fake.root / "caches").mkdir()
    (fake.root / "caches" / "run").symlink_to(fake.root / "elsewhere")  # what lies behind a link is not deleted
    assert reason(start(fake, model, RAM), "compile_cache") == "1 files were in the caches before the start"


def test_a_cache_that_the_sandbox_does_not_cover_betrays_itself_in_the_log(fake: FakeEngine, model: Path) -> None:
    fake.behave("finds_another_cache")
    assert "there is another cache" in reason(start(fake, model, RAM), "compile_cache")


def test_caches_changed_after_the_warm_up_are_not_those_it_left(fake: FakeEngine, model: Path) -> None:
    assert start(fake, model, CACHED, "warmup").counts
    (kernel,) = (fake.root / "caches" / "warm-up").rglob("*.so")
    kernel.write_text("another")
    assert (
        reason(start(fake, model, CACHED), "compile_cache") == "the caches were not those that the warm-up start left"
    )
    kernel.write_text("compiled")
    assert start(fake, model, CACHED).counts


def test_what_another_session_knows_of_model_classes_is_not_empty(fake: FakeEngine, model: Path) -> None:
    folder = fake.root / "caches" / "warm-up" / "vllm" / "modelinfos"
    assert start(fake, model, CACHED, "warmup").counts
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "llama.json").write_text("{}")
    assert reason(start(fake, model, CACHED), "model_info").startswith("the caches were not those")


def test_a_read_only_cache_folder_is_one_line_before_anything_starts(fake: FakeEngine, model: Path) -> None:
    with (
        mounted(fake.root / "caches", "-t", "tmpfs", "-o", "ro,size=1m", "none"),
        pytest.raises(HarnessError, match=r"cannot be written \(Read-only file system\); this run is lost"),
    ):
        start(fake, model, RAM)
    assert fake.starts() == []
    assert fake.store().runs() == []


def test_a_wall_clock_that_was_set_during_the_run_is_noticed(
    fake: FakeEngine, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def an_hour_later_once_it_has_started(clock: int) -> float:
        set_by = 3600.0 if clock == time.CLOCK_REALTIME and fake.starts() else 0.0
        return time.clock_gettime(clock) + set_by

    monkeypatch.setattr(preparation, "ClockWatch", lambda: ClockWatch(an_hour_later_once_it_has_started))
    assert "the wall clock was set by +3600.00 s during the run" in reason(start(fake, model, RAM), "clock")


def test_libraries_that_stay_in_memory_do_not_pass_for_cold(fake: FakeEngine, model: Path) -> None:
    library = make_file(fake.root / "libtorch.so")
    with user(library, "maps"):
        offline = OfflineStart(fake.engine.python, model, {}, eager=False)
        cold = replace(fake.case(), start=offline, state=RAM.model_copy(update={"libraries": "cold"}))
        run = fake.start("measured", state=cold.state, start=offline, around=Surroundings(model, (fake.root,)))
    assert "of the libraries' bytes was in memory, declared is cold: libtorch.so: " in refused(fake, run)


def test_noise_is_marked_and_the_run_counts_all_the_same(fake: FakeEngine, model: Path) -> None:
    spinner = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
    try:
        run = start(fake, model, RAM, quiet_wait_s=0.3)
    finally:
        spinner.kill()
        spinner.wait()
    assert run.counts
    assert [mark for mark in run.marks if mark.startswith("cpu: ")]
    assert run.noise["waited_s"] >= 0.3
