"""The head-room figure's declaration: as it is, and with fields that cannot be."""

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.spec.headroom import Steps, Targets, load_headroom
from harness.workspace import Workspace


def test_the_full_search_is_the_issue_s_and_its_smoke_is_smaller() -> None:
    figure = load_headroom("headroom", Workspace())
    full, smoke = figure.full, figure.smoke
    factors, targets = full.factors.values(), full.targets.values()
    assert (len(factors), factors[0], factors[-1]) == (61, 0.0, 12.0)
    assert (len(targets), targets[0], targets[-1]) == (29, 1.8, 7.4)
    assert all(round(each * 5) == pytest.approx(each * 5) for each in (*factors, *targets))
    assert (len(full.seeds), len(figure.workloads)) == (3, 3)
    assert full.requests >= 1000
    assert len(smoke.factors.values()) * len(smoke.seeds) * smoke.requests < 61 * 3 * 1000 / 20


def test_steps_are_written_as_people_would_and_end_at_the_last_that_fits() -> None:
    assert Steps(least=0, most=1, step=0.2).values() == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert Targets(least=1.8, most=2.5, step=0.2).values() == [1.8, 2.0, 2.2, 2.4]


@pytest.mark.parametrize(
    ("field", "wrong", "said"),
    [
        ("  factors: {least: 0.0, most: 12.0, step: 0.2}", "  factors: {least: -1, most: 9, step: 1}", "factors.least"),
        ("  targets: {least: 1.8, most: 7.5, step: 0.2}", "  targets: {least: 0.9, most: 7, step: 1}", "targets.least"),
        ("  factors: {least: 0.0, most: 12.0, step: 0.2}", "  factors: {least: 0, most: 12, step: 1e-9}", "1 to 1000"),
        ("models: [opt-125m]", "models: [opt-126m]", "unknown model 'opt-126m'"),
        ("    num_blocks: 400", "    num_blocks: 1", "num_blocks"),
        ("real_block_size: 32", "real_block_size: 24", "multiple of block_size"),
        ("    workload: original", "    workload: originel", "no workload of this name"),
        ("  watermarks: [0.01, 0.02, 0.05, 0.1]", "  watermarks: [1.5]", "watermarks"),
        ("figure: headroom", "figure: 2", "field 'figure'"),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_is_named_in_one_line(tmp_path: Path, field: str, wrong: str, said: str) -> None:
    good = (Workspace().figure("headroom") / "figure.yaml").read_text()
    assert field in good
    folder = tmp_path / "figures" / "figure-headroom"
    folder.mkdir(parents=True)
    (folder / "figure.yaml").write_text(good.replace(field, wrong, 1))
    with pytest.raises(HarnessError) as refused:
        load_headroom("headroom", Workspace(tmp_path))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
