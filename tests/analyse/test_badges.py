"""What a badge's proposal rests on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.analyse.badges import functional, reproduced
from harness.analyse.judged import Judged, Verdict
from harness.analyse.known_runs import KnownRun, run_of_store
from harness.spec.claims import load_claims
from tests.synthetic_run import certificate, make_run

COMMAND = "bash run_figure.sh 2"


def run(**changes: Any) -> KnownRun:
    phases = {"imports:main": 2.999, "unattributed": 0.001}
    return run_of_store(make_run(**({"phases": phases, "phases_by_process": {}} | changes)), Path("a/b"), [])


def judged(*verdicts: Verdict) -> list[Judged]:
    claims = load_claims()
    return [Judged(claims[at], verdict, None, None, 0, "why") for at, verdict in enumerate(verdicts)]


def test_functional_is_supported_by_starts_that_count_are_proved_and_explained():
    badge = functional([run(), run()], COMMAND)
    assert badge.supported
    assert "`bash run_figure.sh 2` ran here: measured starts that count: 2" in badge.points[0].text
    assert "99.97 % of exec→ready is explained" in badge.points[2].text


@pytest.mark.parametrize(
    ("runs", "lacking"),
    [
        ([], "has not given a start that counts here"),
        ([run(status="failed")], "has not given a start that counts here"),
        ([run(certificate=certificate(holds=False))], "state certificates hold for 0 of 1"),
        ([run(certificate={})], "carries a state certificate"),
        ([run(phases={"imports:main": 2.9, "unattributed": 0.1})], "96.67 % of exec→ready is explained"),
    ],
)
def test_functional_is_not_supported_without_one_of_them(runs: list[KnownRun], lacking: str):
    badge = functional(runs, COMMAND)
    assert not badge.supported
    assert any(not point.met and lacking in point.text for point in badge.points)


def test_reproduced_is_supported_when_every_claim_is_and_never_on_twins_or_a_cpu_engine():
    confirmed = judged("reproduced", "same shape")
    assert reproduced(confirmed, originals_on_gpu=True).supported
    badge = reproduced(confirmed, originals_on_gpu=False)
    assert not badge.supported
    assert "structural twins or of the CPU engine" in badge.points[2].text


@pytest.mark.parametrize("verdict", ["contradicted", "inconclusive", "not run"])
def test_one_claim_that_is_not_confirmed_is_enough_to_lack_it(verdict: Verdict):
    badge = reproduced(judged("reproduced", verdict), originals_on_gpu=True)
    assert not badge.supported
    assert f"1 of 2 claims reproduced or of the same shape (1 reproduced, 1 {verdict})" in badge.points[0].text


def test_that_nothing_is_contradicted_says_nothing_where_nothing_was_judged():
    assert reproduced(judged("not run"), originals_on_gpu=True).points[1].met is None
    named = replace(judged("contradicted")[0])
    assert named.claim.id in reproduced([named], originals_on_gpu=True).points[1].text
