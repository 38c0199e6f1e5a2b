"""The tracer alone, installed into a small vllm that no pin names, and taken back."""

import threading
from pathlib import Path

import pytest
from fake_environment import TABLE, FakeEnvironment, declare_pin, declare_table, make_fake_environment, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.engine import hooks_only, patching, replace
from harness.engine.hooks_only import Plan, plan
from harness.engine.patch_record import read_record
from harness.engine.vllm_place import place_of
from harness.errors import HarnessError


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEnvironment:
    return make_fake_environment(tmp_path, monkeypatch)


def planned(environment: FakeEnvironment) -> Plan:
    return plan(place_of(environment.python))


def installed_table(environment: FakeEnvironment) -> list[str]:
    scope: dict[str, list[dict[str, str]]] = {}
    exec((environment.site / "coldstart_tracer" / "hook_table.py").read_text(), scope)
    return [f"{hook['module']}:{hook['name']}" for hook in scope["HOOKS"]]


def test_the_tracer_the_fitting_hooks_and_the_record_are_added_and_vllm_is_not_touched(
    environment: FakeEnvironment,
) -> None:
    before = environment.engine.files()
    hooks_only.apply(planned(environment))
    added = {"__init__.py", "_spans.py", "hook_table.py", "installed.json"}
    after = environment.engine.files()
    assert set(after) - set(before) == {"coldstart_tracer.pth", *(f"coldstart_tracer/{name}" for name in added)}
    assert {path: after[path] for path in before} == before
    assert installed_table(environment) == [key for key in TABLE if "optional" not in TABLE[key]]
    record = read_record(environment.site)
    assert record is not None
    assert record.mode == "hooks-only"
    assert record.pin == "fake"
    assert record.hooks_only is not None
    assert (record.hooks_only.vllm_version, record.hooks_only.hooks, record.hooks_only.resolved) == (
        "1.3.0.dev5+gabc",
        len(TABLE),
        len(TABLE) - 1,
    )
    assert hooks_only.status(planned(environment)).state == "applied"
    assert hooks_only.apply(planned(environment)) == []


def test_a_moved_target_is_hooked_at_its_new_place_and_a_gone_one_is_left_out(environment: FakeEnvironment) -> None:
    (environment.vllm_dir / "loader.py").rename(environment.vllm_dir / "loading.py")
    write(environment.site, {"vllm/logger.py": "def configure_all(): ...\n"})
    wanted = planned(environment)
    hooks_only.apply(wanted)
    assert "vllm.loading:load_weights" in installed_table(environment)
    assert not {"vllm.loader:load_weights", "vllm.logger:configure"} & set(installed_table(environment))
    assert [hook.nearest for hook in wanted.record.gone] == ["configure_all"]
    assert (wanted.share, wanted.blind) == (4 / 5, ())


def test_a_gone_hook_that_tells_readiness_is_named(environment: FakeEnvironment) -> None:
    write(environment.site, {"vllm/v1/core.py": "def main(): ...\n"})
    assert [hook.name for hook in planned(environment).blind] == ["Core.start"]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(changes=st.lists(st.sampled_from(["table", "tracer", "vllm", "apply"]), max_size=4))
def test_reverting_leaves_no_trace_whatever_changed_since(environment: FakeEnvironment, changes: list[str]) -> None:
    engine = environment.engine
    write(environment.site, {"vllm/_version.py": "__version__ = '1.3.0'\n"})
    hooks_only.apply(planned(environment))
    for number, change in enumerate(changes):
        if change == "table":
            declare_table(engine.patches / "fake/hooks.toml", {**TABLE, f"vllm.new:function_{number}": ""})
        elif change == "tracer":
            (engine.patches / "tracer/coldstart_tracer" / f"_new_{number}.py").write_text("NEW = 1\n")
        elif change == "vllm":
            write(environment.site, {"vllm/_version.py": f"__version__ = '1.3.{number + 1}'\n"})
        else:
            hooks_only.apply(planned(environment))
    assert (environment.site / "coldstart_tracer" / "__pycache__").is_dir()
    hooks_only.revert(planned(environment))
    left = [path for path in environment.tree() if "coldstart" in path]
    assert left == []
    assert hooks_only.status(planned(environment)).state == "pristine"


