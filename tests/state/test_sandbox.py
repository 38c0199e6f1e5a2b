"""The compile-cache sandbox, and what is proved about the caches a run started from."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.state.sandbox import Sandbox, cache_certificate


def fill(sandbox: Sandbox) -> None:
    for name in ("inductor/ab/kernel.so", "triton/kernel.cubin", "tmp/header.h.gch", "vllm/graph.py"):
        path = sandbox.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"four")


def test_every_variable_points_to_a_folder_of_its_own_inside(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "s1")
    sandbox.prepare(empty=True)
    folders = sandbox.environment()
    assert len(set(folders.values())) == len(folders)
    assert all(Path(folder).is_dir() and Path(folder).parent == tmp_path / "s1" for folder in folders.values())
    assert {"TMPDIR", "VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"} <= set(folders)


def test_contents_count_files_bytes_and_compiled_objects(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "s1")
    assert sandbox.contents() == {"files": 0, "bytes": 0, "compiled": 0}
    fill(sandbox)
    (sandbox.folder / "vllm" / "link").symlink_to(sandbox.folder / "vllm" / "graph.py")
    assert sandbox.contents() == {"files": 4, "bytes": 16, "compiled": 3}


def test_emptying_removes_everything_and_keeping_removes_nothing(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "s1")
    fill(sandbox)
    sandbox.prepare(empty=False)
    assert sandbox.contents()["files"] == 4
    sandbox.prepare(empty=True)
    assert sandbox.contents()["files"] == 0


def test_emptying_one_session_leaves_the_others_alone(tmp_path: Path) -> None:
    for name in ("s1", "s2"):
        fill(Sandbox(tmp_path / name))
    Sandbox(tmp_path / "s2").prepare(empty=True)
    assert Sandbox(tmp_path / "s1").contents()["files"] == 4


contents = st.tuples(st.integers(0, 5), st.integers(0, 5)).map(
    lambda n: {"files": n[0] + n[1], "bytes": 10 * n[0], "compiled": n[1]}
)


seconds = st.just(0.0) | st.floats(0.001, 100)


@given(before=contents, after=contents, compiling_s=seconds)
def test_an_uncached_start_holds_only_if_the_caches_were_empty(
    before: dict[str, int], after: dict[str, int], compiling_s: float
) -> None:
    part = cache_certificate(True, before, after, compiling_s)["compile_cache"]
    assert part["holds"] == (before["files"] == 0)
    assert part["declared"] == "empty"
    assert (part["reason"] is None) == part["holds"]
    assert (part["before"], part["after"]) == (before, after)


@given(before=contents, after=contents, compiling_s=seconds)
def test_a_cached_start_holds_only_if_something_was_there_and_nothing_was_compiled(
    before: dict[str, int], after: dict[str, int], compiling_s: float
) -> None:
    part = cache_certificate(False, before, after, compiling_s)["compile_cache"]
    compiled = after["compiled"] > before["compiled"] or compiling_s > 0
    assert part["holds"] == (before["files"] > 0 and not compiled)
    assert part["declared"] == "filled"
    assert (part["reason"] is None) == part["holds"]


@given(before=contents, after=contents, compiling_s=seconds)
def test_a_cached_start_that_need_not_hit_always_holds_and_says_what_it_was(
    before: dict[str, int], after: dict[str, int], compiling_s: float
) -> None:
    part = cache_certificate(False, before, after, compiling_s, must_hit=False)["compile_cache"]
    assert (part["holds"], part["reason"], part["declared"]) == (True, None, "as the start before left them")
    assert part["compiling_s"] == compiling_s
