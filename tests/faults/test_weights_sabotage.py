"""Starts whose weights somebody touches: each is caught, named in the record, and does not count.

What is about files alone is in tests/state/test_files_*.py; a second measurement in the same checkout in
test_harness_ended.py; caches, libraries, clocks and noise in test_state_sabotage.py.
"""

import os
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import psutil
import pytest

from harness.measure import preparation
from harness.measure.model_place import model_place
from harness.state import probe
from harness.state.files import make_cold
from harness.state.staging import memory_copies, placed
from tests.faults.declared_states import RAM, SSD, WEIGHTS, meanwhile, reason, refused, start
from tests.faults.declared_states import model as model
from tests.faults.declared_states import small_probe as small_probe
from tests.measure.conftest import fake as fake
from tests.measure.fake_engine import FakeEngine
from tests.state.cached_files import SIZE, make_file, user


def test_undisturbed_every_storage_level_holds_and_states_what_was_read(fake: FakeEngine, model: Path) -> None:
    cold, warm = start(fake, model, SSD), start(fake, model, RAM)
    assert cold.counts
    assert warm.counts
    (was_cold, was_warm) = (run.certificate["storage"] for run in (cold, warm))
    assert (was_cold["resident_bytes_before"], was_warm["resident_bytes_before"]) == (0, was_warm["bytes"])
    assert was_cold["read_bytes"]["load"] >= 0.99 * WEIGHTS
    assert was_warm["read_bytes"]["load"] <= 0.01 * WEIGHTS
    assert was_cold["weight_bytes"] == WEIGHTS
    assert was_cold["probe_bytes_per_s"] > 0
    assert was_warm["probe_bytes_per_s"] is None
    assert was_cold["file_system"]["kind"]


def test_a_copy_in_memory_holds_and_reads_nothing(fake: FakeEngine, model: Path) -> None:
    state = SSD.model_copy(update={"storage": "tmpfs"})
    with memory_copies(fake.root):
        run = start(fake, placed(model, "tmpfs", fake.root, str), state)
    assert run.counts
    assert run.certificate["storage"]["read_bytes"]["load"] == 0


def test_weights_mapped_by_a_live_process_are_named_with_it(fake: FakeEngine, model: Path) -> None:
    with user(model / "model.safetensors", "maps") as other:
        why = refused(fake, start(fake, model, SSD))
    assert f"{other.pid}" in why
    assert "declared is ssd: model.safetensors: " in why
    assert start(fake, model, SSD).counts  # it has ended


def test_weights_mapped_through_a_hard_link_elsewhere_are_named_too(fake: FakeEngine, model: Path) -> None:
    os.link(model / "model.safetensors", fake.root / "elsewhere.bin")
    with user(fake.root / "elsewhere.bin", "maps") as other:
        assert f"{other.pid}" in refused(fake, start(fake, model, SSD))


def test_weights_that_are_links_into_a_hub_s_cache_are_evicted_and_proved_there(fake: FakeEngine, model: Path) -> None:
    blob = fake.root / "blobs" / "abc"
    blob.parent.mkdir()
    (model / "model.safetensors").rename(blob)
    (model / "model.safetensors").symlink_to(blob)
    run = start(fake, model, SSD)
    assert run.counts
    assert run.certificate["storage"]["weight_bytes"] == WEIGHTS
    assert run.certificate["storage"]["read_bytes"]["load"] >= 0.99 * WEIGHTS


def test_weights_in_memory_are_no_weights_on_a_disk(fake: FakeEngine, model: Path) -> None:
    with memory_copies(fake.root):
        copy = placed(model, "tmpfs", fake.root, str)
        assert "tmpfs" in refused(fake, start(fake, copy, SSD))


def test_weights_that_another_process_keeps_reading_do_not_pass_for_cold(fake: FakeEngine, model: Path) -> None:
    path = model / "model.safetensors"
    code = (
        f"while True:\n    with open({str(path)!r}, 'rb', buffering=0) as file:\n        while file.read(1 << 20): pass"
    )
    reader = subprocess.Popen([sys.executable, "-S", "-c", code])
    try:
        time.sleep(0.2)
        run = start(fake, model, SSD)
    finally:
        reader.kill()
        reader.wait()
    # Right after the eviction some of it is back already, or it comes back before the engine reads.
    why = refused(fake, run) if run.status == "failed" else reason(run)
    assert "in memory before the start" in why or "something else read them first" in why


