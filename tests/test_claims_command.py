"""``python3 harness claims``: the table, the document for programs, exit codes, wrong use."""

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.cli import claims as cli_claims
from harness.commands.claims import command as claims_command
from harness.record.slot import write_slot
from harness.workspace import ROOT, Workspace
from tests.beside import RECORDED
from tests.checkout import Call, Done
from tests.claims_evidence import CLAIMS
from tests.storage_slot import storage_slot

MODELS = ("llama3-3b", "qwen-4b", "qwen-7b", "yi-6b", "yi-9b")
FIGURES = sorted((ROOT / "figures").glob("figure-*"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout that has every figure's declaration and paper.csv, and no run."""
    for folder in FIGURES:
        target = tmp_path / "figures" / folder.name
        target.mkdir(parents=True)
        for name in ("figure.yaml", "paper.csv", "paper-cores.csv"):
            if (folder / name).exists():
                shutil.copy(folder / name, target)
    return tmp_path


@pytest.fixture
def call(root: Path, typed: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(cli_claims, "Workspace", lambda: Workspace(root))
    return partial(typed, "claims")


def claims(done: Done) -> dict[str, dict[str, Any]]:
    document = json.loads(done.out.splitlines()[-1])
    assert "error" not in document, document
    return {claim["id"]: claim for claim in document["claims"]}


def test_on_a_fresh_checkout_no_claim_is_run_and_each_says_why(call) -> None:
    done = call("--json")
    told = claims(done)
    assert done.code == 0
    assert told.keys() == CLAIMS.keys()
    assert {claim["verdict"] for claim in told.values()} == {"not run"}
    assert {claim["mine"] for claim in told.values()} == {None}
    assert all(claim["reason"] for claim in told.values())


def test_the_papers_data_in_paper_csv_is_never_taken_for_mine(call) -> None:
    assert {claim["verdict"] for claim in claims(call("--json")).values()} == {"not run"}
    assert {claim["verdict"] for claim in claims(call("--paper", "--json")).values()} == {"reproduced"}


def test_the_document_has_the_promised_keys(call) -> None:
    told = claims(call("--paper", "--figure", "4", "--json"))
    assert {claim["figure"] for claim in told.values()} == {"4"}
    one = told["f4-linear"]
    assert {"id", "figure", "verdict", "paper", "mine", "interval", "reason"} <= one.keys()
    assert one["interval"][0] <= one["mine"] <= one["interval"][1]


def test_the_table_names_claim_paper_mine_interval_and_verdict(call) -> None:
    done = call("--paper", "--figure", "9")
    line = next(line for line in done.out.splitlines() if "f9-linear" in line)
    assert line.split() == ["f9-linear", "reproduced", "5", "0.9996", "0.9996", "[0.9994,", "0.9997]"]
    assert done.out.splitlines()[-1] == "3 claims: 3 reproduced"


def slot(root: Path, slowdown: float = 1.0) -> None:
    """Figure 13's two slots, measured on a CPU engine with a twin; case1 takes ``slowdown`` times as long."""
    for name, storage, factor in (("case0", "ram", 1.0), ("case1", "ssd", slowdown)):
        rows, manifest = storage_slot(name, storage, MODELS)
        slow = [replace(row, seconds=row.seconds * factor) for row in rows]
        write_slot(root / "figures" / "figure-13" / name, slow, manifest)


def test_own_slots_are_judged_a_twin_at_most_by_its_shape(call, root: Path) -> None:
    slot(root)
    told = claims(call("--figure", "13", "--json"))
    assert told["f13-other-steps"]["verdict"] == "same shape"
    assert told["f13-other-steps"]["n"] == 5
    assert told["f13-load"]["reason"].startswith("twin: ")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"storage": "ssd"}, "storage ssd instead of ram"),
        ({"mode": "serve", "eager": True}, "eager true instead of false, mode serve instead of offline"),
    ],
)
def test_a_slot_of_other_starts_than_declared_decides_nothing_and_is_told(
    call, root: Path, changes: dict[str, Any], told: str
) -> None:
    rows, manifest = storage_slot("case0", changes.get("storage", "ram"), MODELS)
    for case in manifest["cases"]:
        case["parameters"] |= changes
    write_slot(root / "figures" / "figure-13" / "case0", rows, manifest)
    done = call("--figure", "2", "--json")
    wanted = f"figure 13 case0: left out: llama3-3b and 4 more, started with {told}: bash run_figure.sh 13 0"
    assert claims(done)["bootstrap-constant"]["reason"] == wanted


