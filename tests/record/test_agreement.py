"""Slots that do not make one figure are refused with both values named; those that do are not.

Over 300 lines: one rule of agreement per claim, over the same manifests.
"""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.record.agreement import confounders, disagreements, same_identity, unfinished
from harness.record.identity import core_list
from tests.synthetic_slot import CASE, synthetic

Manifest = dict[str, Any]


def made(slot: str, measured: int = 2, warmup: bool = True, **node: Any) -> Manifest:
    _, manifest = synthetic(measured, warmup, slot=slot, figure="11")
    manifest["node"] |= node
    return {**manifest, "files": [{"name": "data.csv"}]}


def cpus(**of_the_second: Any) -> list[Manifest]:
    """Two slots that fit together in a figure that compares CPUs."""
    return [made("cpu0", cpus=[0, 1]), made("cpu1", cpus=[2, 3], **of_the_second)]


def gpu(slot: str, *uuids: str, **node: Any) -> Manifest:
    return made(slot, gpu_uuids=list(uuids), gpus=["NVIDIA L40S"] * len(uuids), **node)


def second_case(manifest: Manifest, **changed: Any) -> Manifest:
    """The manifest with a second case, of all that the first one has but ``changed``."""
    case = {**copy.deepcopy(manifest["cases"][0]), "case": "another-00000000", **changed}
    runs = [{**run, "case": case["case"]} for run in manifest["runs"]]
    return {**manifest, "cases": [*manifest["cases"], case], "runs": [*manifest["runs"], *runs]}


def test_two_core_sets_with_equal_cases_make_one_figure() -> None:
    assert disagreements(cpus(), "cpu") == []


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("differ", [None, "cpu", "gpu", "storage"])
def test_fewer_than_two_slots_cannot_disagree(count: int, differ: str) -> None:
    assert disagreements(cpus()[:count], differ) == []


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("engine.pin", "vllm-0.31.0-cpu", "engines differ: cpu0 has vllm-0.32.0-cpu, cpu1 has vllm-0.31.0-cpu"),
        ("engine.version", "0.31.0", "vLLM versions differ: cpu0 has 0.32.0, cpu1 has 0.31.0"),
        ("engine.lock_sha256", "9" * 64, "requirement locks differ: cpu0 has aaaaaaaaaaaa…, cpu1 has 999999999999…"),
        ("engine.patches_sha256", "9" * 64, "patch sets differ: cpu0 has bbbbbbbbbbbb…, cpu1 has 999999999999…"),
        ("engine.torch", "2.9+cpu", "torch builds differ: cpu0 has none, cpu1 has 2.9+cpu"),
        ("engine.python", "3.12", "Python versions of the engine differ: cpu0 has none, cpu1 has 3.12"),
        (
            "model.files_sha256",
            "9" * 64,
            "model files of llama3-3b differ: cpu0 has cccccccccccc…, cpu1 has 999999999999…",
        ),
        (
            "model.twin",
            False,
            "kinds of model files of llama3-3b differ: cpu0 has structural twin, cpu1 has original",
        ),
        ("model.name", "qwen-4b", "models differ: cpu0 has llama3-3b, cpu1 has qwen-4b"),
        ("parameters.max_model_len", 4096, "values of max_model_len of llama3-3b differ: cpu0 has 2048, cpu1 has 4096"),
        ("parameters.eager", True, "values of eager of llama3-3b differ: cpu0 has false, cpu1 has true"),
        ("parameters.mode", "serve", "values of mode of llama3-3b differ: cpu0 has offline, cpu1 has serve"),
        ("parameters.dtype", "half", "values of dtype of llama3-3b differ: cpu0 has none, cpu1 has half"),
        ("samples", ["cores"], "samples of llama3-3b differ: cpu0 has none, cpu1 has cores"),
    ],
)
def test_what_must_be_equal_is_named_with_both_values(field: str, value: Any, told: str) -> None:
    one, other = cpus()
    *path, last = field.split(".")
    place = other["cases"][0]
    for key in path:
        place = place[key]
    place[last] = value
    assert disagreements([one, other], "cpu") == [told]


def test_the_environment_must_be_equal_where_both_state_it_but_not_what_chooses_a_device() -> None:
    one, other = cpus()
    one["cases"][0]["environment"] = {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "0"}
    assert disagreements([one, other], "cpu") == []
    other["cases"][0]["environment"] = {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "1"}
    assert disagreements([one, other], "cpu") == []
    other["cases"][0]["environment"]["OMP_NUM_THREADS"] = "4"
    (told,) = disagreements([one, other], "cpu")
    assert told == "values of OMP_NUM_THREADS in the environment of llama3-3b differ: cpu0 has 2, cpu1 has 4"


def test_another_definition_is_noticed_even_if_nothing_that_the_slots_state_differs() -> None:
    one, other = cpus()
    other["cases"][0]["case"] = "llama3-3b-compiled-00000000"
    for run in other["runs"]:
        run["case"] = "llama3-3b-compiled-00000000"
    (told,) = disagreements([one, other], "cpu")
    assert f"cpu0 has {CASE}, cpu1 has llama3-3b-compiled-00000000" in told
    assert "version of this repository" in told


