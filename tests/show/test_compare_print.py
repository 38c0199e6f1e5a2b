"""A comparison as text: complete in 80 columns, and its sentence says what the numbers say."""

import io

import pytest
from rich.console import Console

from harness.analyse.compare import Differs, compare, judge
from harness.record.sides import Side, Start
from harness.show.compare_print import conclusion, gate_line, shorten, tables

BASE = {"dynamo_transform_time": 5.0, "imports:worker": 12.0, "graph_compile_general_shape": 1.25}


def starts(n: int = 5, **more: float) -> list[Start]:
    wobble = [1.0, 1.02, 0.99, 1.01, 0.98]
    return [
        Start(str(i), None, {name: seconds * wobble[i] + more.get(name, 0.0) for name, seconds in BASE.items()})
        for i in range(n)
    ]


def printed(a: list[Start], b: list[Start], differs: Differs, label: str = "case@s1") -> str:
    console = Console(width=80, record=True, color_system=None, file=io.StringIO())
    side = Side(label, "runs", "measured", tuple(a), {"failed": 2}, {})
    console.print(tables(side, side, compare(a, b), differs))
    return console.export_text()


def test_every_phase_its_numbers_and_its_verdict_fit_80_columns() -> None:
    text = printed(starts(), starts(dynamo_transform_time=-4.5), {})
    assert "…" not in text
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "-4.500 ±" in lines["dynamo_transform_time"]
    assert lines["dynamo_transform_time"].rstrip().endswith("faster")
    assert lines["imports:worker"].rstrip().endswith("–")
    assert "0.10 [0." in lines["dynamo_transform_time"]
    assert {"graph_compile_general_shape", "total"} <= set(lines)
    assert "5 measured, left out: 2 failed" in text


def test_what_differs_in_the_records_is_shown_by_group() -> None:
    text = printed(starts(), starts(), {"flags": {"eager": (False, True), "X": (None, "1")}})
    assert "flags" in text
    assert "eager" in text
    assert "–" in text


@pytest.mark.parametrize(
    ("b", "says"),
    [
        (starts(), "No difference shown in the total: B − A lies between -0.42 and +0.42 s; no phase differs."),
        (starts(dynamo_transform_time=0.3), "; but in phases: dynamo_transform_time +0.300 ±"),
        (starts(dynamo_transform_time=2), "B starts slower than A by 2.00 s, +11.0 % ["),
        (starts(dynamo_transform_time=-2), "B starts faster than A by 2.00 s, -11.0 % ["),
        (starts(1), "one start on a side: no interval, so it shows nothing"),
    ],
)
def test_the_conclusion_says_in_one_sentence_what_the_intervals_say(b: list[Start], says: str) -> None:
    assert says in conclusion(compare(starts(), b))


def test_the_gate_says_what_it_saw_in_one_line() -> None:
    slow, same, one = (compare(starts(), b).ready for b in (starts(dynamo_transform_time=3), starts(), starts(1)))
    assert gate_line(judge(slow, 0.05), slow).startswith("gate 5 %: crossed; B takes 1.164 times as long as A, 95 %")
    assert gate_line(judge(same, 0.025), same).startswith("gate 2.5 %: not crossed; B takes 1.000 times as long as A")
    assert "undecided" in gate_line(judge(one, 0.05), one)


def test_long_values_are_cut_where_they_do_not_differ() -> None:
    command = "vllm serve some/model --port 8000 --tensor-parallel-size "
    assert shorten(command + "2", command + "4") == ("…-size 2", "…-size 4")
    assert shorten("a" * 64, "b" * 64) == ("a" * 29 + "…", "b" * 29 + "…")
    assert shorten(None, 1) == ("–", "1")


def test_nothing_in_a_record_reaches_the_terminal_as_a_command() -> None:
    text = printed(
        starts(), [Start("1", None, {"\x1b[2Jleaf": 1.0})], {"flags": {"[bold]x\x07": ("\x1b]0;t", "\n")}}, "a\x1bb"
    )
    assert not set(text) & {"\x1b", "\x07"}
    assert "[bold]x" in text
