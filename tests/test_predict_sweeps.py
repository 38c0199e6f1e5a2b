"""``python3 harness predict --evaluate``: sweeps and own slots, one model held out at a time."""

from pathlib import Path

from harness.workspace import Workspace
from tests.checkout import Call
from tests.paper_sweep import noisy, paper_rows, with_load, write_sweep
from tests.predict_place import MODELS, document, slots_of
from tests.predict_place import call as call
from tests.predict_place import workspace as workspace


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
