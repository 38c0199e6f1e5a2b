"""``bundle``: what a file of slots holds, and which slots do not get into one."""

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.commands.slots.bundle import run_bundle
from harness.commands.slots.merge import run_merge
from harness.record import slotfiles
from harness.record.private import Names
from harness.record.slot import write_slot
from harness.workspace import Workspace
from tests.bundle_command.slots import bundled, checkout, files, slot, with_table
from tests.checkout import Call
from tests.synthetic_slot import CASE, synthetic


def test_a_slot_reaches_the_other_checkout_and_how_to_redraw_is_said(
    call: Call, here: Workspace, there: Workspace
) -> None:
    mine, other = slot(here, "cpu0"), slot(there, "cpu1")
    done = call(there, "bundle", "11")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1] == "On the other machine: python3 harness merge figure-11-cpu1.zip"
    before = files(mine)
    done = call(here, "merge", there.root / "figure-11-cpu1.zip")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0].startswith("figures/figure-11/cpu1: 2 cores (2–3) of ")
    assert done.out.splitlines()[-1] == "Redraw: python3 figures/figure-11/plot.py"
    assert files(here.figure("11") / "cpu1") == files(other)
    assert files(mine) == before
    again = call(here, "merge", there.root / "figure-11-cpu1.zip")
    assert again.code == 0
    assert "figures/figure-11/cpu1: already there" in again.out


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 4), st.booleans(), st.sets(st.sampled_from(["node0", "node1", "b-2"]), min_size=1))
def test_any_slots_come_back_equal(
    tmp_path_factory: pytest.TempPathFactory, measured: int, warmup: bool, names: set[str]
) -> None:
    root = tmp_path_factory.mktemp("checkouts")
    one, other = checkout(root / "one"), checkout(root / "other")
    for seed, name in enumerate(sorted(names)):
        write_slot(one.figure("2") / name, *synthetic(measured, warmup, slot=name, seed=seed))
    for again in ("a.zip", "b.zip"):
        run_bundle("2", root / again, [], False, one)
    assert (root / "a.zip").read_bytes() == (root / "b.zip").read_bytes()
    run_merge([root / "a.zip", root / "b.zip"], None, False, False, other)
    assert files(other.figure("2")) == files(one.figure("2"))


def test_json_is_the_last_line_of_both(call: Call, here: Workspace, there: Workspace) -> None:
    slot(there, "cpu0")
    slot(there, "cpu1")
    out = here.root / "x.zip"
    told = json.loads(call(there, "bundle", "11", "--out", out, "--slot", "cpu1", "--json").out.splitlines()[-1])
    assert (told["file"], told["figure"], told["slots"], told["bytes"]) == (
        str(out),
        "11",
        ["cpu1"],
        out.stat().st_size,
    )
    assert json.loads(call(here, "merge", out, "--json").out) == {
        "merged": ["figures/figure-11/cpu1"],
        "already_there": [],
        "problems": [],
        "warnings": [],
        "redraw": ["python3 figures/figure-11/plot.py"],
    }
    error = json.loads(call(here, "merge", here.root / "nothing.zip", "--json").out)
    assert set(error) == {"error"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["11"], "no slots of figure 11 yet; measure one: bash run_figure.sh 11"),
        (["99"], "unknown figure '99'"),
        (["2", "--slot", "node7"], "figure 2 has no slot 'node7' here, it has node0; measure: bash run_figure.sh 2"),
        (["2", "--out", "/nonexistent/x.zip"], "/nonexistent/"),
        (["2", "--out", "."], ".: is there already, with other content; move it away, or name another: --out FILE"),
    ],
)
def test_what_cannot_be_bundled_is_one_line(call: Call, here: Workspace, arguments: list[str], complaint: str) -> None:
    slot(here, "node0", figure="2")
    before = files(here.root)
    done = call(here, "bundle", *arguments)
    assert done.code == 2
    assert complaint in done.error
    assert files(here.root) == before


def test_a_file_that_is_there_already_is_not_overwritten(call: Call, here: Workspace) -> None:
    slot(here, "cpu0")
    out = here.root / "figure-11-cpu0.zip"
    assert call(here, "bundle", "11").code == 0
    assert call(here, "bundle", "11").code == 0  # the very same
    out.write_bytes(b"mine")
    done = call(here, "bundle", "11")
    assert done.code == 2
    assert "is there already" in done.error
    assert out.read_bytes() == b"mine"


def test_a_half_finished_slot_is_not_bundled_and_only_merged_on_request(
    call: Call, here: Workspace, there: Workspace
) -> None:
    slot(there, "cpu1", measured=0)
    done = call(there, "bundle", "11")
    assert done.code == 2
    assert done.error.startswith(f"figures/figure-11/cpu1 is not finished: {CASE} has no measured start that counts")
    half = bundled(there, there.root / "half.zip", "cpu1")
    done = call(here, "merge", half)
    assert done.code == 2
    assert "half.zip: cpu1 is not finished" in done.error
    assert call(here, "merge", half, "--allow-mismatch").code == 0


def test_a_damaged_renamed_or_doubled_slot_is_not_bundled(call: Call, here: Workspace) -> None:
    folder = slot(here, "cpu0")
    shutil.copytree(folder, folder.with_name("copy"))
    assert "are both slot cpu0; move one of them away" in call(here, "bundle", "11").error
    shutil.rmtree(folder.with_name("copy"))
    (folder / "data.csv").write_bytes((folder / "data.csv").read_bytes()[:-5])
    assert "changed since it was written" in call(here, "bundle", "11").error
    slot(here, "node0", figure="2").rename(here.figure("11") / "node0")
    shutil.rmtree(folder)
    assert "a slot 'node0' of figure 2; move it out of this figure" in call(here, "bundle", "11").error


def test_a_slot_that_names_its_machine_is_not_bundled(
    call: Call, here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = slot(here, "cpu0")
    document = json.loads((folder / "manifest.json").read_text())
    document["node"]["os"] = "Linux of build-box-7"
    (folder / "manifest.json").write_text(json.dumps(document))
    names = Names(frozenset({"build-box-7"}), frozenset(), frozenset())
    monkeypatch.setattr(slotfiles, "names_here", lambda: names)
    done = call(here, "bundle", "11")
    assert done.code == 2
    assert "names this machine" in done.error
    assert not list(here.root.glob("*.zip"))


@pytest.mark.parametrize("content", [b"\xff\n", b'"' + b"x" * 200_000 + b'"\n'])
def test_a_table_that_nobody_can_read_does_not_travel(call: Call, there: Workspace, content: bytes) -> None:
    with_table(slot(there, "cpu0"), content)
    done = call(there, "bundle", "11")
    assert done.code == 2
    assert "a file that is not CSV" in done.error
