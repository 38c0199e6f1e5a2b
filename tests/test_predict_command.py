"""``python3 harness predict``: what it prints for people and programs, and how it ends."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.analyse.forecast_document import SCHEMA_VERSION
from harness.cli import predict as cli_predict
from harness.record.slot import write_slot
from harness.record.store import CaseStore
from harness.spec.models import find_model
from harness.workspace import Workspace
from tests.checkout import Call, Done
from tests.paper_sweep import noisy, paper_rows, with_load, write_sweep
from tests.storage_slot import storage_slot
from tests.synthetic_run import NODE, certificate, make_run, put
from tests.synthetic_slot import NODE as SLOT_NODE

MODELS = ("llama3-3b", "qwen-4b", "yi-9b", "qwen-0.5b", "falcon-11b")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A checkout with the paper's recorded starts and without any of its own."""
    for figure in ("2", "7", "10", "11", "13", "15", "17"):
        folder = tmp_path / "figures" / f"figure-{figure}"
        folder.mkdir(parents=True)
        (folder / "figure.yaml").write_text("")
        source = Workspace().figure(figure) / "paper.csv"
        (folder / "paper.csv").write_bytes(source.read_bytes())
    return Workspace(tmp_path)


@pytest.fixture
def call(workspace: Workspace, typed: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setattr(cli_predict, "Workspace", lambda: workspace)
    return partial(typed, "predict")


def document(done: Done) -> dict[str, Any]:
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out.splitlines()[-1])
    return found


def measured_store(workspace: Workspace, models: tuple[str, ...] = MODELS) -> None:
    """Twins measured on a node: imports take 9 s, layers 0.1 s each, bytes go at 1 GB/s."""
    for model in models:
        layers = find_model(model).config.layers
        size = layers * 10_000_000
        phases = {
            "imports:main": 9.0,
            "load_weights": 0.05 + size / 1e9,
            "dynamo_transform_time": 1 + 0.1 * layers,
            "graph_compile_cached": 0.05 * layers,
            "unattributed": 0.02,
        }
        facts = {"name": model, "twin": True, "tensor_bytes": size, "tokenizer_bytes": 3_000_000}
        store = CaseStore.of(workspace.runs, NODE["id"], "cold_start", f"{model}-1a2b3c4d")
        runs = [make_run(str(number), model=facts, **taking(phases)) for number in (1, 2)]
        put(store, make_run("warmup-0", model=facts, **taking({**phases, "inductor_codegen": 0.5 * layers})), *runs)


def taking(phases: dict[str, float]) -> dict[str, Any]:
    """What a run.json says of a start with these phases, all in its main process."""
    total = sum(phases.values())
    window = {"pid": 7, "exec_ns": 0, "ready_ns": round(total * 1e9)}
    by_process = {"main": phases}
    rest = phases.get("unattributed", 0.0)
    return {
        "phases": phases,
        "phases_by_process": by_process,
        "ready_s": total,
        "wall_s": total + 1,
        "window": window,
        "unattributed_s": rest,
    }


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


def slots_of(workspace: Workspace, *levels: str, disk: float | None = None) -> None:
    for number, level in enumerate(levels):
        rows, manifest = storage_slot(
            f"case{number}", level, MODELS[:3], rate=4e9 if level == "ram" else 0.8e9, disk=disk
        )
        write_slot(workspace.figure("13") / f"case{number}", rows, manifest)


def test_bandwidth_of_a_declared_level_is_that_of_the_nodes_own_starts(call: Call, workspace: Workspace) -> None:
    slots_of(workspace, "ram", "ssd")
    told = document(call("yi-9b", "--node", SLOT_NODE["id"], "--storage", "ssd", "--json"))
    assert told["phases"]["load_weights"]["seconds"] == pytest.approx(17.66 / 0.8, rel=0.1)
    assert "bandwidth of this node's starts from ssd" in told["load_source"]


