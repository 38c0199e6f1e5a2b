"""``python3 harness predict``: what it prints for people and programs, and how it ends."""

import json
from typing import Any

import pytest

from harness.analyse.forecast_document import SCHEMA_VERSION
from harness.record.store import CaseStore
from harness.workspace import Workspace
from tests.checkout import Call
from tests.predict_place import MODELS, document, measured_store, taking
from tests.predict_place import call as call
from tests.predict_place import workspace as workspace
from tests.synthetic_run import NODE, certificate, make_run, put


def test_a_fresh_checkout_predicts_from_the_papers_starts_and_says_whose_they_are(call: Call) -> None:
    done = call("llama3-3b", "--node", "paper")
    assert done.code == 0
    assert (
        "the paper's recorded starts on n1: EPYC 9354, H100 NVL (figures 17, 15, 7; vLLM 0.10.1.1), not yours"
        in done.out
    )
    told = document(call("llama3-3b", "--node", "paper", "--json"))
    assert told["total"]["low"] < 33.4 < told["total"]["high"]  # what was recorded
    assert sum(phase["seconds"] for phase in told["phases"].values()) == pytest.approx(told["total"]["seconds"])


def test_a_storage_level_changes_loading_alone_and_its_bandwidth_has_a_source(call: Call) -> None:
    disk, memory = (
        document(call("yi-9b", "--node", "paper", "--storage", level, "--json")) for level in ("ssd", "ram")
    )
    assert disk["phases"]["load_weights"]["seconds"] > 10 * memory["phases"]["load_weights"]["seconds"]
    assert "fastest recorded starts, taken as ram" in memory["load_source"]
    others = [{k: v for k, v in told["phases"].items() if k != "load_weights"} for told in (disk, memory)]
    assert others[0] == others[1]


def test_uncached_starts_are_a_target_of_their_own(call: Call) -> None:
    warm, empty = (
        document(call("yi-9b", "--node", "paper", "--cache", cache, "--json")) for cache in ("warm", "empty")
    )
    assert empty["phases"]["graph_compile"]["seconds"] > 2 * warm["phases"]["graph_compile"]["seconds"]


def test_a_nodes_own_starts_predict_a_model_that_it_has_not_measured(call: Call, workspace: Workspace) -> None:
    measured_store(workspace)
    told = document(call("llama2-7b-hf", "--twin", "--node", "node-0", "--json"))
    assert told["phases"]["dynamo_transform_time"]["seconds"] == pytest.approx(1 + 0.1 * 32)
    assert told["phases"]["framework_bootstrap"]["seconds"] == pytest.approx(9)
    assert told["trained_on"] == sorted(MODELS)
    empty = document(call("llama2-7b-hf", "--twin", "--node", "node-0", "--cache", "empty", "--json"))
    assert empty["phases"]["graph_compile"]["seconds"] == pytest.approx(0.55 * 32)


def test_a_node_that_knows_twins_only_says_so(call: Call, workspace: Workspace) -> None:
    measured_store(workspace)
    done = call("llama2-7b-hf", "--node", NODE["id"])
    assert "trained on structural twins" in done.out
    assert "outside what it has seen: checkpoint 13.5 GB" in done.out


def test_a_stored_forecast_is_used_until_the_starts_change(call: Call, workspace: Workspace) -> None:
    measured_store(workspace, MODELS[:4])
    stored = workspace.root / "predictors" / f"{NODE['id']}.json"
    call("yi-6b", "--node", NODE["id"])
    first = json.loads(stored.read_text())
    assert first["schema_version"] == SCHEMA_VERSION
    first["forecasts"]["warm"]["lines"]["framework_bootstrap"]["coefficients"] = [5.0]  # a mark: 9 s if trained anew
    stored.write_text(json.dumps(first))
    assert document(call("yi-6b", "--node", NODE["id"], "--json"))["phases"]["framework_bootstrap"]["seconds"] == 5
    measured_store(workspace, MODELS[4:])
    again = document(call("yi-6b", "--node", NODE["id"], "--json"))
    assert again["phases"]["framework_bootstrap"]["seconds"] == pytest.approx(9)
    assert json.loads(stored.read_text())["training"]["sha256"] != first["training"]["sha256"]


@pytest.mark.parametrize("damage", ["", "{", "[]", f'{{"schema_version": {SCHEMA_VERSION}, "training": {{}}}}'])
def test_a_damaged_stored_forecast_is_written_anew(call: Call, workspace: Workspace, damage: str) -> None:
    measured_store(workspace)
    stored = workspace.root / "predictors" / f"{NODE['id']}.json"
    stored.parent.mkdir()
    stored.write_text(damage)
    done = call("yi-6b", "--node", NODE["id"])
    assert (done.code, "is written anew" in done.out) == (0, True)
    assert json.loads(stored.read_text())["node"] == NODE["id"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"parameters": {"cuda_graph_sizes": [216]}}, "30 captured graphs"),  # of figure 9, which declares lists
        ({"environment": {"OMP_NUM_THREADS": "1"}}, "OMP_NUM_THREADS=1"),
        ({"parallel": True}, "at once with another one"),
    ],
)
def test_starts_that_were_made_in_another_way_are_never_averaged_in(
    call: Call, workspace: Workspace, changed: dict[str, Any], said: str
) -> None:
    measured_store(workspace)
    usual = document(call("yi-6b", "--node", NODE["id"], "--json"))
    store = CaseStore.of(workspace.runs, NODE["id"], "cold_start", "llama3-3b-5e6f7a8b")
    like = CaseStore.of(workspace.runs, NODE["id"], "cold_start", "llama3-3b-1a2b3c4d").runs()[-1]
    slow = {name: 3 * seconds for name, seconds in like.phases.items()}
    put(store, make_run("1", model=like.model, case=like.case | changed, **taking(slow)))
    told = document(call("yi-6b", "--node", NODE["id"], "--json"))
    assert told["total"] == usual["total"]
    assert f"not used: llama3-3b (some starts): started in another way ({said})" in told["notes"]


