"""What is proved about a real start's state, and that it touches nobody's caches. Starts are shared (conftest.py)."""

from pathlib import Path

import pytest

from harness.record.run import Run
from tests.engine.conftest import OLD, RealEngine

pytestmark = pytest.mark.engine


def test_every_part_of_an_uncached_start_is_proved(cold_compiled: tuple[Run, Path]) -> None:
    run, _ = cold_compiled
    parts = run.certificate
    assert set(parts) == {"compile_cache", "model_info", "storage", "libraries", "clock", "trace"}
    assert {name: part["reason"] for name, part in parts.items() if not part["holds"]} == {}
    assert (parts["compile_cache"]["declared"], parts["compile_cache"]["before"]["files"]) == ("empty", 0)
    assert parts["compile_cache"]["after"]["compiled"] > 0
    assert (parts["model_info"]["before"]["files"], parts["model_info"]["after"]["files"]) == (0, 1)
    assert parts["model_info"]["log"] == {"loaded": 0, "missed": 1}
    assert parts["libraries"]["resident_bytes_before"] >= parts["libraries"]["bytes"] > 1e9


def test_weights_of_a_start_from_memory_come_from_memory(cold_compiled: tuple[Run, Path]) -> None:
    storage = cold_compiled[0].certificate["storage"]
    assert storage["declared"] == "ram"
    assert storage["resident_bytes_before"] == storage["bytes"]
    assert storage["read_bytes"]["load"] <= 0.01 * storage["weight_bytes"]


def test_a_start_reads_and_writes_no_cache_of_the_user(cold_compiled: tuple[Run, Path], users_caches: Path) -> None:
    assert cold_compiled[0].status == "ok"
    files = [path for path in users_caches.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"of_the_user.json"}
    assert [path for path in files if path.stat().st_atime != OLD or path.stat().st_mtime != OLD + 1] == []


def test_a_start_leaves_the_engine_s_folder_as_it_was(cold_compiled: tuple[Run, Path], real_engine: RealEngine) -> None:
    began = cold_compiled[1].stat().st_ctime - cold_compiled[0].wall_s - 60
    folder = real_engine.engine.site_packages
    changed = [path for path in folder.rglob("*") if not path.is_symlink() and path.lstat().st_mtime > began]
    assert [str(path.relative_to(folder)) for path in changed if path.suffix in (".pyc", ".py", ".so")] == []


def test_weights_of_a_start_from_the_disk_are_read_from_it(planted: tuple[Run, Path, Path]) -> None:
    run = planted[0]
    storage = run.certificate["storage"]
    assert storage["declared"] == "ssd"
    assert storage["holds"], storage["reason"]
    assert storage["resident_bytes_before"] == 0
    assert storage["read_bytes"]["load"] >= 0.99 * storage["weight_bytes"] - (1 << 20)
    assert storage["probe_bytes_per_s"] > 0
