"""The routing figure with real Ray and real replicas: three interleaved repeats, their accounts, and their twin.

bash run_tests.sh tests/engine/test_real_routing.py -m slow        # about 12 minutes on two cores
"""

from pathlib import Path

import pytest

from harness.analyse.routing_series import labelled
from harness.analyse.routing_series_simulated import FOLLOWED, OWN, agreement
from harness.record.routing_facts import read_routing_facts
from harness.record.routing_tables import FINDINGS, ROUTING_TABLES, STUDY
from harness.record.study_slot import StudySlot, read_study_slot
from tests.faults.routing_deployment import make_place

pytestmark = [pytest.mark.slow, pytest.mark.engine]
STRATEGIES, REPEATS = ("power-of-two", "prefix"), 3


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the figure was made."""
    place = make_place(tmp_path_factory.mktemp("routing"))
    arguments = place.arguments("", prompts=60) | {"strategies": STRATEGIES, "iterations": REPEATS}
    with place.command(arguments) as process:
        assert process.wait(timeout=2400) == 0, "".join(place.said)
    return place.root


@pytest.fixture(scope="module")
def slot(root: Path) -> StudySlot:
    return read_study_slot(root / "figures" / "figure-routing" / "node0", ROUTING_TABLES, STUDY)


def test_every_run_accounts_exactly_for_its_requests_and_tokens(root: Path):
    facts = [read_routing_facts(path.parent) for path in root.glob("runs/*/prefix_routing/*/[0-9]*/routing.json")]
    assert len(facts) == len(STRATEGIES) * REPEATS
    assert all(run.accounting is not None and run.accounting["is_exact"] for run in facts)


def test_repeats_are_interleaved_over_strategies_and_none_is_always_first(root: Path):
    facts = [read_routing_facts(path.parent) for path in root.glob("runs/*/prefix_routing/*/[0-9]*/routing.json")]
    order = [(run.run, run.strategy) for run in sorted(facts, key=lambda run: run.started_at)]
    assert [repeat for repeat, _ in order] == [1, 1, 2, 2, 3, 3]
    assert [strategy for _, strategy in order[::2]] == ["power-of-two", "prefix", "power-of-two"]


def test_simulated_hit_rates_are_at_most_two_points_from_the_real_ones(slot: StudySlot):
    data = labelled(slot, "fault")
    for strategy in STRATEGIES:
        own, followed = (agreement(data, source, strategy) for source in (OWN, FOLLOWED))
        assert own is not None
        assert followed is not None
        assert own.is_close, f"{strategy}: {own.points:+.2f} points"
        assert followed.is_close, f"{strategy}: {followed.points:+.2f} points"


def test_the_finding_on_the_hit_rate_has_an_interval_and_says_that_prefix_routing_finds_more(slot: StudySlot):
    names = list(FINDINGS.columns)
    rows = [dict(zip(names, row, strict=True)) for row in slot.tables[FINDINGS.name]]
    found = {
        row["statistic"]: row["value"] for row in rows if row["metric"] == "hit_rate" and row["strategy"] == "prefix"
    }
    assert found["n"] == REPEATS
    assert found["mean"] - found["baseline mean"] > found["half width of the difference"]
