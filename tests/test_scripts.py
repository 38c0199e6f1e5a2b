"""run_figure.sh, run_tests.sh and .ci/run until Python takes over: which Python, which tools, which steps."""

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import conftest
from tests.checkout import Checkout, Done, link_venv, make_checkout, tool_folder


@pytest.mark.parametrize("script", ["run_figure.sh", "run_tests.sh"])
@pytest.mark.parametrize("tool", ["g++", "git"])
def test_a_missing_tool_is_one_line_before_any_download(
    fresh: Checkout, tmp_path: Path, tool: str, script: str
) -> None:
    path = tool_folder(tmp_path / "tools", tool, python=Path(sys.executable))
    done = fresh.run(str(path / "bash"), script, "2", env={"PATH": str(path)})
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(f"{tool} not found: ")
    assert done.error.endswith(f"(apt install {tool})")
    assert not (fresh.root / ".venv").exists()


def test_a_missing_tool_is_also_told_when_the_environment_is_there(checkout: Checkout, tmp_path: Path) -> None:
    path = tool_folder(tmp_path / "tools", "g++", python=Path(sys.executable))
    done = checkout.run(str(path / "bash"), "run_figure.sh", "2", env={"PATH": str(path)})
    assert (done.code, done.error.partition(":")[0]) == (2, "g++ not found")