def test_where_most_starts_are_made_in_another_way_the_few_usual_ones_are_left_out(
    call: Call, workspace: Workspace
) -> None:
    measured_store(workspace, MODELS[:1])
    like = CaseStore.of(workspace.runs, NODE["id"], "cold_start", "llama3-3b-1a2b3c4d").runs()[-1]
    one_thread = like.case | {"environment": {"OMP_NUM_THREADS": "1"}}
    for model in MODELS[1:]:
        store = CaseStore.of(workspace.runs, NODE["id"], "cold_start", f"{model}-5e6f7a8b")
        put(store, make_run("1", model=like.model | {"name": model}, case=one_thread, **taking(like.phases)))
    told = document(call("yi-6b", "--twin", "--node", NODE["id"], "--json"))
    assert told["trained_on"] == sorted(MODELS[1:])
    assert "not used: llama3-3b: started in another way (without OMP_NUM_THREADS=1)" in told["notes"]


def test_runs_that_do_not_count_teach_nothing(call: Call, workspace: Workspace) -> None:
    measured_store(workspace)
    store = CaseStore.of(workspace.runs, NODE["id"], "cold_start", "llama3-3b-1a2b3c4d")
    before = call("yi-6b", "--node", NODE["id"], "--json")
    odd = {"model": store.runs()[0].model, "certificate": certificate(holds=False), **taking({"imports:main": 900.0})}
    put(store, make_run("3", **odd))
    assert call("yi-6b", "--node", NODE["id"], "--json").out == before.out


def test_another_nodes_shape_is_carried_by_a_few_own_starts(call: Call, workspace: Workspace) -> None:
    measured_store(workspace, MODELS[:2])
    told = document(call("yi-9b", "--twin", "--node", NODE["id"], "--shape", "paper", "--json"))
    assert told["phases"]["framework_bootstrap"]["seconds"] == pytest.approx(9)
    assert told["phases"]["graph_capturing"]["seconds"] == 0  # these starts have none
    assert not (workspace.root / "predictors").exists()


def test_twins_carry_a_forecast_of_an_original_without_any_interval(call: Call, workspace: Workspace) -> None:
    measured_store(workspace, MODELS[:1])
    asked = ("llama3-3b", "--node", NODE["id"], "--shape", "paper")
    told = document(call(*asked, "--json"))
    assert told["no_interval"] == "a twin's loading says nothing of the original's"
    assert {each["low"] for each in (told["total"], *told["phases"].values())} == {None}
    assert "checkpoint 6.43 GB, calibrated with 0.28 GB" in told["outside"]
    said = call(*asked).out
    assert "no interval: a twin's loading says nothing of the original's" in said
    assert "line over 20 models times what 1 model took here, loaded from " in told["load_source"]


def test_the_mean_of_one_model_is_not_called_a_line(call: Call, workspace: Workspace) -> None:
    measured_store(workspace, MODELS[:1])
    told = document(call("llama3-3b", "--twin", "--node", NODE["id"], "--json"))
    assert told["load_source"].startswith("1 model loaded from ")


def test_what_vllm_loads_by_itself_is_safetensors(call: Call) -> None:
    asked = ("llama3-3b", "--node", "paper", "--json", "--load-format")
    found = [document(call(*asked, name)) for name in ("auto", "safetensors")]
    assert [each.pop("load_format") for each in found] == ["auto", "safetensors"]
    assert found[0] == found[1]


def test_a_checkout_that_cannot_be_written_predicts_and_says_so(call: Call, workspace: Workspace) -> None:
    (workspace.root / "predictors").write_text("in the way")
    told = document(call("llama3-3b", "--node", "paper", "--json"))
    assert told["total"]["seconds"] == pytest.approx(33.4, rel=0.1)
    assert any("predictors/paper-n1.json is not stored" in note for note in told["notes"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("llama3-3b",), "no starts of it are stored; there are paper:n1, paper:n2, paper:n3"),
        (("llama3-4b", "--node", "paper"), "unknown model 'llama3-4b'"),
        (("llama3-3b", "--node", "paper:"), "3 nodes begin so"),
        (("llama3-3b", "--node", "paper", "--storage", "floppy"), "no such level"),
        (("llama3-3b", "--node", "paper", "--storage", "tmpfs"), "only tells ram and ssd apart"),
        (("llama3-3b", "--node", "paper:n2", "--cache", "off"), "it has empty and warm (--cache)"),
        (
            ("llama3-3b", "--node", "paper", "--load-format", "nonsense"),
            "no engine knows it; known: auto, bitsandbytes",
        ),
        (("llama3-3b", "--data", "."), "predict takes a MODEL"),
        ((), "predict takes a MODEL"),
        (("--evaluate",), "takes --data DIR"),
        (("--evaluate", "--data", "nowhere"), "no such folder"),
        (("--evaluate", "--data", __file__), "a file, not a folder"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(call: Call, arguments: tuple[str, ...], said: str) -> None:
    done = call(*arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 1
