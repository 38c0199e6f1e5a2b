"""The table of a measured command, as a terminal shows it and as a program reads it."""

import io
import json

import pytest
from rich.console import Console

from harness.analyse.by_process import Table, phase_table
from harness.record.run import Run
from harness.show import own_start
from tests.synthetic_run import certificate, make_run

HEADINGS = {"warmup": "uncached", "measured": "cached"}


def run(name: str, seconds: float = 10.0, **changes: object) -> Run:
    phases = {
        "main": {"imports:main": seconds, "unattributed": 0.001},
        "engine": {"graph_compile_general_shape": 5.0, "config": 0.01, "gc_freeze": 0.002},
    }
    ready_s = sum(sum(found.values()) for found in phases.values())
    return make_run(name, ready_s=ready_s, phases_by_process=phases, **changes)


def found(*runs: Run) -> Table:
    return phase_table(runs, tuple(HEADINGS))


def text(table: Table, title: str = "vllm serve tiny", width: int = 80) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(own_start.table(table, title, HEADINGS))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_each_phase_has_its_process_seconds_interval_and_share() -> None:
    lines = text(found(run("warmup-0", 20.0), run("1", 10.0), run("2", 12.0)))
    assert lines[0] == "vllm serve tiny"
    assert lines[1].split() == [
        "phase,",
        "seconds",
        "process",
        "uncached",
        "n=1",
        "%",
        "cached",
        "n=2",
        "±95",
        "%",
        "%",
    ]
    assert lines[3].split() == ["imports:main", "main", "20.000", "80.0", "11.000", "12.706", "68.7"]
    assert lines[4].split() == ["graph_compile_general_shape", "engine", "5.000", "20.0", "5.000", "0.000", "31.2"]
    assert lines[5].split() == ["unattributed", "main", "0.001", "0.0", "0.001", "0.000", "0.0"]
    assert lines[6].split() == ["2", "smaller", "ones", "0.012", "0.0", "0.012", "0.1"]
    assert lines[-1].split() == ["exec→ready", "25.013", "100.0", "16.013", "12.706", "100.0"]


def test_a_single_start_has_no_interval_and_no_column_for_it() -> None:
    assert "±" not in "\n".join(text(found(run("warmup-0"), run("1"))))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_number_is_ever_cut(width: int) -> None:
    lines = text(found(run("warmup-0", 20.0), run("1", 10.0), run("2", 12.0)), width=width)
    assert "…" not in "".join(lines)
    assert max(map(len, lines)) <= width
    assert {"20.000", "11.000", "12.706", "100.0"} <= set(" ".join(lines).split())


def test_runs_that_were_left_out_are_told() -> None:
    lines = text(
        found(run("warmup-0"), run("1"), run("2", certificate=certificate(holds=False)), make_run("3", status="failed"))
    )
    assert lines[-1] == "2 cached runs left out (see above)"
    assert text(found(run("1"), make_run("warmup-0", status="failed")))[-1] == "1 uncached run left out (see above)"


def test_markup_and_control_characters_of_a_command_stay_text() -> None:
    lines = text(found(run("1")), title="serve [bold]x[/bold] [/nothing] \x1b[31mred")
    assert lines[0].startswith("serve [bold]x[/bold] [/nothing] ")
    assert lines[0].endswith(" red")
    assert "\x1b" not in lines[0]


def test_the_document_says_the_same_in_seconds() -> None:
    document = json.loads(json.dumps(own_start.document(found(run("warmup-0"), run("1", 10.0), run("2", 12.0)))))
    assert document["ready"]["warmup"] == {"n": 1, "mean": pytest.approx(15.013), "half_width": None}
    assert document["ready"]["measured"]["half_width"] == pytest.approx(12.706, abs=0.001)
    assert document["phases"][0]["phase"] == "imports:main"
    assert document["phases"][0]["measured"]["mean"] == 11.0
    assert len(document["phases"]) == 5  # none is merged
    assert own_start.document(found()) == {"ready": {}, "phases": []}
