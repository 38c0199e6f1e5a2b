"""What an interpreter would start, and in what state its tracer is."""

from pathlib import Path

import pytest
from fake_environment import TABLE, FakeEnvironment, declare_table, make_fake_environment, write

from harness.engine import hooks_only, patching
from harness.engine.hooks_only import plan
from harness.engine.installation import Installation, TracerRecord, installation_of, tracer_state
from harness.engine.patch_set import patches_sha256


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEnvironment:
    environment = make_fake_environment(tmp_path, monkeypatch)
    write(environment.site, {"torch/version.py": "cuda = None\n"})
    return environment


def found(environment: FakeEnvironment) -> Installation:
    return installation_of(environment.python)


def test_an_untouched_vllm_has_no_tracer(environment: FakeEnvironment) -> None:
    assert found(environment) == Installation(
        environment.python, environment.vllm_dir, environment.site, "1.3.0.dev5+gabc", "cpu", None
    )
    assert tracer_state(found(environment)) == "absent"


def test_the_record_of_a_tracer_alone_says_how_its_table_fits(environment: FakeEnvironment) -> None:
    (environment.vllm_dir / "loader.py").rename(environment.vllm_dir / "loading.py")
    write(environment.site, {"vllm/v1/core.py": "def main(): ...\n"})
    wanted = plan(found(environment).place)
    hooks_only.apply(wanted)
    assert found(environment).tracer == TracerRecord(
        pin="fake",
        mode="hooks-only",
        patches_sha256=wanted.patches.sha256,
        hooks=len(TABLE),
        resolved=len(TABLE) - 2,
        moved=("vllm.loader:load_weights: now in vllm.loading",),
        gone=("vllm.v1.core:Core.start",),
        blind=("vllm.v1.core:Core.start",),
    )
    assert tracer_state(found(environment)) == "applied"


def test_the_record_of_a_pinned_patch_set_says_so(environment: FakeEnvironment) -> None:
    write(environment.site, {"vllm/_version.py": "__version__ = '1.2.3'\n"})
    pin = environment.engine.pin
    patching.apply(pin, environment.vllm_dir)
    count = len(TABLE)
    assert found(environment).tracer == TracerRecord("fake", "pinned", patches_sha256(pin), count, count, (), (), ())
    (environment.engine.patches / "fake/pin.yaml").write_text(pin.model_dump_json())
    assert tracer_state(found(environment)) == "applied"
    declare_table(environment.engine.patches / "fake/hooks.toml", {"vllm.v1.core:main": ""})
    assert tracer_state(found(environment)) == "outdated"


def test_a_tracer_for_another_vllm_table_or_pin_is_outdated(environment: FakeEnvironment) -> None:
    hooks_only.apply(plan(found(environment).place))
    write(environment.site, {"vllm/_version.py": "__version__ = '1.4.0'\n"})
    assert tracer_state(found(environment)) == "outdated"
    hooks_only.apply(plan(found(environment).place))
    (environment.engine.patches / "tracer/coldstart_tracer/_new.py").write_text("NEW = 1\n")
    assert tracer_state(found(environment)) == "outdated"
    (environment.engine.patches / "fake/pin.yaml").unlink()
    assert tracer_state(found(environment)) == "outdated"


@pytest.mark.parametrize(
    "path",
    ["coldstart_tracer/_spans.py", "coldstart_tracer/installed.json", "coldstart_tracer.pth"],
)
@pytest.mark.parametrize("content", [None, "half a fi"])
def test_a_tracer_that_misses_or_garbles_a_file_is_damaged(
    environment: FakeEnvironment, path: str, content: str | None
) -> None:
    hooks_only.apply(plan(found(environment).place))
    (environment.site / path).unlink()
    if content:
        write(environment.site, {path: content})
    assert tracer_state(found(environment)) == "damaged"
