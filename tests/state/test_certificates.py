"""What is proved about the state of a run, from what was looked at before and after it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.cache_lines import CacheLines
from harness.spec.state import Content
from harness.state.certificates import (
    COLD_SHARE,
    SLACK_BYTES,
    WARM_SHARE,
    CachePart,
    Reads,
    Storage,
    compile_certificate,
    library_certificate,
    model_info_certificate,
    recorded_hash,
    recorded_hashes,
    storage_certificate,
)
from harness.state.files import FilesState, FileState, Verdict
from harness.state.filesystem import FileSystem
from harness.state.sandbox import Inventory

SILENT = CacheLines(0, 0, 0, 0)
DISK, MEMORY = FileSystem("ext4", "8:1", "sda"), FileSystem("tmpfs", "0:25")
WEIGHTS = 1 << 30

inventories = st.builds(Inventory, st.integers(0, 3), st.integers(0, 99), st.integers(0, 3), st.sampled_from("abc"))
seconds = st.just(0.0) | st.floats(0.001, 100)
contents: st.SearchStrategy[Content] = st.sampled_from(("empty", "warm-up", "keep"))


def part_of(declared: Content, before: Inventory, after: Inventory, warm_up: str | None) -> CachePart:
    return CachePart(declared, before, after, warm_up)


parts = st.builds(part_of, contents, inventories, inventories, st.sampled_from(["a", "b", None]))


@given(part=parts, compiling_s=seconds, found=st.booleans(), loaded=st.integers(0, 1), compiled=st.integers(0, 1))
def test_a_compile_cache_holds_only_if_files_spans_and_log_all_say_what_is_declared(
    part: CachePart, compiling_s: float, found: bool, loaded: int, compiled: int
) -> None:
    made = compile_certificate(part, compiling_s, found, CacheLines(loaded, compiled, 0, 0))
    new = part.after.compiled > part.before.compiled
    true_of = {
        "empty": part.before.files == 0 and not loaded and (new or compiling_s > 0 or not found),
        "warm-up": part.before.sha256 == part.warm_up
        and part.after.compiled <= part.before.compiled
        and compiling_s == 0
        and not compiled,
        "keep": True,  # whether it hits is for the measurement to tell
    }
    assert made["holds"] == true_of[part.declared]
    assert (made["reason"] is None) == made["holds"]
    assert made["declared"] == part.declared
    assert (made["compiling_s"], made["before"]["sha256"]) == (compiling_s, part.before.sha256)


@given(part=parts, loaded=st.integers(0, 1), missed=st.integers(0, 1))
def test_what_is_known_of_model_classes_holds_only_if_files_and_log_say_what_is_declared(
    part: CachePart, loaded: int, missed: int
) -> None:
    made = model_info_certificate(part, CacheLines(0, 0, loaded, missed))
    true_of = {
        "empty": part.before.files == 0 and not loaded,
        "warm-up": part.before.sha256 == part.warm_up and not missed,
        "keep": True,
    }
    assert made["holds"] == true_of[part.declared]
    assert (made["reason"] is None) == made["holds"]


def test_a_warm_up_s_hash_is_found_in_its_certificate_and_only_there() -> None:
    part = compile_certificate(
        part_of("empty", Inventory(0, 0, 0, "e"), Inventory(1, 9, 1, "f"), None), 3.0, False, SILENT
    )
    assert recorded_hash({"compile_cache": part}, "compile_cache") == "f"
    assert recorded_hashes({"compile_cache": part}) == {"compile_cache": "f", "model_info": None}
    assert recorded_hash({}, "compile_cache") is None
    assert recorded_hash({"compile_cache": {"after": {"files": 1}}}, "compile_cache") is None  # an older run's


def files(verdict: Verdict, path: Path = Path("/absent")) -> FilesState:
    resident = {"resident": WEIGHTS, "evicted": 0, "partial": WEIGHTS // 2, "unverifiable": None}[verdict]
    reason = "the reason" if verdict in ("partial", "unverifiable") else None
    return FilesState((FileState(path, WEIGHTS, resident, verdict, reason),))


def storage(declared: str, found: Verdict, load: int | None, **changes: Any) -> dict[str, Any]:
    """The certificate of a start that had its gigabyte of weights in state ``found`` and read ``load`` bytes."""
    start = Storage(
        declared=declared,
        direct=False,
        weight_bytes=WEIGHTS,
        before=files(found),
        changed=None,
        after=files("resident"),
        held=True,
        reads=Reads(load, load, load),
        file_system=DISK,
        probe=None,
    )
    return storage_certificate(replace(start, **changes))


@pytest.mark.parametrize(
    ("declared", "before", "load"),
    [
        ("ram", "resident", 0),
        ("ram", "resident", int(WARM_SHARE * WEIGHTS)),
        ("ssd", "evicted", WEIGHTS),
        ("ssd", "evicted", int(COLD_SHARE * WEIGHTS) + 1),
        ("path:nvme-12345678", "evicted", WEIGHTS),
        ("as found", "partial", WEIGHTS // 3),
        ("as found", "unverifiable", None),
    ],
)
def test_what_was_looked_at_and_what_was_read_agree_with_what_is_declared(
    declared: str, before: Verdict, load: int | None
) -> None:
    part = storage(declared, before, load)
    assert (part["holds"], part["reason"]) == (True, None)
    assert part["weight_bytes"] == WEIGHTS


@pytest.mark.parametrize(
    ("declared", "before", "load", "why"),
    [
        ("ram", "evicted", 0, "0.0% of the model's bytes was in memory before the start, declared is ram"),
        (
            "ram",
            "partial",
            0,
            "50.0% of the model's bytes was in memory before the start, declared is ram: absent: the",
        ),
        ("ram", "resident", int(WARM_SHARE * WEIGHTS) + 1, "came from the device although they were in memory"),
        ("ssd", "resident", WEIGHTS, "100.0% of the model's bytes was in memory before the start, declared is ssd"),
        ("ssd", "partial", WEIGHTS, "50.0% of the model's bytes was in memory"),
        ("ssd", "evicted", 0, "only 0 of the weights' 1073741824 bytes came from the device: something else read them"),
        ("ssd", "evicted", int(COLD_SHARE * WEIGHTS) - 1, "something else read them first"),
        ("ssd", "unverifiable", WEIGHTS, "cannot be proved where the model's bytes are: absent: the reason; measure a"),
        ("tmpfs", "resident", 0, "the copy for tmpfs does not lie in memory"),  # on a disk after all
    ],
)
def test_each_contradiction_is_named(declared: str, before: Verdict, load: int, why: str) -> None:
    part = storage(declared, before, load)
    assert not part["holds"]
    assert why in part["reason"]


def test_a_copy_in_memory_holds_where_it_lies_in_memory() -> None:
    assert storage("tmpfs", "resident", 0, file_system=MEMORY)["holds"]


@pytest.mark.parametrize(("tree", "holds"), [(WEIGHTS, True), (WEIGHTS // 2, False), (None, False)])
def test_without_the_tracer_a_cold_start_is_proved_by_what_the_whole_tree_read(tree: int | None, holds: bool) -> None:
    assert storage("ssd", "evicted", None, reads=Reads(None, tree, None))["holds"] == holds


def test_without_the_tracer_a_warm_start_is_proved_by_what_is_still_there_afterwards() -> None:
    unknown = Reads(None, WEIGHTS, None)  # of which libraries may be all
    assert storage("ram", "resident", None, reads=unknown)["holds"]
    assert "not in memory any more" in storage("ram", "resident", None, reads=unknown, after=files("partial"))["reason"]


def test_weights_that_were_replaced_during_the_run_are_not_those_that_were_looked_at() -> None:
    part = storage("ram", "resident", 0, changed="model.safetensors: it was written to", after=None)
    assert part["reason"] == "the model's files changed during the run: model.safetensors: it was written to"
    assert part["resident_bytes_after"] is None


def test_tensors_that_a_model_leaves_alone_need_not_be_read() -> None:
    read = WEIGHTS * 3 // 4  # the rest of the mapped files was never touched, so it is not in memory afterwards
    after = FilesState((replace(files("partial").files[0], resident_bytes=read),))
    assert storage("ssd", "evicted", read, after=after)["holds"]
    assert not storage("ssd", "evicted", read, after=after, direct=True)["holds"]  # a direct reader leaves no trace
    assert not storage("ssd", "evicted", read // 2, after=after)["holds"]


def test_a_header_read_early_decides_nothing_for_a_tiny_twin() -> None:
    tiny = 3 * SLACK_BYTES
    assert storage("ssd", "evicted", tiny - SLACK_BYTES, weight_bytes=tiny)["holds"]
    assert storage("ram", "resident", SLACK_BYTES, weight_bytes=tiny)["holds"]
    assert not storage("ssd", "evicted", tiny - SLACK_BYTES - 1, weight_bytes=tiny)["holds"]
    assert not storage("ram", "resident", SLACK_BYTES + 1, weight_bytes=tiny)["holds"]


@pytest.mark.parametrize(
    ("declared", "found", "holds"),
    [
        ("warm", "resident", True),
        ("warm", "partial", False),
        ("all warm", "evicted", False),
        ("cold", "evicted", True),
        ("cold", "partial", False),
        ("as found", "partial", True),
    ],
)
def test_libraries_hold_where_they_are_as_declared(declared: str, found: Verdict, holds: bool) -> None:
    part = library_certificate(declared, files(found))
    assert (part["holds"], part["reason"] is None) == (holds, holds)


def test_warm_libraries_may_lack_one_byte_in_a_hundred() -> None:
    for resident, holds in ((WEIGHTS * 99 // 100 + 1, True), (WEIGHTS * 98 // 100, False)):
        found = FilesState((replace(files("partial").files[0], resident_bytes=resident),))
        assert library_certificate("all warm", found)["holds"] == holds


@pytest.mark.parametrize("declared", ["warm", "all warm", "cold", "as found"])
def test_an_environment_without_libraries_is_in_any_state(declared: str) -> None:
    assert library_certificate(declared, FilesState(()))["holds"]