def test_other_figures_are_not_compared() -> None:
    one, other = cpus()
    told = disagreements([one, {**other, "figure": "10"}], "cpu")
    assert told == ["figures differ: cpu0 has 11, cpu1 has 10"]


@given(st.integers(1, 5), st.integers(1, 5))
def test_slots_agree_if_and_only_if_equally_many_starts_count(one: int, other: int) -> None:
    told = disagreements([made("cpu0", one, cpus=[0]), made("cpu1", other, cpus=[1])], "cpu")
    expected = f"measured starts of llama3-3b that count differ: cpu0 has {one}, cpu1 has {other}"
    assert told == ([] if one == other else [expected])


def test_starts_that_do_not_count_are_not_counted() -> None:
    one, other = cpus()
    other["runs"][-1]["counts"] = False
    assert disagreements([one, other], "cpu") == [
        "measured starts of llama3-3b that count differ: cpu0 has 2, cpu1 has 1"
    ]


def test_a_lost_warm_up_is_named_and_a_repeated_one_is_fine() -> None:
    one, other = cpus()
    told = disagreements([one, made("cpu1", warmup=False, cpus=[2])], "cpu")
    assert told == ["warm-up starts of llama3-3b that count differ: cpu0 has one, cpu1 has none"]
    other["runs"].append({**other["runs"][0], "run": "warmup-1"})
    assert disagreements([one, other], "cpu") == []


def test_a_missing_model_is_named() -> None:
    one, other = cpus()
    more = second_case(one, model={**one["cases"][0]["model"], "name": "qwen-4b"})
    assert disagreements([more, other], "cpu") == ["models differ: cpu0 has qwen-4b, cpu1 has nothing else"]


def test_several_settings_of_one_model_are_compared_by_setting() -> None:
    one, other = (second_case(each, parameters={"max_model_len": 4096}) for each in cpus())
    assert disagreements([one, other], "cpu") == []
    other["cases"][1]["parameters"] = {"max_model_len": 1024}
    (told,) = disagreements([one, other], "cpu")
    assert told == (
        "settings of llama3-3b differ: cpu0 has vllm-0.32.0-cpu max_model_len=4096, "
        "cpu1 has vllm-0.32.0-cpu max_model_len=1024"
    )


def test_two_long_values_are_shown_where_they_differ() -> None:
    one, other = cpus()
    one["cases"][0]["parameters"]["template"] = "x" * 500 + "one" + "y" * 500
    other["cases"][0]["parameters"]["template"] = "x" * 500 + "two" + "y" * 500
    (told,) = disagreements([one, other], "cpu")
    assert "xone" in told
    assert "xtwo" in told
    assert len(told) < 300


def test_a_long_value_that_only_goes_on_is_shown_with_what_follows() -> None:
    one, other = cpus()
    one["cases"][0]["parameters"]["template"] = "x" * 500
    other["cases"][0]["parameters"]["template"] = "x" * 500 + "more"
    (told,) = disagreements([one, other], "cpu")
    assert "xmore" in told.rpartition("cpu1 has ")[2]


@pytest.mark.parametrize("differ", [None, "cpu", "gpu", "storage"])
def test_a_slot_that_is_there_twice_is_named_once(differ: str) -> None:
    one, other = cpus(id="node-0000000000ff")
    told = disagreements([one, {**other, "slot": "cpu0"}], differ)
    assert told == [f"slot cpu0 is there twice: of {one['node']['id']} and node-0000000000ff"]


def test_where_nothing_is_compared_any_machines_stand_side_by_side() -> None:
    one, other = cpus()
    other["cases"][0]["engine"]["pin"] = "another"
    assert disagreements([one, other, made("cpu2", 4)], None) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([0, 1], [0, 1], True),
        ([0, 1], [1, 0], True),
        ([0, 1], [0], False),
        ([0, 1], [1, 2], False),
    ],
)
def test_a_cpu_is_its_model_and_core_set(one: list[int], other: list[int], same: bool) -> None:
    told = disagreements([made("cpu0", cpus=one), made("cpu1", cpus=other)], "cpu")
    assert len(told) == same
    assert disagreements([made("cpu0", cpus=one), made("cpu1", cpus=other, cpu_model="Xeon")], "cpu") == []
    if same:
        assert told[0].startswith("cpu0 and cpu1 do not differ in cpu: both are cores 0-1 of ")
        assert "taskset" in told[0]