def test_starts_of_another_environment_say_nothing_of_a_levels_bandwidth(call: Call, workspace: Workspace) -> None:
    rows, manifest = storage_slot("case1", "ssd", MODELS[:3], rate=0.8e9, disk=None)
    for case in manifest["cases"]:
        case["environment"] = {"OMP_NUM_THREADS": "1"}
    write_slot(workspace.figure("13") / "case1", rows, manifest)
    write_slot(workspace.figure("13") / "case0", *storage_slot("case0", "ram", MODELS, rate=4e9, disk=None))
    done = call("yi-9b", "--node", SLOT_NODE["id"], "--storage", "ssd")
    assert (done.code, "no start from ssd counts" in done.err) == (2, True)


def test_without_such_starts_it_is_the_probe_of_the_disk(call: Call, workspace: Workspace) -> None:
    slots_of(workspace, "ram", disk=0.5e9)
    told = document(call("yi-9b", "--node", SLOT_NODE["id"], "--storage", "ssd", "--json"))
    assert told["phases"]["load_weights"]["seconds"] == pytest.approx(17.66 / 0.5, rel=0.1)
    assert "probed before" in told["load_source"]


def test_a_level_that_nothing_is_known_of_is_refused(call: Call, workspace: Workspace) -> None:
    slots_of(workspace, "ram")
    done = call("yi-9b", "--node", SLOT_NODE["id"], "--storage", "ssd")
    assert done.code == 2
    assert "no start from ssd counts, and none recorded a probe of a disk; measure one" in done.err


def test_a_load_format_is_taken_from_starts_that_used_it_or_said_to_be_unseen(call: Call, workspace: Workspace) -> None:
    rows, manifest = storage_slot("case0", "ram", MODELS, rate=4e9)
    streamed, other = storage_slot("case1", "ram", MODELS[:3], rate=8e9)
    for case in other["cases"]:
        case["parameters"] = {**case["parameters"], "load_format": "runai_streamer"}
    write_slot(workspace.figure("13") / "case0", rows, manifest)
    write_slot(workspace.figure("13") / "case1", streamed, other)
    asked = ("yi-9b", "--node", SLOT_NODE["id"], "--json", "--load-format")
    told = document(call(*asked, "runai_streamer"))
    assert told["phases"]["load_weights"]["seconds"] == pytest.approx(17.66 / 8, rel=0.1)
    unseen = document(call(*asked, "tensorizer", "--twin"))
    assert "load format tensorizer: never seen, trained on safetensors" in unseen["outside"]
    assert unseen["no_interval"] == "no start loads tensorizer"
    assert (unseen["phases"]["load_weights"]["low"], unseen["total"]["low"]) == (None, None)
    assert unseen["phases"]["framework_bootstrap"]["low"] is not None
    assert call(*asked, "tensorizer", "--storage", "ssd").code == 2


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


def test_the_paper_s_sweep_is_evaluated_under_the_promised_keys(call: Call, tmp_path: Path) -> None:
    told = document(call("--evaluate", "--data", write_sweep(tmp_path / "sweep", "17"), "--json"))
    (node,) = told["nodes"]
    assert (node["node"], node["n"], node["flagged"]) == ("sweep", 20, ["granite4.0-h-32b", "granite4.0-h-3b"])
    assert node["mape"] <= 1.5
    assert node["mape"] <= node["max_ape"]
    assert told["across"] == []


def test_a_sweep_with_noise_a_missing_model_and_other_labels_is_still_predicted(call: Call, tmp_path: Path) -> None:
    names = {row.model for row in paper_rows("17")} - {"yi-9b"}
    labels = {name: name for name in names} | {"llama3-3b": "Llama-3.2-3B", "gemma-7b": "gemma-7B"}
    sweep = write_sweep(tmp_path / "sweep", "17", labels=labels, change=noisy(0.02))
    (node,) = document(call("--evaluate", "--data", sweep, "--json"))["nodes"]
    assert (node["n"], set(node["flagged"])) == (19, {"granite4.0-h-32b", "granite4.0-h-3b"})
    assert node["mape"] <= 2.5


