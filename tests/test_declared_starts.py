"""Which cases of a slot are what their figure declares: by state, mode, arguments and environment."""

from typing import Any

import pytest

from harness.commands.claims.declared_starts import otherwise
from harness.spec.figure import load_figure
from harness.spec.pin import load_pin
from harness.workspace import Workspace
from tests.synthetic_slot import manifest

PIN = load_pin("vllm-0.32.0-cpu")
STATE = {"storage": "ram", "libraries": "warm", "compile_cache": "warm-up", "model_info": "warm-up"}


def case(figure: str, **changes: Any) -> str | None:
    """What is said of a start of the figure on the CPU engine; ``changes`` of its parameters, state or environment."""
    (like,) = manifest([], figure=figure)["cases"]
    made = {
        "parameters": {"eager": False, "max_model_len": 2048, "storage": "ram"},
        "state": STATE,
        "environment": {**PIN.environment, **load_figure(figure, Workspace()).environment},
    }
    whole = {name: {**value, **changes.get(name, {})} for name, value in made.items()}
    slot = load_figure(figure, Workspace()).slots[0]
    return otherwise({**like, **whole}, load_figure(figure, Workspace()), slot, "cpu", PIN)


def test_a_case_as_the_figure_declares_it_is_its() -> None:
    assert [case(number) for number in ("2", "3", "7", "12", "13", "17")] == [None] * 6
    assert case("15", state={"compile_cache": "empty"}) is None
    assert case("14", parameters={"load_format": "safetensors"}) is None
    assert case("9", parameters={"cuda_graph_sizes": [216]}) is None


@pytest.mark.parametrize(
    ("figure", "changes", "told"),
    [
        ("2", {"parameters": {"storage": "ssd"}, "state": {"storage": "ssd"}}, "storage ssd instead of ram"),
        ("13", {"state": {"storage": "tmpfs"}}, "storage tmpfs instead of ram"),
        ("2", {"parameters": {"eager": True}}, "eager true instead of false"),
        ("2", {"parameters": {"mode": "serve"}}, "mode serve instead of offline"),
        ("13", {"parameters": {"drop_caches": "all"}}, "drop_caches all instead of none"),
        ("2", {"parameters": {"max_model_len": 4096}}, "max_model_len 4096 instead of 2048"),
        ("9", {"parameters": {"cuda_graph_sizes": [2, 4]}}, "cuda_graph_sizes [2, 4] instead of [1]"),
        ("15", {}, "compile_cache warm-up instead of empty"),
        (
            "2",
            {"environment": {"OMP_NUM_THREADS": "1"}},
            "OMP_NUM_THREADS 1 in the environment, where it must not be set",
        ),
        (
            "7",
            {"environment": {"TORCH_COMPILE_DISABLE": "0"}},
            "TORCH_COMPILE_DISABLE 0 in the environment, where it must be 1",
        ),
    ],
)
def test_what_the_figure_does_not_declare_is_told(figure: str, changes: dict[str, Any], told: str) -> None:
    said = case(figure, **changes)
    assert said is not None
    assert told in said


def test_a_loader_that_reads_past_the_page_cache_starts_from_the_disk() -> None:
    from_disk = {"storage": "ssd"}
    streamed = {"load_format": "runai_streamer", **from_disk}
    assert case("14", parameters=streamed, state=from_disk) is None
    assert case("14", parameters={"load_format": "safetensors", **from_disk}, state=from_disk) is not None


def test_both_slots_at_once_is_a_way_to_measure_a_figure() -> None:
    assert case("2", parameters={"parallel": "measured at once on one machine"}) is None


def test_what_an_older_slot_does_not_tell_is_taken_to_be_as_declared() -> None:
    (old,) = manifest([], figure="2")["cases"]
    assert "state" not in old
    assert otherwise(old, load_figure("2", Workspace()), "node0", "cpu", None) is None
