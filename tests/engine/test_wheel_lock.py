"""What of a lock another machine installs: markers, hashes and platforms of that machine, less what it has already."""

from pathlib import Path

import pytest

from harness.engine.wheel_download import glibc_of
from harness.engine.wheel_lock import Target, Want, harness_wants, locked, merged, same_version, separate_torch, without
from harness.errors import HarnessError
from harness.spec.pin import load_build, load_pin, pin_names, release_names

LOCK = """# a comment
tiny==1.0 \\
    --hash=sha256:{a} \\
    --hash=sha256:{b}
# needed by tiny
six==1.17.0 ; python_version == '3.12' \\
    --hash=sha256:{a}
numpy==2.4.6 ; python_full_version >= '3.13' \\
    --hash=sha256:{a}
numpy==2.3.5 ; python_full_version < '3.13' \\
    --hash=sha256:{b}
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:{a}
arm==1.0 ; platform_machine == 'aarch64' --hash=sha256:{a}
""".format(a="a" * 64, b="b" * 64)


def wants(
    lock: str, python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str = "x86_64"
) -> list[str]:
    """``name==version`` of what a target installs."""
    build = load_pin("vllm-0.32.0-cpu")
    (tmp_path / "requirements.lock").write_text(lock)
    monkeypatch.setattr(type(build), "lock", property(lambda _: tmp_path / "requirements.lock"))
    found = locked(build, Target(python, f"manylinux_2_28_{machine}"))
    return [f"{want.name}=={want.version}" for want in found]


@pytest.mark.parametrize(
    ("python", "machine", "more"),
    [
        ("3.11", "x86_64", ["numpy==2.3.5"]),
        ("3.12", "x86_64", ["six==1.17.0", "numpy==2.3.5"]),
        ("3.13", "aarch64", ["numpy==2.4.6", "arm==1.0"]),
    ],
)
def test_markers_are_those_of_the_other_machine_and_not_of_this_one(
    python: str, machine: str, more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert wants(LOCK, python, tmp_path, monkeypatch, machine) == ["tiny==1.0", *more]


@pytest.mark.parametrize("name", [*pin_names(), *release_names()])
def test_every_entry_of_every_lock_is_read_with_its_hashes(name: str) -> None:
    build = load_build(name)
    target = Target(build.python[-1], "manylinux_2_28_x86_64")
    found = locked(build, target)
    assert len(found) > 30
    assert all(want.hashes for want in found)
    separately = separate_torch(build, found)
    assert (separately is not None) == (build.device == "cpu" and build.torch is not None)


def test_older_platforms_are_accepted_too_and_newer_ones_are_not() -> None:
    platforms = Target("3.12", "manylinux_2_28_x86_64").platforms
    assert platforms[0] == "manylinux_2_28_x86_64"
    assert {"manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux1_x86_64", "linux_x86_64"} <= set(platforms)
    assert "manylinux_2_29_x86_64" not in platforms
    assert "manylinux2014_x86_64" not in Target("3.12", "manylinux_2_16_x86_64").platforms


@pytest.mark.parametrize("platform", ["linux", "win_amd64", "manylinux2014_x86_64", "manylinux_2_28", ""])
def test_a_platform_that_cannot_be_told_is_one_line(platform: str) -> None:
    with pytest.raises(HarnessError, match="write it as manylinux_2_28_x86_64"):
        _ = Target("3.12", platform).platforms


@pytest.mark.parametrize(
    ("wheel", "glibc"),
    [
        ("a-1.0-py3-none-any.whl", 0),
        ("a-1.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", 17),
        ("a-1.0-cp312-cp312-manylinux2014_x86_64.manylinux_2_28_x86_64.whl", 17),
        ("a-1.0-cp39-abi3-manylinux_2_31_x86_64.whl", 31),
    ],
)
def test_a_wheels_name_tells_the_glibc_that_it_needs(wheel: str, glibc: int) -> None:
    assert glibc_of(wheel) == glibc


def listing(*packages: str) -> list[Want]:
    return [Want(*package.split("=="), (), ("engine",)) for package in packages]


def test_patterns_leave_out_packages_by_name_however_it_is_written_and_say_which() -> None:
    some = listing(
        "torch==2.11.0", "torchvision==0.26.0", "nvidia-nccl-cu13==2.28.9", "NVIDIA_nvtx==13.0", "numpy==2.3"
    )
    left, excluded = without(some, ["torch", "nvidia-*", "no-such"])
    assert [want.name for want in left] == ["torchvision", "numpy"]
    assert excluded == {
        "torch": ("torch==2.11.0",),
        "nvidia-*": ("nvidia-nccl-cu13==2.28.9", "nvidia-nvtx==13.0"),
        "no-such": (),
    }


def test_a_list_of_the_other_python_leaves_out_what_it_has_in_the_locks_version(tmp_path: Path) -> None:
    (tmp_path / "image.txt").write_text("torch==2.11.0+cu130\nnumpy==1.26\nvllm @ file:///x\nTiny_One==1.0\n")
    left, excluded = without(
        listing("torch==2.11.0", "numpy==2.3", "tiny-one==1.0", "vllm==0.25.1"), [f"@{tmp_path}/image.txt"]
    )
    assert [want.name for want in left] == ["numpy", "vllm"]
    assert excluded == {"@image.txt": ("tiny-one==1.0", "torch==2.11.0")}  # no path travels
    (tmp_path / "empty.txt").write_text("Package Version\n")
    with pytest.raises(HarnessError, match="no line NAME==VERSION; make it with: PYTHON -m pip list"):
        without([], [f"@{tmp_path}/empty.txt"])
    with pytest.raises(HarnessError, match="cannot be read"):
        without([], [f"@{tmp_path}/absent"])


@pytest.mark.parametrize(
    ("found", "wanted", "same"),
    [
        ("2.11.0+cu130", "2.11.0", True),
        ("2.11.0", "2.11.0", True),
        ("2.11", "2.11.0", True),
        ("2.11.1", "2.11.0", False),
        ("2.11.0a0+nv25.9", "2.11.0", False),  # what some images carry: built before the release
        ("2.11.0", "2.11.0+cpu", False),
        (None, "2.11.0", False),
        ("odd version", "odd version", True),
    ],
)
def test_the_local_part_of_a_version_that_is_there_is_of_no_matter(found: str | None, wanted: str, same: bool) -> None:
    assert same_version(found, wanted) == same


def test_a_package_that_engine_and_harness_both_want_is_one_wheel() -> None:
    both = [Want("a_b", "1", ("sha256:x",), ("engine",)), Want("a-b", "1", (), ("harness",))]
    assert merged([*both, Want("c", "1", (), ("harness",))]) == [
        Want("a_b", "1", ("sha256:x",), ("engine", "harness")),
        Want("c", "1", (), ("harness",)),
    ]


def test_every_package_of_the_harness_is_wanted() -> None:
    found = {want.name: want.version for want in harness_wants()}
    assert len(found) > 50
    assert all(found.values())
