"""The feature matrix's declaration: the whole of it is read, and what cannot be is refused by name."""

from typing import Any

import pytest
from pydantic import ValidationError

from harness.errors import HarnessError
from harness.spec.features import Features, chosen_features
from tests.feature_matrix import EAGER, declared, matrix


def test_the_declared_matrix_has_every_feature_each_against_a_baseline():
    features = Features.model_validate(declared())
    methods = {case.speculation.config["method"] for case in features.cases.values() if case.speculation}
    assert methods == {"draft_model", "medusa", "eagle", "eagle3", "ngram"}
    for name, case in features.cases.items():
        if case.speculation:
            assert features.workloads[case.workload].prompts >= 200, name
        assert case.baseline or any(other.baseline == name for other in features.cases.values()), name


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ({"workload": "none"}, "there is no workload none"),
        ({"baseline": "nobody"}, "baseline nobody is no case"),
        ({"baseline": "drafted"}, "has a baseline itself"),
        ({"model": "opt-125m"}, "another workload or model"),
        ({"engine": {"model": "/x"}}, "model is not a case's to set"),
        ({"engine": {"max_model_len": 4}}, "requests longer than max_model_len"),
        ({"refuses": "("}, "not a pattern"),
        ({"speculation": {"config": {"method": "ngram"}}}, "needs a method and num_speculative_tokens"),
        ({"speculation": EAGER | {"noise": 0.1}}, "noise belongs to draft: noised"),
        ({"speculation": {**EAGER, "config": EAGER["config"] | {"model": "/x"}}}, "say draft"),
        ({"unknown": 1}, "Extra inputs"),
    ],
)
def test_a_case_that_cannot_be_is_refused(case: dict[str, Any], said: str):
    cases = matrix().model_dump()["cases"]
    wanted = {"question": "?", "baseline": "plain", "workload": "few"} | case
    with pytest.raises(ValidationError, match=said.replace("(", r"\(")):
        matrix(cases=cases | {"new": wanted})


def test_the_option_names_cases_all_of_them_or_none():
    features = matrix()
    assert chosen_features(features, None, smoke=True) == ["drafted"]
    assert chosen_features(features, None, smoke=False) == list(features.cases)
    assert chosen_features(features, "all", smoke=True) == list(features.cases)
    assert chosen_features(features, "none", smoke=False) == []
    assert chosen_features(features, "apart, drafted", smoke=False) == ["plain", "drafted", "apart"]
    with pytest.raises(HarnessError, match="no feature case x; there is plain"):
        chosen_features(features, "x", smoke=False)


@pytest.mark.parametrize("nothing", ["", ",", " , "])
def test_an_option_without_a_name_does_not_silently_mean_none(nothing: str):
    with pytest.raises(HarnessError, match="--features has no name; give names, all or none"):
        chosen_features(matrix(), nothing, smoke=False)
