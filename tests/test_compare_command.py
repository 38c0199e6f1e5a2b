"""``python3 harness compare``: exit codes, one JSON document, one line for what cannot be compared."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from harness.cli import app as cli
from harness.record.store import CaseStore
from harness.workspace import Workspace
from tests.checkout import Call
from tests.synthetic_run import NODE, make_run, put

WOBBLE = (0.0, 0.02, -0.01, 0.03, -0.02)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of three cases with 5 measured starts (fast, slow; other: as fast, on another machine) and one with 1."""
    folder = tmp_path_factory.mktemp("checkout")
    for name, seconds, n, node in (
        ("fast-00000000", 2.0, 5, NODE),
        ("slow-00000000", 2.5, 5, NODE),
        ("other-00000000", 2.0, 5, {"id": "node-000000000002", "cpu_model": "another"}),
        ("once-00000000", 2.0, 1, NODE),
    ):
        store = CaseStore.of(folder / "runs", str(node["id"]), "cold_start", name)
        for number, more in enumerate(WOBBLE[:n], start=1):
            phases = {"imports:main": seconds + more, "tokenizer_init": 1.0 + more / 2}
            whole = {"phases": phases, "phases_by_process": {}, "ready_s": sum(phases.values()), "window": None}
            put(store, make_run(str(number), round=f"call:{number}", node=node, **whole))
    return folder


@pytest.fixture
def call(root: Path, typed: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setattr(cli, "Workspace", lambda: Workspace(root))
    return partial(typed, "compare")


def test_a_slower_start_is_named_with_its_phase_and_without_a_gate_is_no_failure(call) -> None:
    done = call("fast", "slow")
    assert (done.code, done.err) == (0, "")
    assert "B starts slower than A by 0.50 s" in done.out
    assert "phases: imports:main +0.500" in done.out


@pytest.mark.parametrize(
    ("sides", "gate", "code"),
    [
        (("fast", "slow"), "5%", 1),
        (("fast", "slow"), "20%", 0),
        (("slow", "fast"), "5%", 0),
        (("fast", "fast"), "0%", 0),
    ],
)
def test_the_gate_exits_1_only_when_b_is_slower_beyond_it(call, sides: tuple[str, str], gate: str, code: int) -> None:
    done = call(*sides, "--gate", gate)
    assert done.code == code
    assert f"gate {gate[:-1]} %: {'crossed' if code else 'not crossed'}" in done.out.splitlines()[-1]


def test_too_few_runs_for_a_gate_are_wrong_use(call) -> None:
    done = call("fast", "once", "--gate", "5%")
    assert done.code == 2
    assert done.err.endswith(
        "too few runs to judge the gate (A has 5, B 1, each needs 2 or more); measure more starts\n"
    )


@pytest.mark.parametrize("gate", ["0.05", "5", "5 %", "-5%", "x%", "5%%", "1e3%", "nan%", ""])
def test_a_gate_is_a_percentage_and_nothing_else(call, gate: str) -> None:
    done = call("fast", "slow", f"--gate={gate}")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"error: --gate is a percentage such as 5% or 2.5% (got '{gate}')\n"


def test_a_side_that_cannot_be_found_is_one_line(call) -> None:
    done = call("fast", "slaw")
    assert (done.code, done.out, done.err) == (2, "", "error: no case 'slaw' in the store; nearest: slow-00000000\n")


def test_json_is_the_last_line_and_the_tables_go_to_stderr(call) -> None:
    done = call("fast", "slow", "--gate", "5%", "--json")
    (line,) = done.out.splitlines()
    found = json.loads(line)
    assert done.code == 1
    assert (found["a"]["label"], found["n"], found["paired"]) == ("fast-00000000@s1", {"a": 5, "b": 5}, True)
    assert found["ready"]["difference_s"] == pytest.approx(0.5)
    assert found["ready"]["verdict"] == "slower"
    assert [line["phase"] for line in found["phases"]] == ["imports:main", "tokenizer_init"]
    assert found["differs"] == {}
    assert found["gate"]["crossed"] is True
    assert "imports:main" in done.err


@pytest.mark.parametrize(("b", "key"), [("once", "gate"), ("nope", "error")])
def test_json_is_there_whatever_the_exit_code(call, b: str, key: str) -> None:
    done = call("fast", b, "--gate", "5%", "--json")
    assert done.code == 2
    assert json.loads(done.out.splitlines()[-1])[key]


def test_different_machines_are_compared_with_a_warning(call) -> None:
    done = call("fast", "other")
    assert done.code == 0
    assert done.err == (
        "warning: different machines: a test (node-000000000001) and another (node-000000000002); "
        "a difference may be theirs\n"
    )
    assert "machine" in done.out


def test_a_machine_of_another_record_reaches_the_terminal_as_printable_characters(call, root: Path) -> None:
    store = CaseStore.of(root / "runs", "far", "cold_start", "hostile-00000000")
    node = {"id": "n\x1b]0;t\x07", "cpu_model": "\x1b[2Jcpu\n" + 200 * "x"}
    put(store, *(make_run(str(number), node=node) for number in (1, 2)))
    done = call("fast", "hostile")
    assert done.code == 0
    assert all(line.isprintable() for line in done.err.splitlines())
    assert len(done.err) < 250


def test_a_failed_start_leaves_the_other_rounds_paired(call, root: Path) -> None:
    store = CaseStore.of(root / "runs", "node-000000000001", "cold_start", "failing-00000000")
    for number in range(1, 6):
        status = "failed" if number == 2 else "ok"
        put(store, make_run(str(number), round=f"call:{number}", status=status))
    done = call("fast", "failing", "--json")
    found = json.loads(done.out)
    assert "warning: 1 start has no partner in its round and is left out\n" in done.err
    assert (found["paired"], found["n"], found["a"]["runs"]) == (True, {"a": 4, "b": 4}, ["1", "3", "4", "5"])
    assert found["a"]["left_out"] == {"without a partner in its round": 1}
    assert found["ready"]["a_mean_s"] == pytest.approx(3 + 1.5 * (0.0 - 0.01 + 0.03 - 0.02) / 4)


def test_a_narrow_terminal_does_not_cut_numbers(call, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = call("fast", "slow").out
    monkeypatch.setenv("COLUMNS", "40")
    assert call("fast", "slow").out == wide
    assert "…" not in wide


def test_a_missing_side_is_an_error_in_json_too(call) -> None:
    done = call("fast", "--json")
    assert done.code == 2
    assert json.loads(done.out.splitlines()[-1]) == {"error": done.err.removeprefix("error: ").rstrip("\n")}
    assert call("fast", "--", "slow", "more", "--json").out == ""


def test_a_reader_that_goes_away_is_not_a_crossed_gate(root: Path) -> None:
    program = (
        "from pathlib import Path; from harness.cli import app as cli; from harness.workspace import Workspace; "
        f"cli.Workspace = lambda: Workspace(Path({str(root)!r})); cli.main()"
    )
    for more in ([], ["--json"]):
        process = subprocess.Popen(
            [sys.executable, "-c", program, "compare", "fast", "slow", *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        with process.stderr as errors:
            err = errors.read()
        assert process.wait() == 141
        assert b"Traceback" not in err
        assert b"Exception ignored" not in err
