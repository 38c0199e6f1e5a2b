"""The cache sandbox of a run: what it begins with, what is kept of a warm-up start, and what is in it."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.spec.state import Content, StartState
from harness.state.sandbox import MODEL_INFO, WHOLE_BYTES, Sandbox

COMPILED = ("inductor/ab/kernel.so", "triton/kernel.cubin", "tmp/header.h.gch", "vllm/graph.py")
INFO = f"{MODEL_INFO}/llama.json"
EMPTY = StartState(compile_cache="empty", model_info="empty")


def fill(folder: Path, names: tuple[str, ...] = (*COMPILED, INFO)) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"four")


def found(sandbox: Sandbox) -> set[str]:
    return {str(path.relative_to(sandbox.run)) for path in sandbox.run.rglob("*") if path.is_file()}


@pytest.fixture
def warmed(tmp_path: Path) -> Sandbox:
    """A session whose warm-up start has left something of both parts."""
    sandbox = Sandbox(tmp_path / "s1")
    sandbox.fill(EMPTY)
    fill(sandbox.run)
    sandbox.keep_as_warm_up()
    return sandbox


def test_every_variable_points_to_a_folder_of_its_own_inside(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "s1")
    sandbox.fill(EMPTY)
    folders = sandbox.environment()
    assert len(set(folders.values())) == len(folders)
    assert all(Path(folder).is_dir() and Path(folder).parent == sandbox.run for folder in folders.values())
    assert {"HOME", "TMPDIR", "VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"} <= set(folders)


def test_the_place_is_short_and_the_same_for_every_run_of_a_session(tmp_path: Path) -> None:
    sandbox = Sandbox.of(tmp_path, "a case with a very long name", "s1")
    assert sandbox.run.relative_to(tmp_path).parts[1:] == ("s1", "run")
    assert len(str(sandbox.run.relative_to(tmp_path))) < 20  # a socket's name in TMPDIR has 107 bytes
    assert sandbox != Sandbox.of(tmp_path, "a case with a very long name", "s2")


@pytest.mark.parametrize(
    ("compile_cache", "model_info", "there"),
    [
        ("empty", "empty", set[str]()),
        ("warm-up", "empty", set(COMPILED)),
        ("empty", "warm-up", {INFO}),
        ("warm-up", "warm-up", {*COMPILED, INFO}),
    ],
)
def test_each_part_begins_with_what_is_declared_and_nothing_else(
    warmed: Sandbox, compile_cache: Content, model_info: Content, there: set[str]
) -> None:
    fill(warmed.run, ("inductor/of_another_run.so", f"{MODEL_INFO}/of_another_run.json"))
    warmed.fill(StartState(compile_cache=compile_cache, model_info=model_info))
    assert found(warmed) == there


def test_what_a_run_adds_does_not_reach_the_next_one(warmed: Sandbox) -> None:
    warmed.fill(StartState())
    before = warmed.contents()
    fill(warmed.run, ("inductor/more.so",))
    assert warmed.contents() != before
    warmed.fill(StartState())
    assert warmed.contents() == before


def test_a_kept_sandbox_is_as_the_start_before_left_it(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "s1")
    keep = StartState(compile_cache="keep", model_info="keep")
    assert not sandbox.is_filled(keep, {})
    sandbox.fill(keep.of_warm_up())
    fill(sandbox.run, ("inductor/kernel.so",))
    sandbox.fill(keep)
    assert found(sandbox) == {"inductor/kernel.so"}
    assert sandbox.is_filled(keep, {})


def left_by(sandbox: Sandbox) -> dict[str, str | None]:
    """The hashes that the certificate of the start that just ended would have."""
    contents = sandbox.contents()
    return {"compile_cache": contents.compile_cache.sha256, "model_info": contents.model_info.sha256}


def test_a_warm_up_is_there_if_it_has_what_the_start_left(warmed: Sandbox) -> None:
    warmed.fill(StartState())
    left = left_by(warmed)
    assert warmed.is_filled(StartState(), left)
    (warmed.warm_up / COMPILED[0]).unlink()
    assert not warmed.is_filled(StartState(), left)


def test_a_warm_up_that_was_changed_at_equal_size_is_none(warmed: Sandbox) -> None:
    warmed.fill(StartState())
    left = left_by(warmed)
    changed = warmed.warm_up / COMPILED[0]
    changed.write_bytes(bytes(byte ^ 1 for byte in changed.read_bytes()))
    assert not warmed.is_filled(StartState(), left)


def test_a_warm_up_whose_hash_is_not_recorded_proves_nothing(warmed: Sandbox) -> None:
    assert not warmed.is_filled(StartState(), {"compile_cache": None, "model_info": None})


def test_an_engine_that_leaves_nothing_has_been_warmed_up_all_the_same(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "s1")
    sandbox.fill(EMPTY)
    nothing = left_by(sandbox)
    assert not sandbox.is_filled(StartState(), nothing)
    sandbox.keep_as_warm_up()
    assert sandbox.is_filled(StartState(), nothing)


def test_a_copy_has_the_times_of_what_the_warm_up_left(warmed: Sandbox) -> None:
    warmed.fill(StartState())
    for name in COMPILED:
        assert (warmed.run / name).stat().st_mtime_ns == (warmed.warm_up / name).stat().st_mtime_ns


def test_contents_count_files_bytes_and_compiled_objects_of_each_part(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "s1")
    sandbox.fill(EMPTY)
    nothing = sandbox.contents()
    assert (nothing.compile_cache.files, nothing.compile_cache.bytes, nothing.model_info.files) == (0, 0, 0)
    assert nothing.compile_cache == nothing.model_info
    fill(sandbox.run)
    (sandbox.run / "vllm" / "link").symlink_to(sandbox.run / "vllm" / "graph.py")
    there = sandbox.contents()
    assert (there.compile_cache.files, there.compile_cache.bytes, there.compile_cache.compiled) == (4, 16, 3)
    assert (there.model_info.files, there.model_info.bytes, there.model_info.compiled) == (1, 4, 0)


files = st.dictionaries(st.sampled_from([*COMPILED, INFO]), st.binary(max_size=8), max_size=4)


@given(one=files, other=files)
def test_the_hash_is_equal_for_equal_names_and_contents_and_for_no_others(
    tmp_path_factory: pytest.TempPathFactory, one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    inventories = []
    for content in (one, other):
        sandbox = Sandbox(tmp_path_factory.mktemp("sandbox"))
        for name, data in content.items():
            fill(sandbox.run, (name,))
            (sandbox.run / name).write_bytes(data)
        inventories.append(sandbox.contents())
    assert (inventories[0] == inventories[1]) == (one == other)


def test_a_large_file_is_told_from_another_by_its_ends_its_size_or_its_time(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "s1")
    path = sandbox.run / "tmp" / "header.h.gch"
    path.parent.mkdir(parents=True)
    hashes = set()
    for content, written in ((b"a", 1), (b"b", 1), (b"b", 2)):
        path.write_bytes(bytes(WHOLE_BYTES) + content)
        os.utime(path, ns=(written, written))
        hashes.add(sandbox.contents().compile_cache.sha256)
    path.write_bytes(bytes(WHOLE_BYTES + 1) + b"b")
    os.utime(path, ns=(2, 2))
    hashes.add(sandbox.contents().compile_cache.sha256)
    assert len(hashes) == 4
    sandbox.fill(EMPTY.model_copy(update={"compile_cache": "keep"}))
    assert sandbox.contents().compile_cache.sha256 in hashes