@pytest.mark.parametrize(
    ("one", "other", "used", "same"),
    [
        (["GPU-a"], ["GPU-a"], 1, True),
        (["GPU-a"], ["GPU-b"], 1, False),
        (["GPU-a", "GPU-b"], ["GPU-b"], 1, False),  # one GPU each: a, and b
        (["GPU-a", "GPU-b"], ["GPU-a"], 1, True),  # both start on a
        (["GPU-a", "GPU-b"], ["GPU-b", "GPU-a"], 2, True),
        (["GPU-a", "GPU-b"], ["GPU-b", "GPU-c"], 2, False),
        ([], [], 1, True),
        ([], ["GPU-a"], 1, False),
    ],
)
def test_a_gpu_is_the_uuid_of_what_a_start_uses(one: list[str], other: list[str], used: int, same: bool) -> None:
    slots = [gpu("gpu0", *one), gpu("gpu1", *other)]
    for slot in slots:
        slot["cases"][0]["parameters"]["tensor_parallel_size"] = used
    told = disagreements(slots, "gpu")
    assert len(told) == same
    assert (same_identity(slots[0]["node"], slots[1]["node"], "gpu", used) is not None) == same
    if same:
        assert told[0].startswith("gpu0 and gpu1 do not differ in gpu: ")


def test_every_pair_must_differ_and_each_slot_agree_with_the_first() -> None:
    slots = [gpu("gpu0", "GPU-a"), gpu("gpu1", "GPU-b"), gpu("gpu2", "GPU-b")]
    slots[2]["cases"][0]["engine"]["version"] = "0.1"
    told = disagreements(slots, "gpu")
    assert len(told) == 2
    assert told[0] == "vLLM versions differ: gpu0 has 0.32.0, gpu2 has 0.1"
    assert told[1].startswith("gpu1 and gpu2 do not differ in gpu: both are GPU-b (NVIDIA L40S)")


def _by_parameter(manifest: Manifest, level: str) -> None:
    manifest["cases"][0]["parameters"]["storage"] = level


def _by_certificate(manifest: Manifest, level: str) -> None:
    manifest["certificates"]["1"] = {"storage": {"declared": level, "holds": True}}


@pytest.mark.parametrize("declare", [_by_parameter, _by_certificate])
def test_storage_is_what_the_starts_declare_and_may_differ_in_name_too(declare: Callable[..., None]) -> None:
    one, other = made("case0"), made("case1")
    assert disagreements([one, other], "storage") == ["case0 and case1 do not differ in storage: both declare none"]
    declare(one, "ram")
    declare(other, "ram")
    assert disagreements([one, other], "storage") == ["case0 and case1 do not differ in storage: both declare ram"]
    declare(other, "ssd")
    other["cases"][0]["case"] = "another-name"
    other["runs"] = [{**run, "case": "another-name"} for run in other["runs"]]
    assert disagreements([one, other], "storage") == []


def test_the_storage_of_a_node_is_not_asked_before_measuring() -> None:
    assert same_identity(made("a")["node"], made("b")["node"], "storage") is None
    assert same_identity(made("a")["node"], made("b")["node"], None) is None


def test_the_gpus_beside_two_cpus_and_the_cpus_beside_two_gpus_are_said_and_not_refused() -> None:
    one, other = cpus(gpus=["H100"])
    assert disagreements([one, other], "cpu") == []
    assert confounders([one, other], "cpu") == ["GPUs differ: cpu0 has none, cpu1 has H100"]
    slots = [gpu("gpu0", "GPU-a"), gpu("gpu1", "GPU-b", cpu_model="Xeon")]
    assert confounders(slots, "gpu")[0].endswith(", gpu1 has Xeon")
    assert confounders(slots, None) == confounders([], "gpu") == confounders(slots, "storage") == []


def test_a_slot_is_unfinished_if_a_case_has_no_measured_start_that_counts_or_fewer_than_another() -> None:
    assert unfinished(made("cpu0")) is None
    assert unfinished(made("cpu0", 0)) == f"{CASE} has no measured start that counts"
    half = second_case(made("cpu0", 3))
    assert unfinished(half) is None
    half["runs"][-1]["status"] = "failed"
    assert unfinished(half) == "another-00000000 has 2 of 3 measured starts that count"


def test_what_a_strangers_manifest_says_reaches_the_line_printable_and_short() -> None:
    one, other = cpus()
    other["cases"][0]["parameters"]["max_model_len"] = "\x1b[2J\n" + "z" * 5000
    other["cases"][0]["parameters"]["\x1b" + "k" * 5000] = {"a": [None] * 999}
    for told in disagreements([one, other], "cpu"):
        assert told.isprintable()
        assert len(told) < 500


_SMALL = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(_SMALL, _SMALL)
def test_any_two_values_of_a_parameter_disagree_if_and_only_if_they_differ(one: Any, other: Any) -> None:
    slots = cpus()
    for slot, value in zip(slots, (one, other), strict=True):
        slot["cases"][0]["parameters"]["x"] = value
    told = disagreements(slots, "cpu")
    assert bool(told) == (json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True))
    assert all(line.isprintable() and "cpu0 has " in line and "cpu1 has " in line for line in told)


@given(st.sets(st.integers(0, 300)))
def test_a_core_list_names_exactly_its_cores(cores: set[int]) -> None:
    named: set[int] = set()
    for part in filter(None, core_list(cores).split(",")):
        begin, _, end = part.partition("-")
        named |= set(range(int(begin), int(end or begin) + 1))
    assert named == cores
