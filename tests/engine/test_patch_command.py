"""``apply_patches.py`` from its arguments to its exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fake_vllm import HOOKS, FakeEngine, make_fake_engine

from harness.commands.apply_patches.command import main
from harness.engine import default_pin, environment
from harness.engine.environment import Engine
from harness.spec.pin import Pin


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The fake engine as the default pin's, in the place of an installed environment."""
    engine = make_fake_engine(tmp_path, monkeypatch)
    declare(engine)
    monkeypatch.setattr(Engine, "site_packages", property(lambda _: engine.site))
    monkeypatch.setattr(Engine, "python", property(lambda _: Path(sys.executable)))
    monkeypatch.setattr(environment, "engine_of", lambda pin: Engine(pin, tmp_path))
    monkeypatch.setattr(default_pin, "default_pin", lambda: "fake")
    (tmp_path / "engine.json").write_text("{}")
    return engine


def declare(engine: FakeEngine) -> None:
    """Write the pin's file, and another pin's for another version."""
    for name, version in (("fake", "1.2.3"), ("other", "9.9")):
        (engine.patches / name).mkdir(exist_ok=True)
        document = engine.pin.model_dump(mode="json") | {"name": name, "vllm_version": version}
        (engine.patches / name / "pin.yaml").write_text(yaml.safe_dump(document))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def test_without_arguments_the_default_engine_is_made_and_patched(
    engine: FakeEngine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = []

    def ensure(pin: Pin) -> Engine:
        made.append(pin.name)
        return Engine(pin, tmp_path)

    monkeypatch.setattr(environment, "ensure_engine", ensure)
    code, out, _ = run(capsys)
    assert (code, made) == (0, ["fake"])
    assert out == f"fake: applied to {engine.vllm_dir} (7 files changed)\n"
    assert run(capsys, "--status")[1] == f"fake: applied ({engine.vllm_dir})\n"


@pytest.mark.parametrize("verb", ["--status", "--check", "--revert", "--dry-run"])
def test_an_engine_that_is_not_installed_is_one_line_that_says_how_to_install_it(
    engine: FakeEngine, capsys: pytest.CaptureFixture[str], tmp_path: Path, verb: str
) -> None:
    (tmp_path / "engine.json").unlink()
    code, out, err = run(capsys, verb)
    assert (code, out) == (2, "")
    assert err == "error: engine fake is not installed; `python3 apply_patches.py --pin fake` installs it\n"
    assert engine.pin.name == "fake"


def test_the_verbs_follow_each_other_on_a_given_package_folder(
    engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    before = engine.files()
    where = ["--vllm-path", str(engine.vllm_dir)]
    assert run(capsys, *where, "--status")[:2] == (0, f"fake: pristine ({engine.vllm_dir})\n")
    code, out, _ = run(capsys, *where, "--dry-run")
    assert code == 0
    assert f"would change {engine.vllm_dir / 'v1' / 'core.py'}\n" in out
    assert "nothing was touched" in out
    assert engine.files() == before
    assert run(capsys, *where, "--apply")[0] == 0
    assert run(capsys, *where, "--check")[0] == 0
    assert run(capsys, *where, "--revert")[0] == 0
    assert engine.files() == before


def test_check_fails_on_an_unpatched_engine_and_on_a_hook_without_target(
    engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--vllm-path", str(engine.vllm_dir)]
    assert run(capsys, *where, "--check")[0] == 1
    (engine.patches / "fake" / "hooks.toml").write_text(HOOKS.replace("Core.start", "Core.strat"))
    run(capsys, *where)
    code, out, _ = run(capsys, *where, "--check")
    assert code == 1
    assert "hook target gone: vllm.v1.core:Core.strat: no such name; nearest: Core.start\n" in out
    assert out.endswith("1 hooks, 1 without their target, 0 optional absent\n")


def test_status_of_a_file_edited_by_hand_names_it(engine: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    (engine.vllm_dir / "v1" / "core.py").write_text("mine = True\n")
    code, out, _ = run(capsys, "--vllm-path", str(engine.vllm_dir), "--status")
    assert code == 0
    assert out.startswith("fake: foreign")
    assert "foreign   vllm/v1/core.py\n" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--apply", "--revert"], "--apply and --revert exclude each other"),
        (["--pin", "vllm-7"], "unknown engine pin 'vllm-7'; known: fake, other"),
        (["--frobnicate"], "No such option: --frobnicate"),
        (["--statu"], "No such option: --statu (Possible options: --status)"),
        (["surplus"], "unexpected extra argument"),
        (["--vllm-path", "/no/such/vllm"], "/no/such/vllm: not a vllm package folder"),
        (["--pin", "other", "--status"], "this is vllm 1.2.3, but the patch set of pin 'other' is for 9.9"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    engine: FakeEngine, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    before = engine.files()
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err
    assert engine.files() == before


def test_a_vllm_that_no_pin_knows_is_refused_with_the_known_pins(
    engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    (engine.vllm_dir / "_version.py").write_text("__version__ = '4.5.6'\n")
    code, _, err = run(capsys, "--vllm-path", str(engine.vllm_dir))
    assert code == 2
    assert "no patch set is for vllm 4.5.6; choose with --pin: fake, other" in err


def test_the_script_at_the_root_runs_this_command_from_any_folder(engine: FakeEngine, tmp_path: Path) -> None:
    script = Path(__file__).resolve().parents[2] / "apply_patches.py"
    command = [sys.executable, str(script), "--apply", "--check"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --apply and --check exclude each other; give one of them\n"
    assert engine.pin.name == "fake"
