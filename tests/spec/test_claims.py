"""claims.yaml: what it may say, and that what it may not say is one line naming file, line and field."""

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.spec.claims import Bounds, load_claims

GOOD = """\
claims:
  - id: made
    figure: "2"
    statement: It takes ten seconds.
    quantity: seconds
    kind: value
    unit: s
    estimate: {by: total, quantities: [worker_init]}
    paper: 10
    tolerance: {low: 9, high: 11}
    portable: exact
    why: it is made up
    origin: paper figure
"""


def refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "claims.yaml"
    path.write_text(text)
    with pytest.raises(HarnessError) as refused:
        load_claims(path)
    message = str(refused.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message


def test_a_claim_is_read_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text(GOOD)
    (claim,) = load_claims(path)
    assert (claim.id, claim.paper, claim.tolerance) == ("made", 10, Bounds(low=9, high=11))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("by: total", "by: eval", "'total', 'share'"),
        ("quantities: [worker_init]", "quantities: [worker_init], code: exit()", "code"),
        ("paper: 10", "paper: 12", "tolerance (9 to 11) does not hold the paper's value 12"),
        ("paper: 10", "paper: .nan", "paper"),
        ("portable: exact", "portable: shape", "'shape' bounds belong to claims whose shape is portable"),
        ("{low: 9, high: 11}", "{low: 11, high: 9}", "low must be below high"),
        ("{low: 9, high: 11}", "{}", "needs low, high, or both"),
        ("    why: it is made up\n", "", "why"),
        ("origin: paper figure\n", "origin: paper figure\n    verdict: reproduced\n", "verdict"),
        ("id: made", "id: Made Up", "id"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert said in refusal(tmp_path, GOOD.replace(old, new))


def test_an_id_is_given_once(tmp_path: Path) -> None:
    assert "the id 'made' is given twice" in refusal(tmp_path, GOOD + GOOD.removeprefix("claims:\n"))


def test_bounds_are_inclusive_and_may_be_open_at_one_end() -> None:
    assert Bounds(low=1, high=2).holds(1)
    assert Bounds(low=1, high=2).holds(2)
    assert not Bounds(low=1, high=2).holds(2.001)
    assert Bounds(low=1).holds(1e9)
    assert str(Bounds(high=0.5)) == "≤ 0.5"
