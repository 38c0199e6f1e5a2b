"""The page cache of one file: what the kernel tells, and what of it can be believed."""

import os
import subprocess
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.state import pagecache
from harness.state.pagecache import PAGE, evict, residency, warm
from tests.state.cached_files import SIZE, as_nobody, make_file, overlaid, public_folder, read_pages, user


def test_a_file_is_evicted_and_warmed_and_both_calls_say_so(weights: Path) -> None:
    evict(weights)
    cold = residency(weights)
    assert (cold.is_evicted, cold.is_resident, cold.resident_bytes, cold.complete_bytes) == (True, False, 0, 0)
    warm(weights)
    now = residency(weights)
    assert (now.is_evicted, now.is_resident, now.resident_bytes, now.dirty_bytes) == (False, True, SIZE, 0)
    assert {cold.how, now.how} <= {"cachestat and mincore", "mincore"}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 40 * PAGE).flatmap(
        lambda size: st.tuples(st.just(size), st.sets(st.integers(0, -(-size // PAGE) - 1)))
    )
)
def test_every_page_that_is_there_is_counted_and_no_other(disk: Path, drawn: tuple[int, set[int]]) -> None:
    size, pages = drawn
    path = make_file(disk / "pages", size)
    evict(path)
    read_pages(path, pages)
    found = residency(path)
    assert found.bytes == size
    assert found.resident_bytes == found.complete_bytes
    assert found.resident_bytes == min(len(pages) * PAGE, size)
    assert found.is_resident == (len(pages) == -(-size // PAGE))
    assert found.is_evicted == (not pages)


def test_an_empty_file_is_0_of_0(disk: Path) -> None:
    path = make_file(disk / "empty", 0)
    evict(path)
    warm(path)
    found = residency(path)
    assert (found.bytes, found.resident_bytes, found.dirty_bytes, found.is_evicted) == (0, 0, 0, True)


def test_what_was_just_written_is_dirty_and_is_written_out_before_it_is_evicted(disk: Path) -> None:
    path = disk / "fresh"
    content = os.urandom(SIZE)
    path.write_bytes(content)
    fresh = residency(path)
    assert fresh.is_resident
    if fresh.dirty_bytes is None:
        pytest.skip("this file system's pages are seen by mincore alone")
    assert fresh.dirty_bytes == SIZE
    evict(path)
    assert residency(path).is_evicted
    assert path.read_bytes() == content


def test_pages_that_a_live_process_maps_stay_although_the_eviction_succeeds(weights: Path) -> None:
    with user(weights, "maps"):
        evict(weights)
        assert residency(weights).is_resident
    evict(weights)
    assert residency(weights).is_evicted


@pytest.mark.parametrize("use", ["maps without a look", "opens"])
def test_a_file_that_is_only_open_or_mapped_and_not_touched_is_evicted(weights: Path, use: str) -> None:
    with user(weights, use):
        evict(weights)
        assert residency(weights).is_evicted


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_another_name_leads_to_the_same_pages(weights: Path, link) -> None:
    other = weights.with_name("other")
    link(weights, other)
    evict(other)
    assert residency(weights).is_evicted
    warm(weights)
    assert residency(other).is_resident
    assert residency(other).identity == residency(weights).identity


def test_through_overlayfs_mincore_is_believed_where_cachestat_sees_nothing(weights: Path, disk: Path) -> None:
    with overlaid(disk) as merged:
        seen = merged / weights.name
        evict(weights)
        assert residency(seen).is_evicted
        warm(seen)
        with seen.open("rb") as file:
            counts = pagecache._cachestat(file.fileno(), SIZE)
        found = residency(seen)
        assert found.is_resident
        if counts is not None and counts.cached == 0:
            assert (found.how, found.dirty_bytes) == ("mincore", None)
        evict(seen)
        assert residency(seen).is_evicted
        assert residency(weights).is_evicted


def test_who_neither_owns_a_file_nor_may_write_it_is_told_nothing() -> None:
    with public_folder() as folder:
        path = make_file(folder / "theirs")
        path.chmod(0o644)
        warm(path)

        def look_twice() -> list[object]:
            before = residency(path)
            evict(path)
            after = residency(path)
            return [before.resident_bytes, before.how, after.resident_bytes]

        told = "only its owner (user 0) and who may write it are told"
        assert as_nobody(look_twice) == [None, told, None]
        path.chmod(0o666)
        assert as_nobody(lambda: residency(path).how) != told
        path.chmod(0o600)
        said = as_nobody(lambda: residency(path).how)
        assert said == f"HarnessError: {path}: Permission denied; its pages cannot be looked at"


PAGES = SIZE // PAGE


def counts(cached: int, dirty: int = 0) -> pagecache._Counts:
    return pagecache._Counts(cached, dirty, 0, 0, 0)


@pytest.mark.parametrize(
    ("cachestat", "mincore", "may_ask", "resident", "complete", "how"),
    [
        pytest.param(None, 0, True, 0, 0, "mincore", id="old-kernel-evicted"),
        pytest.param(None, 0, False, 0, 0, "mincore", id="a-no-is-never-a-lie"),
        pytest.param(None, PAGES, True, PAGES, PAGES, "mincore", id="old-kernel-resident"),
        pytest.param(None, PAGES, False, None, None, "only its owner", id="a-yes-to-all-may-be-a-lie"),
        pytest.param(counts(3), 3, True, 3, 3, "cachestat and mincore", id="both-agree"),
        pytest.param(counts(PAGES), 7, True, PAGES, 7, "cachestat and mincore", id="being-read"),
        pytest.param(counts(0), 7, True, 7, 7, "mincore", id="cachestat-is-blind"),
        pytest.param(counts(0), PAGES, False, None, None, "only its owner", id="one-blind-the-other-lies"),
        pytest.param(counts(5), PAGES, False, 5, 5, "cachestat", id="cachestat-tells-more-than-a-lie"),
        pytest.param(counts(5), None, True, 5, 5, "cachestat", id="cannot-be-mapped"),
        pytest.param(
            counts(0), None, True, None, None, "the kernel does not tell", id="nothing-seen-and-no-second-way"
        ),
        pytest.param(None, None, True, None, None, "the kernel does not tell", id="no-way-at-all"),
    ],
)
def test_which_of_the_two_calls_is_believed(
    disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    cachestat: pagecache._Counts | None,
    mincore: int | None,
    may_ask: bool,
    resident: int | None,
    complete: int | None,
    how: str,
) -> None:
    monkeypatch.setattr(pagecache, "_cachestat", lambda *_: cachestat)
    monkeypatch.setattr(pagecache, "_mincore", lambda *_: mincore)
    monkeypatch.setattr(pagecache, "_may_ask", lambda *_: may_ask)
    found = residency(make_file(disk / "file"))
    assert found.resident_bytes == (None if resident is None else resident * PAGE)
    assert found.complete_bytes == (None if complete is None else complete * PAGE)
    assert found.how.startswith(how)


def test_pages_that_are_still_being_read_are_neither_there_nor_gone(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagecache, "_cachestat", lambda *_: counts(PAGES))
    monkeypatch.setattr(pagecache, "_mincore", lambda *_: 0)
    found = residency(make_file(disk / "file"))
    assert (found.is_resident, found.is_evicted) == (False, False)


def test_a_clean_file_is_evicted_without_flushing_the_disk_for_it(
    weights: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    evict(weights)
    clean = len(flushed)
    (disk / "dirty").write_bytes(bytes(SIZE))
    evict(disk / "dirty")
    assert len(flushed) == clean + 1
    if residency(weights).how == "cachestat and mincore":
        assert clean == 0


@pytest.mark.parametrize("act", [evict, warm, residency])
def test_what_is_no_readable_file_is_named_and_nothing_waits_for_it(disk: Path, act) -> None:
    os.mkfifo(disk / "pipe")
    for path, why in (
        (disk / "absent", "No such file or directory"),
        (disk / "pipe", "not a regular file"),
        (disk, "not a regular file"),
        (Path("/dev/null"), "not a regular file"),
    ):
        with pytest.raises(HarnessError, match=f"{path}: {why}; its pages cannot be looked at"):
            act(path)


def test_what_cannot_be_written_out_is_named(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    weights.write_bytes(bytes(SIZE))
    with pytest.raises(HarnessError, match="Input/output error"):
        evict(weights)


def test_a_look_at_2_gigabytes_needs_no_memory_for_them(disk: Path) -> None:
    path = disk / "large"
    with path.open("wb") as file:
        file.truncate(2 << 30)
    tracemalloc.start()
    try:
        assert residency(path).is_evicted
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    read_pages(path, {0, 65536, 500_000})  # in three of the windows that it is looked at through
    assert residency(path).resident_bytes == 3 * PAGE


def test_a_look_leaves_no_file_open_and_no_mapping(weights: Path) -> None:
    residency(weights)
    warm(weights)
    evict(weights)
    assert str(weights) not in Path("/proc/self/maps").read_text()
    links = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert str(weights) not in links


def test_a_reader_between_eviction_and_look_is_seen(weights: Path) -> None:
    evict(weights)
    subprocess.run(["cat", str(weights)], stdout=subprocess.DEVNULL, check=True)
    assert residency(weights).is_resident
