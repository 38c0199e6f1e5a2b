"""``apply_patches.py --hooks-only`` from its arguments to its exit code."""

from pathlib import Path

import pytest
from fake_environment import FakeEnvironment, make_fake_environment, write

from harness.commands.apply_patches.command import main


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEnvironment:
    return make_fake_environment(tmp_path, monkeypatch)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as ended:
        main(["--hooks-only", *arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def test_the_verbs_follow_each_other_and_leave_no_trace(
    environment: FakeEnvironment, capsys: pytest.CaptureFixture[str]
) -> None:
    before = environment.tree()
    where = ["--vllm-path", str(environment.vllm_dir)]
    assert run(capsys, *where, "--status")[:2] == (0, f"hooks-only: pristine ({environment.site})\n")
    assert run(capsys, *where, "--check")[0] == 1
    code, out, _ = run(capsys, *where, "--dry-run")
    assert code == 0
    assert f"would change {environment.site / 'coldstart_tracer.pth'}\n" in out
    assert environment.tree() == before
    code, out, _ = run(capsys, *where)
    assert code == 0
    assert "vllm 1.3.0.dev5+gabc for cuda" in out
    assert "hook table of fake (nearest to 1.3.0.dev5+gabc on cuda, although for cpu)\n" in out
    assert "5 of 5 hooks resolved (100.0%), 0 moved, 0 gone, 1 optional absent\n" in out
    assert run(capsys, "--python", str(environment.python), "--check")[0] == 0
    assert run(capsys, *where, "--revert")[0] == 0
    assert environment.tree() == before


def test_check_lists_moved_and_gone_targets_and_still_succeeds(
    environment: FakeEnvironment, capsys: pytest.CaptureFixture[str]
) -> None:
    (environment.vllm_dir / "loader.py").rename(environment.vllm_dir / "loading.py")
    write(environment.site, {"vllm/logger.py": "def configure_all(): ...\n"})
    where = ["--vllm-path", str(environment.vllm_dir)]
    assert run(capsys, *where)[0] == 0
    code, out, _ = run(capsys, *where, "--check")
    assert code == 0
    assert "hook target moved: vllm.loader:load_weights: now in vllm.loading\n" in out
    assert "hook target gone: vllm.logger:configure: no such name; nearest: configure_all\n" in out
    assert "4 of 5 hooks resolved (80.0%), 1 moved, 1 gone, 1 optional absent\n" in out


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ({"vllm/v1/core.py": "def main(): ...\n"}, "readiness cannot be seen without vllm.v1.core:Core.start"),
        ({"vllm/loader.py": "", "vllm/logger.py": "", "vllm/v1/core.py": "class Core:\n    start = 1\n"}, "under 50%"),
    ],
)
def test_check_fails_where_readiness_cannot_be_seen_or_most_of_the_table_is_gone(
    environment: FakeEnvironment, capsys: pytest.CaptureFixture[str], sources: dict[str, str], said: str
) -> None:
    write(environment.site, sources)
    where = ["--vllm-path", str(environment.vllm_dir)]
    code, out, _ = run(capsys, *where)
    assert code == 0
    assert said in out
    code, out, _ = run(capsys, *where, "--check")
    assert code == 1
    assert said in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "which vllm? Name it with --vllm-path PACKAGE_DIR or --python PYTHON"),
        (["--vllm-path", "/no/such/vllm"], "/no/such/vllm: not a vllm package folder"),
        (["--python", "/no/such/python"], "/no/such/python: does not run"),
        (["--vllm-path", "{vllm}", "--pin", "vllm-7"], "unknown engine pin 'vllm-7'; known: fake"),
        (["--vllm-path", "{vllm}", "--check", "--revert"], "--check and --revert exclude each other"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    environment: FakeEnvironment, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    before = environment.tree()
    code, out, err = run(capsys, *(each.format(vllm=environment.vllm_dir) for each in arguments))
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err
    assert environment.tree() == before


def test_an_interpreter_without_hooks_only_is_refused(
    environment: FakeEnvironment, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--python", str(environment.python)])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: --python belongs to --hooks-only")
