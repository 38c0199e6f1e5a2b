"""``predict --evaluate`` of sweeps in which a model's starts say too little, or what no start can have taken."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.commands.predict.evaluation import run_evaluate
from tests.paper_sweep import Change, Seconds, paper_rows, write_sweep

COLD = {"granite4.0-h-3b", "granite4.0-h-32b"}  # recorded with warm weights: flagged whatever else is
MODEL = "yi-9b"


def evaluated(folder: Path, capsys: pytest.CaptureFixture[str], change: Change) -> dict[str, Any]:
    """The one node of figure 17's sweep after a change, as programs get it."""
    assert run_evaluate([write_sweep(folder / "sweep", "17", change=change)], None, as_json=True) == 0
    (node,) = json.loads(capsys.readouterr().out.splitlines()[-1])["nodes"]
    found: dict[str, Any] = node
    return found


def changed(iterations: set[int], **values: float | None) -> Change:
    """These quantities of ``MODEL``'s starts in some iterations; None: not stated."""

    def change(model: str, iteration: int, told: Seconds) -> Seconds:
        if model != MODEL or iteration not in iterations:
            return told
        return {name: value for name, value in (told | values).items() if value is not None}

    return change


EVERY = set(range(1, 6))
NOTHING = dict.fromkeys({row.phase for row in paper_rows("17")})


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"actual_total_time": None}, "its total cannot be told: it states no actual_total_time"),
        ({"load_weights": float("nan")}, "its total cannot be told: it states no load_weights"),
        (NOTHING, "its total cannot be told: it states no actual_total_time, total_time, load_weights"),
        ({"load_weights": -3.0}, "no start takes -3 s for load_weights"),
        ({"load_weights": 0.0}, "no start takes 0 s for load_weights"),
        ({"graph_capturing": -0.5}, "no start takes -0.5 s for graph_capturing"),
        ({"actual_total_time": 1e300}, "no start takes 1e+300 s for actual_total_time"),
        ({"actual_total_time": 1.0}, "its total, 0.502 s, is less than its load_weights, 32.4 s"),
    ],
)
def test_a_model_without_a_possible_total_is_flagged_and_teaches_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], values: dict[str, float | None], reason: str
) -> None:
    node = evaluated(tmp_path, capsys, changed(EVERY, **values))
    assert (node["n"], set(node["flagged"])) == (19, {MODEL, *COLD})
    assert node["mape"] <= 1.5
    (flag,) = [flag for flag in node["flags"] if flag["model"] == MODEL]
    assert flag["reason"].startswith(reason)


def test_one_such_repeat_is_left_out_and_its_model_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node = evaluated(tmp_path, capsys, changed({2}, load_weights=-3.0))
    assert (node["n"], set(node["flagged"])) == (20, COLD)
    assert [(flag["reason"], flag["whole"]) for flag in node["flags"] if flag["model"] == MODEL] == [
        ("no start takes -3 s for load_weights", False)
    ]
