"""Wheelhouses: built by real pip from tiny wheels; gone on with, kept, or refused; looked at before anything else."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from harness.engine import wheel_build
from harness.engine.reused_python import ReusedPython
from harness.engine.wheel_check import fit
from harness.engine.wheel_download import Downloads
from harness.engine.wheel_lock import Target
from harness.errors import HarnessError
from harness.record.pieces import join
from harness.record.wheelhouse import MANIFEST, read_wheelhouse
from tests.tiny_wheelhouse import HERE, PLATFORM, TinyIndex
from tests.wheels import make_wheel


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyIndex:
    """With a pip that only copies: the real one takes a second each time (tests/engine/test_offline.py asks it)."""
    found = TinyIndex(tmp_path, monkeypatch)
    monkeypatch.setattr("harness.engine.wheel_download.STEPS.run", found.copying_pip)
    return found


def wheel(name: str, version: str = "1.0") -> str:
    return f"{name}-{version}-py3-none-any.whl"


def has(**packages: str) -> ReusedPython:
    """A Python that has these packages."""
    return ReusedPython(Path("/py"), HERE, (Path("/py/site"),), {n: (v, Path()) for n, v in packages.items()})


def test_a_wheelhouse_holds_what_engine_torch_and_harness_need_and_says_for_which_each_is(tiny: TinyIndex) -> None:
    house = tiny.build()
    assert {file.package: file.used_for for file in house.files} == {
        "tinycuda": ("engine",),
        "tinylib": ("engine", "harness"),
        "tinytool": ("harness",),
        "tinytorch": ("torch",),
        "tinyvllm": ("engine",),
    }
    folder = tiny.root / "wheelhouse"
    assert {path.name for path in folder.iterdir()} == {MANIFEST, *(file.name for file in house.files)}
    assert (house.pin, house.python, house.platform, house.glibc) == ("fake", HERE, PLATFORM, "2.0")
    assert json.loads((folder / MANIFEST).read_text())["lock_sha256"] == tiny.pin().lock_sha256
    assert fit(folder, tiny.pin(), None).fits
    assert [path.name for path in tiny.root.iterdir() if path.name.startswith(".")] == []


def test_split_joined_and_whole_are_the_same_wheelhouse(tiny: TinyIndex) -> None:
    whole = tiny.build()
    split = tiny.build(dest=tiny.root / "pieces", split_bytes=400)
    assert {path.name for path in (tiny.root / "pieces").iterdir()} == {MANIFEST, *(p.name for p in split.pieces)}
    assert max(piece.bytes for piece in split.pieces) == 400
    assert join([tiny.root / "pieces"], tiny.root / "joined").complete
    assert read_wheelhouse(tiny.root / "joined") == whole
    assert fit(tiny.root / "pieces", tiny.pin(), None).lines()[0].startswith("in pieces: put them together first")


def test_what_is_left_out_must_be_in_the_reused_python_in_the_locks_version(tiny: TinyIndex) -> None:
    house = tiny.build(exclude=("tinytorch", "tinycu*", "nothing"), with_harness=False)
    assert house.excluded == {"tinytorch": ("tinytorch==2.0",), "tinycu*": ("tinycuda==12.8",), "nothing": ()}
    folder = tiny.root / "wheelhouse"
    good = fit(folder, tiny.pin(), has(tinytorch="2.0+cu130", tinycuda="12.8", unrelated="1"))
    assert (good.fits, good.reused) == (True, {"tinycuda": "12.8", "tinytorch": "2.0+cu130"})
    assert fit(folder, tiny.pin(), has(tinytorch="1.9+cu130")).lines() == [
        "not in the reused Python: tinycuda 12.8 (found: none), tinytorch 2.0 (found: 1.9+cu130)"
    ]
    assert not fit(folder, tiny.pin(), None).fits
    bare = replace(good_python := has(tinytorch="2.0", tinycuda="12.8"), lacks=("Python.h, which",))
    assert fit(folder, tiny.pin(), good_python).fits
    assert fit(folder, tiny.pin(), bare).lines() == ["/py has no Python.h, which: install them, or name another Python"]


@pytest.mark.parametrize(
    ("local", "fits"), [("", True), ("+cu130", True), ("+nv25.9", True), ("+cpu", False), ("+cu128", False)]
)
def test_what_is_left_out_must_be_built_for_the_pins_cuda(tiny: TinyIndex, local: str, fits: bool) -> None:
    pin = tiny.pin().model_copy(update={"device": "cuda", "cuda": "13.0"})
    tiny.build(build=pin, exclude=("tinytorch",), with_harness=False)
    found = fit(tiny.root / "wheelhouse", pin, has(tinytorch=f"2.0{local}"))
    lacking = [] if fits else [f"not in the reused Python: tinytorch 2.0 for CUDA 13 (found: 2.0{local})"]
    assert (found.fits, found.lines()) == (fits, lacking)


def test_an_interrupted_build_goes_on_with_what_it_has(tiny: TinyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_build, "BATCH", 1)
    gone = tiny.index / wheel("tinyvllm")
    gone.rename(tiny.root / gone.name)
    with pytest.raises(HarnessError, match=r"tinyvllm==1\.0 has no wheel for Python"):
        tiny.build()
    assert not (tiny.root / "wheelhouse").exists()
    half = tiny.root / ".wheelhouse.building"
    assert {path.name for path in half.glob("*.whl")} == {wheel("tinylib", "3.1"), wheel("tinycuda", "12.8")}
    (half / wheel("tinylib", "3.1")).write_bytes(b"damaged since")
    (tiny.root / gone.name).rename(gone)
    asked: list[str] = []
    get = Downloads.get
    monkeypatch.setattr(Downloads, "get", lambda self, wants: asked.extend(w.name for w in wants) or get(self, wants))
    tiny.build()
    assert sorted(asked) == ["tinylib", "tinytool", "tinyvllm"]  # neither tinycuda again nor anything twice


def test_a_finished_wheelhouse_is_kept_and_another_folder_refused(tiny: TinyIndex) -> None:
    first = tiny.build()
    (tiny.index / wheel("tinyvllm")).unlink()
    assert tiny.build() == first
    assert tiny.told == [f"{tiny.root / 'wheelhouse'} is that wheelhouse already"]
    with pytest.raises(HarnessError, match="is a wheelhouse of something else; name a new folder"):
        tiny.build(exclude=("tinytorch",))
    (tiny.root / "wheelhouse" / wheel("tinylib", "3.1")).write_bytes(b"")
    with pytest.raises(HarnessError, match=r"damaged: tinylib-3.1-py3-none-any.whl; remove the folder and repeat"):
        tiny.build()
    with pytest.raises(HarnessError, match="is there and is no wheelhouse"):
        tiny.build(dest=tiny.index)


def test_finished_pieces_are_kept_if_they_have_the_size_and_what_was_left_over_is_removed(tiny: TinyIndex) -> None:
    first = tiny.build(split_bytes=500)
    left = tiny.root / ".wheelhouse.building"
    left.mkdir()
    (left / "tinytool-0.1-py3-none-any.whl").touch()
    assert tiny.build(split_bytes=500) == first
    assert not left.exists()
    with pytest.raises(HarnessError, match="has the same wheels in pieces of another size; name a new folder"):
        tiny.build(split_bytes=600)


def test_more_pieces_than_a_manifest_may_have_are_refused(tiny: TinyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_build, "MOST_PIECES", 3)
    with pytest.raises(HarnessError, match="pieces are more than the 3 that are read again; make them larger"):
        tiny.build(split_bytes=500)
    assert not (tiny.root / "wheelhouse").exists()


def test_a_wheel_with_another_hash_than_the_locks_is_refused(tiny: TinyIndex) -> None:
    with zipfile.ZipFile(tiny.index / wheel("tinyvllm"), "a") as archive:
        archive.writestr("tinyvllm/added.py", "")
    with pytest.raises(HarnessError, match=r"tinyvllm==1\.0"):
        tiny.build()
    assert not (tiny.root / "wheelhouse").exists()


def test_a_wheel_for_a_newer_glibc_is_taken_where_there_is_no_other_and_told(tiny: TinyIndex) -> None:
    (tiny.index / wheel("tinytool", "0.1")).rename(tiny.index / "tinytool-0.1-py3-none-manylinux_2_31_x86_64.whl")
    assert tiny.build().glibc == "2.31"


def test_a_package_that_is_only_a_source_archive_is_built_if_every_machine_can_use_it(
    tiny: TinyIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tiny.index / wheel("tinytool", "0.1")).rename(tiny.root / wheel("tinytool", "0.1"))
    made: list[str] = []

    def run(command: list[str]) -> tuple[int, str]:
        if "wheel" not in command:
            return tiny.copying_pip(command)
        made.append(next(word for word in command if word.startswith("--no-binary")))
        out = Path(command[command.index("--wheel-dir") + 1])
        make_wheel(out, "tinytool", "0.1")
        if len(made) == 1:
            (out / wheel("tinytool", "0.1")).rename(out / "tinytool-0.1-cp311-cp311-linux_x86_64.whl")
        return 0, ""

    monkeypatch.setattr("harness.engine.wheel_download.STEPS.run", run)
    with pytest.raises(HarnessError, match=r"its source makes one for this machine alone \(tinytool-0.1-cp311"):
        tiny.build()
    assert "tinytool" in {file.package for file in tiny.build().files}
    assert made == ["--no-binary=tinytool"] * 2


def test_another_python_than_the_pins_or_the_harnesss_is_refused(tiny: TinyIndex) -> None:
    with pytest.raises(HarnessError, match=f"^engine fake needs Python {HERE}, not 3.8$"):
        tiny.build(target=Target("3.8", PLATFORM))
    old = tiny.pin().model_copy(update={"python": ("3.8",)})
    with pytest.raises(HarnessError, match=r"the harness needs Python 3.11 or 3.12, not 3.8; add --without-harness"):
        tiny.build(build=old, target=Target("3.8", PLATFORM))


def test_a_wheelhouse_of_another_engine_lock_python_or_machine_says_so(tiny: TinyIndex) -> None:
    tiny.build()
    folder = tiny.root / "wheelhouse"
    manifest = json.loads((folder / MANIFEST).read_text())
    other = tiny.pin().model_copy(update={"name": "other"})
    assert fit(folder, other, None).lines() == ["of engine fake, not other"]
    (folder / MANIFEST).write_text(
        json.dumps(manifest | {"python": "3.99", "glibc": "2.999", "platform": "manylinux_2_5_aarch64"})
    )
    assert [line.partition(",")[0] for line in fit(folder, tiny.pin(), None).lines()] == [
        "for Python 3.99",
        "for aarch64",
        "needs glibc 2.999",
    ]
    tiny.lock("tinyvllm==1.0")
    assert fit(folder, tiny.pin(), None).lines()[0] == "of another lock of engine fake: build it from this checkout"


def test_a_package_of_the_lock_that_the_manifest_does_not_have_is_missing(tiny: TinyIndex) -> None:
    tiny.build()
    folder = tiny.root / "wheelhouse"
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"] = [each for each in manifest["files"] if not each["name"].startswith("tinycuda")]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert fit(folder, tiny.pin(), None).lines() == [
        "surplus, not installed: tinycuda-12.8-py3-none-any.whl",
        "not in it: tinycuda==12.8",
    ]
