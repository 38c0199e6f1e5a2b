"""The ladder's declaration: states are told by what they keep, and a declaration that cannot add up is refused."""

from collections.abc import Mapping
from typing import Any

import pytest

from harness.analyse.dataset import CaseData
from harness.analyse.rungs import EVERYTHING, KINDS, NOTHING, rungs_of
from harness.errors import HarnessError
from harness.spec.figure import Figure, load_figure
from harness.spec.state import StartState
from harness.workspace import Workspace

LADDER = load_figure("ladder", Workspace())
LOST = {"storage": "ssd", "libraries": "cold", "compile_cache": "empty", "model_info": "empty"}
KEPT = {"storage": "ram", "libraries": "all warm", "compile_cache": "warm-up", "model_info": "warm-up"}


def declared(**changes: Mapping[str, str] | None) -> Figure:
    """The figure with states changed, added, or (None) taken away."""
    states: dict[str, Any] = {name: state.model_dump() for name, state in LADDER.states.items()}
    states |= changes
    given = {name: StartState(**state) for name, state in states.items() if state is not None}
    return LADDER.model_copy(update={"states": given})


def case(state: StartState) -> CaseData:
    return CaseData("m", True, {}, {}, (), state=state.declared())


def test_the_repository_s_ladder_keeps_each_kind_of_state_alone() -> None:
    rungs = rungs_of(LADDER)
    assert sorted(rungs.kinds) == sorted(KINDS)
    assert list(rungs.states) == [NOTHING, *rungs.kinds, EVERYTHING]
    for kind in rungs.kinds:
        assert rungs.states[kind] == StartState(**{**LOST, kind: KEPT[kind]})  # type: ignore[arg-type]


def test_states_are_told_by_what_they_keep_and_not_by_their_names_or_places() -> None:
    names = [f"state {number}" for number in range(len(LADDER.states))]
    renamed = dict(zip(names, reversed(LADDER.states.values()), strict=True))
    assert dict(rungs_of(LADDER.model_copy(update={"states": renamed})).states) == dict(rungs_of(LADDER).states)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"weights": {**LOST, "storage": "ram", "libraries": "all warm"}}, "'weights' keeps storage and libraries; a"),
        ({"libraries": {**LOST, "libraries": "warm"}}, "'libraries' has libraries warm, but the state that keeps all"),
        ({"libraries": {**LOST, "libraries": "as found"}}, "'libraries' has libraries as found, but"),
        ({"weights": {**LOST, "storage": "path:/mnt"}}, "2 of them keep nothing (nothing, weights)"),
        ({"again": {**LOST, "storage": "ram"}}, "'again' keeps storage, and another state does"),
        ({"weights": None}, "none keeps storage alone; without it the steps cannot add up"),
        ({"nothing": None}, "0 of them keep nothing; a ladder needs one"),
        ({"everything": None}, "0 of them keep everything; a ladder needs one"),
        ({"everything": {**KEPT, "libraries": "as found"}}, "0 of them keep everything; a ladder needs one"),
    ],
)
def test_a_declaration_whose_steps_would_not_add_up_is_refused_by_name(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(HarnessError) as refused:
        rungs_of(declared(**changes))
    assert str(refused.value).startswith("figures/figure-ladder/figure.yaml: states: ")
    assert why in str(refused.value)


def test_cases_are_found_by_the_state_that_they_declare() -> None:
    rungs = rungs_of(LADDER)
    mine = [case(state) for state in reversed(rungs.states.values())]
    other = case(StartState(storage="tmpfs"))
    found = rungs.cases([other, *mine])
    assert list(found) == list(rungs.states)
    assert all(found[key].state == state.declared() for key, state in rungs.states.items())
    assert rungs.cases([other, CaseData("m", True, {}, {}, ())]) == {}


def test_two_cases_of_the_same_state_are_not_one() -> None:
    rungs = rungs_of(LADDER)
    with pytest.raises(HarnessError, match=r"two cases of m keep the same \(storage\)"):
        rungs.cases([case(rungs.states["storage"]), case(rungs.states["storage"])])
