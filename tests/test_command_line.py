"""``bash run_figure.sh`` called wrongly, or where it cannot work: one line, exit 2, and nothing is changed."""

import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from harness.cli import figure as cli_figure
from harness.spec import pin as pins
from harness.workspace import Workspace
from tests.checkout import Call, Checkout, Done, add_fake_engine, make_checkout

FAKE = ("2", "--engine", "fake")
ITERATIONS = "Invalid value for '--iterations' (env var: 'HARNESS_ITERATIONS')"


@pytest.fixture(scope="module")
def unmeasured(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout with a fake engine, shared by the calls that must change nothing."""
    checkout = make_checkout(tmp_path_factory.mktemp("unmeasured"))
    add_fake_engine(checkout)
    return checkout


@pytest.fixture
def figure(unmeasured: Checkout, typed: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """``python3 harness figure ARGUMENTS`` for calls that are refused before anything is done."""
    monkeypatch.setattr(cli_figure, "Workspace", lambda: Workspace(unmeasured.root))
    monkeypatch.setattr(pins, "PATCHES", unmeasured.root / "patches")
    return partial(typed, "figure")


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (("99",), {}, "unknown figure '99' (did you mean 9?); valid: 1, 2, 3, "),
        (("22",), {}, "unknown figure '22' (did you mean 2?); valid: 1, 2, 3, "),
        (("../2",), {}, "unknown figure '../2'; valid: 1, 2, 3, "),
        (("16",), {}, "figure 16 of the paper is a drawing of the predictor, without data"),
        ((), {}, "Missing argument 'NUM'; see --help"),
        (("2", "3"), {}, "figure 2 has no slot 3; it has 0 (node0)"),
        (("11", "x"), {}, "Invalid value for '[SLOT_INDEX]': "),
        (("2", "0", "3"), {}, "Got unexpected extra argument(s) (3); see --help"),
        (
            ("2", "--itertions", "3"),
            {},
            "No such option: --itertions (Possible options: --iterations, --versions); see",
        ),
        ((*FAKE, "--models", "llama3-3b,nope"), {}, "unknown model 'nope'; known, nearest first: "),
        ((*FAKE, "--iterations", "0"), {}, f"{ITERATIONS}: Input should be greater than or equal to 1; see --help"),
        (FAKE, {"HARNESS_ITERATIONS": "x"}, f"{ITERATIONS}: Input should be a valid integer"),
        (FAKE, {"HARNESS_SMOKE": "perhaps"}, "Invalid value for '--smoke' (env var: 'HARNESS_SMOKE'): "),
        (FAKE, {"HARNESS_MODELS": "nope"}, "unknown model 'nope'; known, nearest first: "),
        (
            ("2", "--models", "llama3-3b"),
            {"HARNESS_ENGINE": "vllm-0"},
            "unknown engine pin 'vllm-0'; known: fake, vllm-0.10.1.1-cuda, ",
        ),
    ],
)
def test_a_wrong_call_is_one_line_exit_2_and_changes_nothing(
    unmeasured: Checkout,
    figure: Call,
    arguments: tuple[str, ...],
    variables: dict[str, str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = unmeasured.files()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = figure(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(message)
    assert unmeasured.files() == before


def test_the_script_is_as_brief_in_the_figures_folder(unmeasured: Checkout) -> None:
    done = unmeasured.run("bash", "run_figure.sh", "99", cwd=unmeasured.root / "figures")
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith("unknown figure '99' (did you mean 9?); valid: 1, 2, 3, ")


def test_the_script_is_as_brief_in_any_other_folder(unmeasured: Checkout, tmp_path: Path) -> None:
    environment = unmeasured.environment(HARNESS_ITERATIONS="x")
    done = unmeasured.run("bash", str(unmeasured.root / "run_figure.sh"), "2", cwd=tmp_path, env=environment)
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(f"{ITERATIONS}: Input should be a valid integer")


def test_help_lists_the_options_and_exits_with_0(unmeasured: Checkout) -> None:
    done = unmeasured.run("bash", "run_figure.sh", "--help")
    assert (done.code, done.err) == (0, "")
    for option in ("--smoke", "--iterations", "--models", "--engine", "--eager", "--again", "HARNESS_ITERATIONS"):
        assert option in done.out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("iterations: 2", "iterations: none", "{line}: field 'iterations': Input should be a valid integer"),
        ("timeout_s: 20.0", "timeout_s: 0", "{line}: field 'timeout_s': Input should be greater than 0 (got 0)"),
        ("study: cold_start", "study: [cold", "{next}: not valid YAML: "),
        ("figure: '2'", "figure: '3'", ": field 'figure' is '3'; it must equal its folder's '2'"),
    ],
)
def test_a_malformed_figure_yaml_is_named_with_line_and_field(
    unmeasured: Checkout, figure: Call, old: str, new: str, message: str
) -> None:
    path = unmeasured.root / "figures" / "figure-2" / "figure.yaml"
    good = path.read_text()
    line = good.splitlines().index(old) + 1
    try:
        path.write_text(good.replace(old, new))
        done = figure("2")
    finally:
        path.write_text(good)
    assert (done.code, done.out) == (2, "")
    expected = message.format(line=f":{line}", next=f":{line + 1}")
    assert done.error.startswith(f"{path}{expected}")


def test_engines_install_patches_an_installed_engine_once(unmeasured: Checkout) -> None:
    command = (".venv/bin/python", "-m", "harness", "engines", "install", "--pin")
    first = unmeasured.run(*command, "fake")
    assert (first.code, first.out) == (0, "")
    tracer = "engines/fake/lib/*/site-packages/coldstart_tracer/installed.json"
    assert len(list(unmeasured.root.glob(tracer))) == 1
    assert unmeasured.run(*command, "fake") == Done(0, "", "")
    unknown = unmeasured.run(*command, "nope")
    assert (unknown.code, unknown.error.partition(";")[0]) == (2, "unknown engine pin 'nope'")


def read_only(checkout: Checkout, folder: Path) -> Done:
    """``run_figure.sh`` where ``folder`` is mounted read-only (a mode does not stop root)."""
    mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    probe = ["unshare", "--mount", "sh", "-c", mount, str(folder), "true"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True).returncode != 0:
        pytest.skip("cannot mount anything read-only here")
    return checkout.run(*probe[:-1], "bash", "run_figure.sh", *FAKE)


@pytest.mark.parametrize("place", ["runs", "caches", "figures", "."])
def test_a_read_only_folder_is_one_line_before_any_start(unmeasured: Checkout, place: str) -> None:
    folder = unmeasured.root / place
    folder.mkdir(exist_ok=True)
    before = unmeasured.files()
    done = read_only(unmeasured, folder)
    assert done.code == 2
    last = done.err.splitlines()[-1]
    assert last.startswith(f"error: {folder}")
    assert "Read-only file system" in last
    assert "Traceback" not in done.err
    engine = ("engines/fake/", "models/tiny.snapshot.json")  # made by the first call that gets so far
    new = [name for name in unmeasured.files() if name not in before and not name.startswith(engine)]
    assert new == []
    assert not list(unmeasured.root.glob("engines/**/journal.jsonl"))  # nothing was started