def stub(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(f"#!{bash()}\n{text}\n")
    path.chmod(0o755)


def bash() -> str:
    found = shutil.which("bash")
    assert found
    return found


OLD = 'if [[ $1 == --version ]]; then echo "Python 3.9.1"; else exit 1; fi'


def find_python(fresh: Checkout, path: Path, **variables: str) -> Done:
    command = (str(path / "bash"), "-c", "source harness/find_python.sh; python=$(find_python); echo $python")
    return fresh.run(*command, env={"PATH": str(path), **variables})


def test_the_first_supported_python_is_chosen(fresh: Checkout, tmp_path: Path) -> None:
    path = tool_folder(tmp_path / "tools")
    for name, text in (("python3", OLD), ("python3.12", "exit 0"), ("python3.11", "exit 0")):
        stub(path / name, text)
    assert find_python(fresh, path) == Done(0, "python3.12\n", "")
    stub(path / "python3", "exit 0")
    assert find_python(fresh, path) == Done(0, "python3\n", "")
    stub(path / "mine", "exit 0")
    assert find_python(fresh, path, HARNESS_PYTHON=str(path / "mine")) == Done(0, f"{path / 'mine'}\n", "")


@pytest.mark.parametrize(
    ("python3", "chosen", "says"),
    [
        (None, None, "python3 was not found"),
        (OLD, None, "python3 is Python 3.9.1"),
        ("exit 0", "nowhere", "nowhere was not found"),
        ("exit 0", "old", "old is Python 3.9.1"),
    ],
)
def test_no_supported_python_is_one_line_and_exit_2(
    fresh: Checkout, tmp_path: Path, python3: str | None, chosen: str | None, says: str
) -> None:
    path = tool_folder(tmp_path / "tools")
    stub(path / "old", OLD)
    if python3:
        stub(path / "python3", python3)
    variables = {"HARNESS_PYTHON": chosen} if chosen else {}
    expected = f"{says}; install Python 3.11 or 3.12, or set HARNESS_PYTHON to one"
    done = find_python(fresh, path, **variables)
    assert (done.code, done.out, done.error) == (2, "", expected)
    whole = fresh.run(str(path / "bash"), "run_figure.sh", "2", env={"PATH": str(path), **variables})
    assert (whole.code, whole.error) == (2, expected)
    assert not (fresh.root / ".venv").exists()


# "pytest --alone without …" ends with the number in the file "without", else with 0.
PYTEST_ENDS = '[[ ! -e "$2" ]] || exit "$(cat "$2")"'
BESIDE = "pytest --alone without --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder"
ALONE = "pytest --alone only"


@pytest.fixture
def listed(tmp_path: Path) -> Checkout:
    """A checkout whose environment's programs only note how they were called; ruff fails if there is a file ``bad``.

    pytest ends as the files ``without`` and ``only`` say, which stand for what it is called with.
    """
    checkout = make_checkout(tmp_path / "checkout", venv=False)
    link_venv(checkout.root)
    (checkout.root / ".venv" / "bin").unlink()
    (checkout.root / ".venv" / "bin").mkdir()
    for name in ("python", "ruff", "mypy", "pytest"):
        fails = {"ruff": " [[ ! -e bad ]]", "pytest": PYTEST_ENDS}.get(name, "")
        stub(checkout.root / ".venv" / "bin" / name, f'echo "{name} $*" >> calls\n{fails}')
    return checkout


def calls(checkout: Checkout) -> list[str]:
    return [line.strip() for line in (checkout.root / "calls").read_text().splitlines()]


def test_run_tests_sets_up_then_checks_then_tests_with_the_given_arguments(listed: Checkout, tmp_path: Path) -> None:
    assert listed.run("bash", str(listed.root / "run_tests.sh"), "-k", "one test", cwd=tmp_path).code == 0
    assert calls(listed) == [
        "python -m harness engines install",
        "ruff check .",
        "ruff format --check .",
        "mypy",
        f"{BESIDE} -k one test",
        f"{ALONE} -k one test",
    ]


@pytest.mark.parametrize(
    ("beside", "alone", "code"),
    [(0, 0, 0), (0, 1, 1), (0, 5, 0), (5, 0, 0), (5, 1, 1), (5, 5, 5), (1, None, 1), (2, None, 2), (4, None, 4)],
)
def test_run_tests_ends_as_its_tests_do_and_none_of_a_part_is_no_failure(
    listed: Checkout, beside: int, alone: int | None, code: int
) -> None:
    (listed.root / "without").write_text(str(beside))
    (listed.root / "only").write_text(str(alone or 0))
    assert listed.run("bash", "run_tests.sh").code == code
    assert [call for call in calls(listed) if call.startswith("pytest")] == [BESIDE, ALONE][: 1 if alone is None else 2]


def test_every_test_is_in_one_of_the_two_parts() -> None:
    every = [Marked(), Marked("engine"), Marked("alone"), Marked("slow"), Marked("slow", "engine")]
    assert part("without", every) == [every[0], every[3]]
    assert part("only", every) == [every[1], every[2], every[4]]
    assert part(None, every) == every


def test_without_an_engine_every_test_that_starts_one_is_left_out_of_either_part() -> None:
    every = [Marked(), Marked("engine"), Marked("engine", "beside"), Marked("alone"), Marked("slow")]
    assert part("without", every, no_engine=True) == [every[0], every[4]]
    assert part("only", every, no_engine=True) == [every[3]]


class Marked:
    """A test with these marks."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.names else None


def part(chosen: str | None, every: list[Marked], no_engine: bool = False) -> list[Marked]:
    """The tests that ``--alone CHOSEN`` runs; it must tell the others to pytest."""
    items, told = list(every), []
    hook = SimpleNamespace(pytest_deselected=lambda items: told.extend(items))
    options = {"--alone": chosen, "--no-engine": no_engine}
    conftest.pytest_collection_modifyitems(SimpleNamespace(getoption=options.get, hook=hook), items)
    assert sorted(items + told, key=every.index) == every
    return items


def test_setup_only_stops_after_the_engine(listed: Checkout) -> None:
    assert listed.run("bash", "run_tests.sh", "--setup-only").code == 0
    assert calls(listed) == ["python -m harness engines install"]


def test_without_an_engine_none_is_installed_and_pytest_is_told(listed: Checkout) -> None:
    assert listed.run("bash", "run_tests.sh", "--no-engine", "-m", "not slow").code == 0
    checks = ["ruff check .", "ruff format --check .", "mypy"]
    assert calls(listed) == [*checks, *(f"{called} --no-engine -m not slow" for called in (BESIDE, ALONE))]


def test_run_tests_stops_at_the_first_check_that_fails(listed: Checkout) -> None:
    (listed.root / "bad").touch()
    assert listed.run("bash", "run_tests.sh").code == 1
    assert calls(listed)[-1] == "ruff check ."


def test_ci_leaves_out_only_the_slow_tests(listed: Checkout) -> None:
    assert listed.run("bash", ".ci/run").code == 0
    assert calls(listed)[-2:] == [f"{BESIDE} -m not slow", f"{ALONE} -m not slow"]
