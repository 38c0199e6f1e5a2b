"""The claims against the data that they are about: every number is the data's, and the data reproduces every claim."""

import pytest

from harness.analyse.estimators import ESTIMATORS, estimate
from harness.analyse.evidence import Here
from harness.analyse.judge import judge_all
from harness.commands.claims.evidence_files import own_evidence
from harness.spec.claims import load_claims
from harness.spec.figure import figure_numbers
from harness.workspace import Workspace
from tests.beside import RECORDED
from tests.claims_evidence import CLAIMS, papers


@pytest.mark.parametrize("name", CLAIMS)
def test_the_papers_value_of_a_claim_is_what_its_estimator_finds_in_the_papers_data(name: str) -> None:
    claim = CLAIMS[name]
    found = estimate(claim.estimate, papers(), claim.figure).value
    assert found == pytest.approx(claim.paper, rel=2e-3, abs=6e-5)


def test_the_papers_data_reproduces_every_claim() -> None:
    judged = judge_all(load_claims(), papers(), Here("cuda"))
    assert {each.claim.id: each.reason for each in judged if each.verdict != "reproduced"} == {}
    assert len(judged) >= 37


def test_the_papers_raw_logs_reproduce_every_claim() -> None:
    judged = judge_all(load_claims(), own_evidence(Workspace(), [RECORDED.need()]), Here("cpu"))
    assert {each.claim.id: each.reason for each in judged if each.verdict != "reproduced"} == {}
    by_csv = {each.claim.id: (each.mine, each.interval) for each in judge_all(load_claims(), papers(), Here("cuda"))}
    assert {each.claim.id: (each.mine, each.interval) for each in judged} == by_csv


def test_every_figure_of_the_paper_has_a_claim_and_every_claim_a_figure() -> None:
    numbered = {number for number in figure_numbers(Workspace()) if number.isdecimal()}
    assert {claim.figure for claim in load_claims()} == numbered | {"all"}


def test_every_estimator_is_used_by_a_claim() -> None:
    assert {type(claim.estimate) for claim in load_claims()} == ESTIMATORS.keys()


def test_intervals_are_over_repeats_and_hold_the_point() -> None:
    for each in judge_all(load_claims(), papers(), Here("cuda")):
        if each.interval is None:
            assert each.n == 1 or each.claim.id.startswith("repeatability")
            assert "no interval" in each.reason
        else:
            assert each.n == 5, each.claim.id
            assert each.mine is not None
            assert each.interval[0] <= each.mine <= each.interval[1]


@pytest.mark.parametrize("name", CLAIMS)
def test_the_documents_table_lists_every_claim_in_its_figures_row(name: str) -> None:
    lines = (Workspace().root / "docs" / "claims.md").read_text(encoding="utf-8").splitlines()
    (row,) = [line for line in lines if line.startswith(f"| {CLAIMS[name].figure} |")]
    assert f"`{name}`" in row
