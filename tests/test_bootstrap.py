"""From a bare Python to the harness's environment: what re-executes, what is made, and what is refused in one line."""

import ast
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from harness import bootstrap
from harness.workspace import ROOT
from tests.checkout import Checkout, Done, make_checkout
from tests.wheels import make_wheel, only_these_wheels

SUPPORTED = sys.version_info[:2] in bootstrap.SUPPORTED
HOW = "make the environment, half a minute: python3 harness/bootstrap.py   (or: pip install -r requirements.txt)"
# A call of each script, and what it prints when it got as far as its own code.
CALLS = [
    (("apply_patches.py", "--help"), 0, "Usage: apply_patches.py"),
    (("download_models.py", "--help"), 0, "Usage: download_models.py"),
    (("figures/figure-2/plot.py", "--data", "a b"), 2, "a b: neither slot folders"),
    (("-m", "harness", "figure", "99"), 2, "error: unknown figure '99'"),
    (("harness", "figure", "99"), 2, "error: unknown figure '99'"),
]


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter without any package."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


def typed(checkout: Checkout, python: Path, arguments: tuple[str, ...]) -> Done:
    """What happens to who types it in an empty environment (``env -i``)."""
    return checkout.run(str(python), *arguments, env={})


@pytest.mark.parametrize(("arguments", "code", "output"), CALLS)
def test_scripts_typed_with_a_bare_python_go_on_in_the_complete_environment(
    checkout: Checkout, bare_python: Path, arguments: tuple[str, ...], code: int, output: str
) -> None:
    done = typed(checkout, bare_python, arguments)
    assert (done.code, output in done.out + done.err) == (code, True), done


@pytest.mark.parametrize("arguments", [arguments for arguments, _, _ in CALLS])
def test_without_an_environment_they_say_in_one_line_how_to_make_it(
    fresh: Checkout, bare_python: Path, arguments: tuple[str, ...]
) -> None:
    done = typed(fresh, bare_python, arguments)
    name = "harness" if arguments[0] == "-m" else Path(arguments[0]).name
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(f"{name}: this Python lacks ")
    assert done.error.endswith(HOW)


@pytest.mark.parametrize("arguments", [CALLS[0][0], CALLS[3][0]])
def test_without_an_environment_they_run_in_a_python_that_has_the_packages(
    fresh: Checkout, arguments: tuple[str, ...]
) -> None:
    assert bootstrap.unsatisfied() == []
    done = typed(fresh, Path(sys.executable), arguments)
    assert "this Python lacks" not in done.err
    assert done.code in (0, 2)


@pytest.mark.parametrize("stamp", [None, "of other requirements"])
def test_an_incomplete_environment_is_not_entered(tmp_path: Path, bare_python: Path, stamp: str | None) -> None:
    checkout = make_checkout(tmp_path)
    (tmp_path / ".venv" / ".complete").unlink()
    if stamp:
        (tmp_path / ".venv" / ".complete").write_text(stamp)
    done = typed(checkout, bare_python, ("apply_patches.py", "--help"))
    assert done.code == 2
    assert done.error.endswith(HOW)


def test_an_environment_whose_python_is_gone_is_not_entered(tmp_path: Path, bare_python: Path) -> None:
    checkout = make_checkout(tmp_path)
    (tmp_path / ".venv" / "bin").unlink()
    (tmp_path / ".venv" / "bin").mkdir()
    (tmp_path / ".venv" / "bin" / "python").symlink_to(tmp_path / "an uninstalled python")
    done = typed(checkout, bare_python, ("apply_patches.py", "--help"))
    assert done.code == 2
    assert done.error.endswith(HOW)


def test_unsatisfied_names_what_is_absent_or_of_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    have = metadata.version("pytest")
    requirements = tmp_path / "requirements.txt"
    # The name of a package is written in many ways.
    requirements.write_text(f"# a comment\n\nPyTest=={have}  # another\ntyper==0.0.1\n   no-such-package==1.0\n")
    monkeypatch.setattr(bootstrap, "REQUIREMENTS", requirements)
    assert bootstrap.unsatisfied() == ["typer==0.0.1", "no-such-package==1.0"]


def test_every_requirement_of_this_checkout_is_pinned_and_none_belongs_to_an_engine() -> None:
    names = [name.lower() for name in bootstrap._pinned()]
    assert len(names) > 20
    assert not {"vllm", "torch", "ray", "transformers"} & set(names)