def test_a_model_of_another_storage_state_or_of_no_known_name_is_flagged_not_averaged(
    call: Call, tmp_path: Path
) -> None:
    def change(model: str, _iteration: int, told: dict[str, float]) -> dict[str, float]:
        return with_load(told, 3.0) if model == "qwen-14b" else told

    labels = {row.model: row.model for row in paper_rows("10")} | {"falcon-7b": "falcon-next"}
    cold = write_sweep(tmp_path / "sweep", "13", "case1", labels, change)
    (node,) = document(call("--evaluate", "--data", cold, "--json"))["nodes"]
    assert (node["n"], set(node["flagged"])) == (9, {"qwen-14b", "falcon-next"})
    assert node["mape"] <= 1.5
    reasons = {flag["model"]: flag["reason"] for flag in node["flags"]}
    assert reasons["qwen-14b"] == "recorded under another storage state: 9.44 GB/s, the others 0.54 GB/s"
    assert reasons["falcon-next"].startswith("not in models.yaml")


def test_several_sweeps_are_carried_to_each_other(call: Call, tmp_path: Path) -> None:
    both = tmp_path / "figure"
    write_sweep(both / "gpu0", "10", "gpu0")
    write_sweep(both / "gpu1", "10", "gpu1")
    other = write_sweep(tmp_path / "uncached", "15")
    told = document(call("--evaluate", "--data", both, "--data", other, "--json"))
    assert [node["node"] for node in told["nodes"]] == ["figure/gpu0", "figure/gpu1", "uncached"]
    pairs = {(each["from"], each["to"]): each for each in told["across"]}
    assert set(pairs) == {("figure/gpu0", "figure/gpu1"), ("figure/gpu1", "figure/gpu0")}
    assert all((each["calibration"], each["n"]) == (3, 8) and each["mape"] <= 5 for each in pairs.values())


def test_lines_of_too_few_models_are_not_carried_elsewhere(call: Call, tmp_path: Path) -> None:
    write_sweep(tmp_path / "gpu0", "10", "gpu0", {model: model for model in MODELS[:4]})
    write_sweep(tmp_path / "gpu1", "10", "gpu1")
    done = call("--evaluate", "--data", tmp_path, "--json")
    assert [(each["from"], each["n"]) for each in document(done)["across"]] == [(f"{tmp_path.name}/gpu1", 1)]
    assert "gpu0: its forecast is not carried elsewhere" in done.err


def test_own_slots_are_evaluated_too(call: Call, workspace: Workspace) -> None:
    slots_of(workspace, "ram", "ssd")
    told = document(call("--evaluate", "--data", workspace.figure("13"), "--json"))
    assert [(node["node"], node["n"]) for node in told["nodes"]] == [("figure-13/case0", 3), ("figure-13/case1", 3)]


def test_people_see_every_node_and_why_a_model_was_left_out(call: Call, tmp_path: Path) -> None:
    done = call("--evaluate", "--data", write_sweep(tmp_path / "sweep", "17"))
    assert done.code == 0
    assert "sweep: not used: granite4.0-h-3b: recorded under another storage state" in done.out


def test_names_from_elsewhere_cannot_draw_on_the_terminal(call: Call, tmp_path: Path) -> None:
    sweep = write_sweep(
        tmp_path / "sweep", "10", "gpu0", {"yi-6b": "\x1b[2Jevil", "yi-9b": "yi-9b", "qwen-4b": "qwen-4b"}
    )
    assert "\x1b" not in call("--evaluate", "--data", sweep).out


def test_one_model_alone_cannot_be_held_out(call: Call, tmp_path: Path) -> None:
    told = document(
        call("--evaluate", "--data", write_sweep(tmp_path / "one", "10", "gpu0", {"yi-6b": "yi-6b"}), "--json")
    )
    assert (told["nodes"][0]["n"], told["nodes"][0]["mape"]) == (0, None)
