import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.forecast import Forecast, train
from harness.analyse.forecast_document import from_document, to_document, training_sha256
from harness.analyse.model_facts import known_models
from tests.paper_sweep import paper_sweep


def document() -> dict[str, Any]:
    forecast = train(paper_sweep("10", "gpu1").found, "warm")
    assert forecast is not None
    stored: dict[str, Any] = json.loads(json.dumps(to_document(forecast), allow_nan=False))
    return stored


DOCUMENT = document()


def test_a_stored_forecast_predicts_what_the_trained_one_does() -> None:
    trained = train(paper_sweep("10", "gpu1").found, "warm")
    assert trained is not None
    read = from_document(DOCUMENT)
    for facts in known_models().values():
        assert read.predict(facts) == trained.predict(facts)


@given(st.sampled_from(sorted(DOCUMENT)), st.none() | st.integers() | st.text() | st.lists(st.integers()) | st.just({}))
def test_a_damaged_document_is_refused_or_read_never_anything_else(key: str, value: object) -> None:
    said = ""
    read: Forecast | None = None
    try:
        read = from_document({**DOCUMENT, key: value})
    except ValueError as refused:  # said in one line; any other exception would be a traceback
        said = str(refused)
    assert isinstance(read, Forecast) or "not a stored forecast" in said
    assert "\n" not in said


@pytest.mark.parametrize("key", sorted(DOCUMENT))
def test_a_document_without_one_of_its_keys_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="not a stored forecast"):
        from_document({name: value for name, value in DOCUMENT.items() if name != key})


def test_the_hash_is_that_of_the_data_not_of_its_order() -> None:
    starts = paper_sweep("10", "gpu1").found.used
    changed = (replace(starts[0], seconds={**starts[0].seconds, "load_weights": 9.0}), *starts[1:])
    assert training_sha256(starts) == training_sha256(starts[::-1])
    assert training_sha256(starts) != training_sha256(changed)
    assert training_sha256(starts) != training_sha256(starts[1:])