def test_weights_that_were_read_between_proof_and_loading_do_not_pass_for_cold(fake: FakeEngine, model: Path) -> None:
    fake.behave("reads_first")  # by the engine's own front end: the whole tree's bytes are right, the loader's are not
    run = start(fake, model, SSD)
    assert "something else read them first" in reason(run)
    assert run.certificate["storage"]["read_bytes"]["tree"] >= 0.99 * WEIGHTS


def test_weights_evicted_between_proof_and_loading_do_not_pass_for_warm(
    fake: FakeEngine, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "held", lambda *_: nullcontext(False))
    with meanwhile(lambda: make_cold([model / "model.safetensors"], attempts=1)):
        run = start(fake, model, RAM)
    why = refused(fake, run) if run.status == "failed" else reason(run)
    assert "in memory" in why


def test_held_weights_cannot_be_evicted_between_proof_and_loading(fake: FakeEngine, model: Path) -> None:
    def evict() -> None:
        with (model / "model.safetensors").open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    began = threading.Event()

    def after_the_start_began() -> None:
        if began.is_set() or fake.starts():
            began.set()
            evict()

    with meanwhile(after_the_start_began):
        run = start(fake, model, RAM)
    if not run.certificate["storage"]["held"]:
        pytest.skip("no right to lock memory here")
    assert run.counts
    assert began.is_set(), "nobody tried to evict them while they were held"


def test_weights_replaced_during_the_run_are_noticed(fake: FakeEngine, model: Path) -> None:
    path = model / "model.safetensors"
    mode = path.stat().st_mtime_ns

    def touch_once() -> None:
        if fake.starts() and path.stat().st_mtime_ns == mode:
            os.utime(path, ns=(mode + 1, mode + 1))

    with meanwhile(touch_once):
        run = start(fake, model, RAM)
    assert reason(run) == "the model's files changed during the run: model.safetensors: it was written to"


def test_a_model_that_does_not_fit_into_memory_is_a_run_with_that_reason(
    fake: FakeEngine, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = psutil.virtual_memory()._replace(available=SIZE)
    monkeypatch.setattr("harness.state.files.psutil.virtual_memory", lambda: memory)
    assert "do not fit into the 0.00 GB of memory" in refused(fake, start(fake, model, RAM))


def test_a_model_without_weights_is_no_cold_one(fake: FakeEngine, model: Path) -> None:
    (model / "model.safetensors").unlink()
    assert refused(fake, start(fake, model, SSD)).endswith("has no weights that could be read from a disk")


def test_weights_removed_during_the_run_are_noticed(fake: FakeEngine, model: Path) -> None:
    def remove() -> None:
        if fake.starts():
            (model / "config.json").unlink(missing_ok=True)

    with meanwhile(remove):
        run = start(fake, model, RAM)
    assert reason(run) == "the model's files changed during the run: config.json: No such file or directory"


def test_the_originals_that_lie_in_a_folder_below_are_no_weights(fake: FakeEngine, model: Path) -> None:
    (model / "original").mkdir()
    make_file(model / "original" / "consolidated.safetensors", WEIGHTS)
    run = start(fake, model, SSD)
    assert run.counts
    assert run.certificate["storage"]["weight_bytes"] == WEIGHTS


def test_the_disk_that_is_probed_and_named_is_that_of_the_weights(fake: FakeEngine, model: Path) -> None:
    (fake.root / "elsewhere").mkdir()
    (model / "model.safetensors").rename(fake.root / "elsewhere" / "blob")
    (model / "model.safetensors").symlink_to(fake.root / "elsewhere" / "blob")
    assert model_place(model).disk == (fake.root / "elsewhere").resolve()
    assert start(fake, model, SSD).certificate["storage"]["probe_bytes_per_s"] > 0
    assert list(probe._files) == [(fake.root / "elsewhere").resolve()]