def test_applying_and_reverting_gives_the_same_tree_byte_for_byte(environment: FakeEnvironment) -> None:
    before = environment.tree()
    hooks_only.apply(planned(environment))
    assert environment.tree() != before
    hooks_only.revert(planned(environment))
    assert environment.tree() == before
    assert hooks_only.revert(planned(environment)) == []


def test_a_new_vllm_makes_the_installed_table_outdated_and_applying_renews_it(environment: FakeEnvironment) -> None:
    hooks_only.apply(planned(environment))
    write(environment.site, {"vllm/logger.py": "", "vllm/v1/gpu.py": "class Runner:\n    def warm(self): ...\n"})
    assert hooks_only.status(planned(environment)).state == "partial"
    hooks_only.apply(planned(environment))
    assert hooks_only.status(planned(environment)).state == "applied"
    assert "vllm.v1.gpu:Runner.warm" in installed_table(environment)
    assert "vllm.logger:configure" not in installed_table(environment)


def test_the_pin_of_an_installed_table_is_kept_until_another_is_named(environment: FakeEnvironment) -> None:
    engine = environment.engine
    other = engine.pin.model_copy(update={"name": "other", "vllm_version": "9.9"})
    declare_pin(engine.patches, other, TABLE)
    place = place_of(environment.python)
    hooks_only.apply(plan(place, "other"))
    assert plan(place).patches.pin == "other"
    assert hooks_only.apply(plan(place)) == []
    hooks_only.apply(plan(place, "fake"))
    assert plan(place).patches.pin == "fake"
    hooks_only.revert(plan(place))
    assert plan(place).pin_why.startswith("nearest")


def test_a_pinned_patch_set_and_the_tracer_alone_exclude_each_other(environment: FakeEnvironment) -> None:
    engine = environment.engine
    write(environment.site, {"vllm/_version.py": "__version__ = '1.2.3'\n"})
    hooks_only.apply(planned(environment))
    before = environment.tree()
    for verb in (patching.apply, patching.revert, patching.status, patching.check):
        with pytest.raises(HarnessError, match=f"--hooks-only --revert --vllm-path {environment.vllm_dir}$"):
            verb(engine.pin, environment.vllm_dir)
    assert environment.tree() == before
    hooks_only.revert(planned(environment))
    patching.apply(engine.pin, environment.vllm_dir)
    before = environment.tree()
    for verb in (hooks_only.apply, hooks_only.revert, hooks_only.status):
        with pytest.raises(HarnessError, match=f"--revert --pin fake --vllm-path {environment.vllm_dir}$"):
            verb(planned(environment))
    assert environment.tree() == before


def test_a_strangers_change_is_refused_and_named(environment: FakeEnvironment) -> None:
    hooks_only.apply(planned(environment))
    write(environment.site, {"coldstart_tracer/_spans.py": "MINE = 1\n"})
    before = environment.tree()
    for verb in (hooks_only.apply, hooks_only.revert):
        with pytest.raises(HarnessError, match=r"coldstart_tracer/_spans\.py: .*changed by something other"):
            verb(planned(environment))
    assert environment.tree() == before


def test_a_site_packages_folder_that_cannot_be_written_is_one_line_and_stays_as_it_was(
    environment: FakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = environment.tree()

    def refuses(file: Path, *_: object) -> None:
        raise OSError(30, "Read-only file system", str(file))

    monkeypatch.setattr(replace, "_write_beside", refuses)
    with pytest.raises(HarnessError, match=r"cannot be changed: Read-only file system; nothing was changed$"):
        hooks_only.apply(planned(environment))
    assert environment.tree() == before


def test_concurrent_applications_and_reversions_wait_for_each_other(environment: FakeEnvironment) -> None:
    before = environment.tree()
    wanted = planned(environment)
    failures: list[BaseException] = []

    def repeatedly() -> None:
        try:
            for _ in range(5):
                hooks_only.apply(wanted)
                hooks_only.revert(wanted)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=repeatedly) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert environment.tree() == before
