"""Pins and releases as they are declared: which have a patch set, and what each lock must hold."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from packaging.version import Version

from harness.errors import HarnessError
from harness.measure.replay import VLLM
from harness.measure.served_engines import KINDS
from harness.spec import pin as pins
from harness.spec.pin import (
    DEFAULT_CPU_PIN,
    Build,
    Pin,
    comparison_names,
    load_build,
    load_comparison,
    load_pin,
    pin_names,
    release_names,
    serving_names,
)

RELEASES = [load_pin(name) for name in release_names()]
each_release = pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
_LOCKED = re.compile(r"^([a-z0-9.-]+)==([^ ;\\]+)", re.MULTILINE)


def locked(pin: Build) -> dict[str, str]:
    """Package → version."""
    return dict(_LOCKED.findall(pin.lock.read_text(encoding="utf-8")))


def declare(folder: Path, **changes: object) -> None:
    """Write a pin.yaml that is valid but for ``changes``."""
    fields = {
        "name": folder.name,
        "distribution": "vllm",
        "version": "1.0",
        "vllm_version": "1.0",
        "device": "cpu",
        "python": ["3.11"],
        "torch": "torch==1.0",
        "environment": {},
        "files": {},
    }
    folder.mkdir(parents=True)
    (folder / "pin.yaml").write_text(yaml.safe_dump(fields | changes))


def test_a_pin_has_a_hook_table_and_a_release_has_none():
    assert all(load_pin(name).traced for name in pin_names())
    assert not any(release.traced or release.diffs for release in RELEASES)
    assert not set(pin_names()) & set(release_names())


@each_release
def test_a_release_is_called_like_its_version_and_its_lock_holds_that_build(release: Pin):
    assert release.name == f"vllm-{release.vllm_version}-{release.device}"
    assert Version(release.version).release[:3] == Version(release.vllm_version).release[:3]
    assert locked(release)[release.distribution] == release.version


@each_release
def test_torch_is_locked_for_a_gpu_and_left_to_the_index_for_a_cpu(release: Pin):
    version = release.torch.removeprefix("torch==")
    assert locked(release).get("torch") == (version if release.device == "cuda" else None)


@each_release
def test_every_locked_package_has_the_hash_of_a_file(release: Pin):
    lines = [line for line in release.lock.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    for package, hashed in pairwise(lines):
        if "==" in package:
            assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", hashed), package
    assert lines[-1].startswith("    --hash=sha256:")


def test_locks_are_small_and_name_no_index():
    texts = [release.lock.read_text(encoding="utf-8") for release in RELEASES]
    assert sum(map(len, texts)) < 3_000_000
    assert not any("://" in text or "--index" in text for text in texts)


def test_cpu_releases_with_the_default_pin_s_torch_are_measured_unasked_and_older_ones_on_request():
    default = load_pin(DEFAULT_CPU_PIN).torch
    on_cpu = [release for release in RELEASES if release.device == "cpu"]
    assert len(on_cpu) >= 6
    assert all(release.on_request == (release.torch != default) for release in on_cpu)


def test_the_paper_s_releases_are_declared_for_gpus():
    paper = {"0.3.1", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "0.9.0", "0.10.0", "0.11.0"}
    assert paper <= {
        release.vllm_version for release in RELEASES if release.device == "cuda" and not release.on_request
    }


def test_an_unknown_name_lists_pins_and_releases():
    with pytest.raises(HarnessError, match=r"unknown engine pin 'vllm-9'; known: vllm-0\.10.*; releases: vllm-0\.10"):
        load_pin("vllm-9")


def test_a_release_with_patched_files_is_no_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pins, "PATCHES", tmp_path / "patches")
    changed = {"vllm/a.py": {"pristine_sha256": "0" * 64, "patched_sha256": "1" * 64}}
    declare(tmp_path / "patches" / "releases" / "old", files=changed)
    with pytest.raises(HarnessError, match=r"patches/releases/old/pin.yaml: a release has no patched files"):
        load_pin("old")


@pytest.mark.parametrize("gigabytes", [0, -1, float("inf")])
def test_an_environment_takes_some_room(gigabytes: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pins, "PATCHES", tmp_path)
    declare(tmp_path / "releases" / "old", installed_gb=gigabytes)
    with pytest.raises(HarnessError, match="installed_gb"):
        load_pin("old")


@pytest.mark.parametrize("name", serving_names())
def test_a_serving_pin_locks_what_serves_and_the_vllm_that_the_replayed_scheduler_is_of(name: str):
    pin = load_pin(name)
    packages = locked(pin)
    assert not pin.traced
    assert (packages["ray"], packages[pin.distribution]) == ("2.60.0", VLLM)
    assert ("torch" in packages) == (pin.device == "cuda")
    named = {re.split(r"[^A-Za-z0-9_-]", each)[0].replace("_", "-") for each in pin.also}
    assert named <= packages.keys()


def test_there_is_a_serving_pin_for_each_device_and_none_is_a_release_or_patched():
    assert {load_pin(name).device for name in serving_names()} == {"cpu", "cuda"}
    assert not set(serving_names()) & {*pin_names(), *release_names()}


@pytest.mark.parametrize("name", comparison_names())
def test_another_engine_s_build_locks_its_version_and_all_that_it_names(name: str):
    build = load_comparison(name)
    packages = locked(build)
    assert packages[build.distribution] == build.version
    assert ("torch" in packages, "vllm" in packages) == (False, False)
    named = {re.split(r"[^A-Za-z0-9_-]", each)[0].replace("_", "-") for each in build.also}
    assert named <= packages.keys()
    assert load_build(name) == build


def test_every_engine_that_is_served_beside_vllm_has_one_build():
    assert sorted(load_comparison(name).serves for name in comparison_names()) == sorted(set(KINDS) - {"vllm"})


def test_an_unknown_engine_to_compare_with_lists_the_known_ones():
    with pytest.raises(HarnessError, match=r"unknown engine to compare with 'x'; known: llama\.cpp-"):
        load_comparison("x")
