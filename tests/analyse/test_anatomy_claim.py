"""The verdict on "API server 33 %, scheduling 29 %, execution 38 %": each word where its rule says, and no more."""

from pathlib import Path

import pytest

from harness.analyse.anatomy_claim import judge_split
from harness.analyse.anatomy_rows import split_rows
from harness.record.anatomy_tables import CLAIM, FINDINGS, SHARES
from harness.record.tables import cells_of
from tests.anatomy_simulation import Wanted
from tests.anatomy_slot import made_runs

LIKE, CLOSE = (33, 29, 38), (35, 28, 37)
SHAPE, OTHER = (20, 13, 67), (10, 20, 70)


def repeats(*shares: tuple[float, float, float]) -> list[dict[str, float]]:
    return [{"api": a / 100, "scheduling": s / 100, "execution": e / 100} for a, s, e in shares]


@pytest.mark.parametrize(
    ("shares", "limited", "verdict"),
    [
        ([], [], "not run"),
        ([LIKE], [], "inconclusive"),
        ([LIKE, LIKE], [], "reproduced"),
        ([CLOSE, LIKE, CLOSE], [], "reproduced"),
        ([LIKE, LIKE], ["a twin"], "same shape"),
        ([LIKE, LIKE], ["a CPU engine"], "same shape"),
        ([CLOSE, LIKE], [], "same shape"),  # two repeats: the interval reaches out of the tolerance
        ([SHAPE, SHAPE], [], "same shape"),
        ([SHAPE], ["a twin"], "inconclusive"),
        ([OTHER, OTHER], [], "contradicted"),
        ([(10, 20, 70), (15, 16, 69)], ["a twin"], "contradicted"),
        ([(50, 20, 30), (50, 20, 30)], ["a twin"], "inconclusive"),  # only the place of execution is another
        ([SHAPE, OTHER], [], "inconclusive"),
    ],
)
def test_each_verdict_has_its_rule(shares: list[tuple[float, float, float]], limited: list[str], verdict: str) -> None:
    found, reason = judge_split(repeats(*shares), limited)
    assert found == verdict
    assert reason.isprintable()
    if limited and found == "same shape":
        assert f"({limited[0]} can say no more)" in reason
    if found == "contradicted":
        assert "for this engine and hardware" in reason


def test_the_highest_concurrency_is_judged_with_all_its_repeats(tmp_path: Path) -> None:
    wanted = [Wanted(repeat=at, costs={"forward": 800 + 20 * at}) for at in (1, 2, 3)]
    tables = split_rows(made_runs(tmp_path, wanted))
    (claim,) = cells_of(CLAIM, tables[CLAIM.name])
    assert (claim["concurrency"], claim["verdict"], claim["n"]) == (4, "same shape", 3)
    said = {row["statistic"]: row["value"] for row in cells_of(
        FINDINGS, tables[FINDINGS.name], concurrency=4, definition="cpu", part="api")}  # fmt: skip
    assert f"API server {100 * said['mean']:.1f} ± {100 * said['half width']:.1f} %" in claim["reason"]
    assert said["n"] == 3
    assert 0 < said["spread"] < 0.02


def test_real_weights_on_a_gpu_are_judged_by_the_wall_clock_and_may_say_more_than_a_twin(tmp_path: Path) -> None:
    wanted = [Wanted(repeat=at, twin=False, device="cuda") for at in (1, 2)]
    tables = split_rows(made_runs(tmp_path, wanted))
    (claim,) = cells_of(CLAIM, tables[CLAIM.name])
    wall = cells_of(SHARES, tables[SHARES.name], repeat=1, concurrency=4, definition="wall", stage="all")
    shares = {row["part"]: row["share"] for row in wall}
    assert shares["api"] < shares["worker_host"] + shares["schedule_update"] + shares["engine_rest"]
    assert claim["verdict"] == "contradicted"  # execution > API server > scheduling is not so
    assert "can say no more" not in claim["reason"]


def test_one_repeat_has_a_mean_and_no_interval(tmp_path: Path) -> None:
    tables = split_rows(made_runs(tmp_path, [Wanted()]))
    assert {row["statistic"] for row in cells_of(FINDINGS, tables[FINDINGS.name])} == {"n", "mean"}


def test_levels_at_which_the_order_is_another_are_named(tmp_path: Path) -> None:
    costs = {"stream_out": 100, "http": 100, "detokenise": 100}
    tables = split_rows(made_runs(tmp_path, [Wanted(repeat=at, concurrencies=(1, 4), costs=costs) for at in (1, 2)]))
    (claim,) = cells_of(CLAIM, tables[CLAIM.name])
    rows = cells_of(SHARES, tables[SHARES.name], concurrency=1, definition="cpu", stage="all", repeat=1)
    at_one = {row["part"]: row["share"] for row in rows}
    is_named = "at 1 at once" in claim["reason"]
    assert is_named == (not at_one["execution"] > at_one["api"] > at_one["scheduling"])