def test_an_interval_stays_on_its_line_in_a_narrow_pipe(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims_command, "Console", lambda **options: Console(**options, width=60))
    done = call("--paper", "--figure", "2")
    assert any(line.endswith("0.03723 [0.03699, 0.03747]") for line in done.out.splitlines())


def test_a_contradiction_is_a_finding_and_a_failure_only_for_the_gate(call, root: Path) -> None:
    slot(root, slowdown=1.6)
    told = call("--figure", "13", "--json")
    assert claims(told)["f13-other-steps"]["verdict"] == "contradicted"
    assert told.code == 0
    assert call("--figure", "13", "--gate").code == 1
    assert call("--figure", "4", "--gate").code == 0


def test_data_of_another_folder_replaces_the_checkouts_own(call, root: Path, tmp_path_factory) -> None:
    other = tmp_path_factory.mktemp("other")
    slot(root, slowdown=1.6)
    slot(other)
    assert claims(call("--data", other / "figures", "--json"))["f13-other-steps"]["verdict"] == "same shape"
    done = call("--data", other / "figures", "--data", root / "figures", "--json")
    assert done.code == 2
    assert "figure 13: case0 is in two of the folders" in json.loads(done.out.splitlines()[-1])["error"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--figure", "99"), "no claim is about figure '99'"),
        (("--data", "/nowhere"), "/nowhere: is no folder"),
        (("--paper", "--data", "/nowhere"), "give one of them"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(call, arguments: tuple[str, ...], said: str) -> None:
    done = call(*arguments)
    assert done.code == 2
    assert said in done.error


def test_a_damaged_slot_is_one_line_that_names_it_and_the_other_figures_are_judged(call, root: Path) -> None:
    slot(root)
    (root / "figures" / "figure-13" / "case0" / "data.csv").write_text("damaged")
    done = call("--json")
    assert done.code == 2
    assert "figure-13/case0/data.csv" in done.err.splitlines()[-1]
    told = claims(done)
    assert "figure-13/case0/data.csv" in told["f13-load"]["reason"]
    assert told["f3-linear"]["reason"] == "figure 3 is not measured: bash run_figure.sh 3"
    assert call("--figure", "3").code == 0


def test_brackets_in_a_folders_name_are_printed_as_they_are(call, tmp_path: Path) -> None:
    odd = tmp_path / "x[" / "red]" / "figure-13" / "case0"
    odd.mkdir(parents=True)
    (odd / "manifest.json").write_text("{}")
    done = call("--data", tmp_path / "x[" / "red]", "--figure", "13", "--json")
    assert done.code == 2
    assert "x[/red]" in done.err
    assert "x[/red]" in claims(done)["f13-load"]["reason"]


def recording(folder: Path, *slots: str) -> Path:
    """The recorded slots of figure 10, alone."""
    for slot in slots:
        iterations = RECORDED.need(f"figure-10/{slot}/iterations")
        shutil.copytree(iterations, folder / "figure-10" / slot / "iterations")
    return folder


def test_recordings_of_two_nodes_may_lie_in_two_folders(call, tmp_path: Path) -> None:
    one, other = recording(tmp_path / "a", "gpu0"), recording(tmp_path / "b", "gpu1")
    told = claims(call("--data", one, "--data", other, "--figure", "10", "--json"))
    assert {claim["verdict"] for claim in told.values()} == {"reproduced"}
    assert claims(call("--data", one, "--figure", "10", "--json"))["f10-total"]["verdict"] == "not run"


def test_a_damaged_recording_is_told_and_the_others_are_judged(call, tmp_path: Path) -> None:
    data = recording(tmp_path / "a", "gpu0", "gpu1")
    empty = data / "figure-7" / "iterations" / "1"
    empty.mkdir(parents=True)
    (empty / "output_model_qwen-4b.txt").write_text("")
    done = call("--data", data, "--json")
    assert done.code == 2
    assert "output_model_qwen-4b.txt" in done.err
    assert claims(done)["f10-total"]["verdict"] == "reproduced"
    assert "output_model_qwen-4b.txt" in claims(done)["f7-linear"]["reason"]