def test_the_bootstrap_can_be_read_and_begun_by_a_python_that_is_too_old() -> None:
    source = (ROOT / "harness" / "bootstrap.py").read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 6))
    annotations = [node.annotation for node in ast.walk(tree) if isinstance(node, ast.arg)]
    annotations += [node.returns for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    # list[str] and X | Y fail in an old Python when the function is defined; as text they do not.
    assert [ast.unparse(a) for a in annotations if isinstance(a, ast.Subscript | ast.BinOp)] == []


class Maker:
    """A folder with nothing but bootstrap.py and a requirements.txt that names a tiny wheel."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "harness").mkdir()
        (root / "harness" / "bootstrap.py").write_bytes((ROOT / "harness" / "bootstrap.py").read_bytes())

    def make(self, before: str = "") -> Done:
        code = f"{before}\nimport runpy; runpy.run_path('harness/bootstrap.py', run_name='__main__')"
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, timeout=60)
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.skipif(not SUPPORTED, reason="needs a Python that environments are made with")
def test_an_interrupted_environment_is_made_again_and_a_complete_one_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_python: Path
) -> None:
    maker = Maker(tmp_path)
    use_quick_python = f"import sys; sys.executable = {str(quick_python)!r}"
    only_these_wheels(tmp_path / "wheels", monkeypatch)
    requirement = make_wheel(tmp_path / "wheels", "tiny", "1.0").partition(" ")[0]
    (tmp_path / "requirements.txt").write_text("unobtainable==1.0\n")
    failed = maker.make(use_quick_python)
    assert failed.code == 2
    announcement, error = failed.err.splitlines()
    assert announcement == "Making the harness's environment in .venv/ (about half a minute) …"
    assert error.startswith("error: pip could not install requirements.txt (no network and nothing cached?): ERROR: ")
    assert not (tmp_path / ".venv" / ".complete").exists()

    (tmp_path / "requirements.txt").write_text(f"{requirement}\n")
    (tmp_path / ".venv" / "half made").touch()
    assert maker.make(use_quick_python) == Done(0, "", f"{announcement}\n")
    assert not (tmp_path / ".venv" / "half made").exists()
    command = [str(tmp_path / ".venv" / "bin" / "python"), "-c", "import tiny; print(tiny.__version__)"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "1.0\n"

    (tmp_path / ".venv" / "as before").touch()
    assert maker.make(use_quick_python) == Done(0, "", "")
    assert (tmp_path / ".venv" / "as before").exists()


@pytest.mark.parametrize("version", [(3, 6), (3, 10), (3, 13)])
def test_an_unsupported_python_is_one_line_and_nothing_is_made(tmp_path: Path, version: tuple[int, int]) -> None:
    maker = Maker(tmp_path)
    done = maker.make(f"import sys; sys.version_info = ({version[0]}, {version[1]}, 0, 'final', 0)")
    assert done.code == 2
    assert done.error == (
        f"Python {version[0]}.{version[1]} is not supported; take Python 3.11 or 3.12: python3.12 harness/bootstrap.py"
    )
    assert not (tmp_path / ".venv").exists()


def test_missing_headers_are_one_line_and_nothing_is_made(tmp_path: Path) -> None:
    maker = Maker(tmp_path)
    done = maker.make("import sysconfig; sysconfig.get_path = lambda name: '/nowhere'")
    assert (done.code, done.error.partition(":")[0]) == (2, "Python.h not found")
    assert not (tmp_path / ".venv").exists()


def test_a_blank_in_the_checkouts_path_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "a copy").mkdir()
    done = Maker(tmp_path / "a copy").make()
    assert (done.code, done.error) == (
        2,
        f"{tmp_path / 'a copy'}: the path of this checkout contains a blank, "
        "which the engine's compiler cannot handle; move it",
    )
    assert [path.name for path in (tmp_path / "a copy").iterdir()] == ["harness"]


@pytest.mark.skipif(not SUPPORTED, reason="needs a Python that environments are made with")
@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        ("KeyboardInterrupt", 130, "stopped; repeat the command to go on"),
        ("OSError(28, 'No space left on device', 'some/file')", 2, "error: some/file: No space left on device"),
        ("OSError(28, 'No space left on device')", 2, "error: {venv}: No space left on device"),
    ],
)
def test_what_stops_the_making_of_the_environment_is_one_line(
    tmp_path: Path, raised: str, code: int, said: str
) -> None:
    (tmp_path / "requirements.txt").touch()
    broken = f"import subprocess\ndef run(*a, **k): raise {raised}\nsubprocess.run = run"
    done = Maker(tmp_path).make(broken)
    announcement, *rest = done.err.splitlines()
    assert announcement.startswith("Making the harness's environment")
    assert (done.code, rest) == (code, [said.format(venv=tmp_path / ".venv")])
    assert not (tmp_path / ".venv" / ".complete").exists()
