"""``bundle`` and ``merge``: slots reach another checkout equal, or nothing changes there and one line says why."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import cli_slots
from harness.bundle_command import run_bundle
from harness.merge_command import run_merge
from harness.record import slotfiles
from harness.record.bundle import Bundle, pack, unpack
from harness.record.private import Names
from harness.record.slot import read_slot, write_slot
from harness.record.slotfiles import slot_files
from harness.workspace import ROOT, Workspace
from tests.checkout import Call, Done
from tests.synthetic_slot import CASE, synthetic

CORES = {"cpu0": [0, 1], "cpu1": [2, 3]}


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    return checkout(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> Workspace:
    return checkout(tmp_path / "there")


@pytest.fixture
def call(typed: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Type a command in a checkout."""

    def run(workspace: Workspace, *arguments: str | Path) -> Done:
        monkeypatch.chdir(workspace.root)
        monkeypatch.setattr(cli_slots, "Workspace", lambda: workspace)
        return typed(*arguments)

    return run


def checkout(root: Path) -> Workspace:
    """A checkout that has nothing but the declarations of some figures."""
    for number in ("2", "11"):
        (root / "figures" / f"figure-{number}").mkdir(parents=True)
        declaration = Path("figures") / f"figure-{number}" / "figure.yaml"
        shutil.copyfile(ROOT / declaration, root / declaration)
    return Workspace(root)


def slot(workspace: Workspace, name: str, figure: str = "11", measured: int = 2, **changed: Any) -> Path:
    """A slot measured in a checkout, on a machine of its own."""
    rows, manifest = synthetic(measured, slot=name, figure=figure, bad=["failed"])
    manifest["node"] |= {"id": f"node-of-{name}", "cpus": CORES.get(name, [9])}
    manifest["cases"][0]["parameters"] |= changed
    folder = workspace.figure(figure) / name
    write_slot(folder, rows, manifest)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def bundled(workspace: Workspace, path: Path, *names: str, figure: str = "11") -> Path:
    """A bundle of a checkout's slots, whatever state they are in."""
    folders = {name: workspace.figure(figure) / name for name in names}
    path.write_bytes(pack(Bundle(figure, {name: slot_files(folder) for name, folder in folders.items()})))
    return path


def test_a_slot_reaches_the_other_checkout_and_how_to_redraw_is_said(
    call: Call, here: Workspace, there: Workspace
) -> None:
    mine, other = slot(here, "cpu0"), slot(there, "cpu1")
    done = call(there, "bundle", "11")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1] == "On the other machine: python3 -m harness merge figure-11-cpu1.zip"
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


def test_slots_that_do_not_fit_together_are_refused_with_both_values_and_merged_on_request(
    call: Call, here: Workspace, there: Workspace
) -> None:
    slot(here, "cpu0")
    slot(there, "cpu1", max_model_len=4096, dtype="half")
    path = bundled(there, there.root / "x.zip", "cpu1")
    before = files(here.root)
    done = call(here, "merge", path)
    assert done.code == 2
    assert done.error == (
        "values of dtype of llama3-3b differ: cpu0 has none, cpu1 has half (and 1 more); nothing was merged; "
        "--allow-mismatch merges it all the same"
    )
    assert files(here.root) == before
    done = call(here, "merge", path, "--allow-mismatch")
    assert done.code == 0
    assert "warning: values of max_model_len of llama3-3b differ: cpu0 has 2048, cpu1 has 4096\n" in done.err
    assert done.out.splitlines()[-1] == "Redraw: python3 figures/figure-11/plot.py --allow-mismatch"


def test_the_same_cpu_again_is_refused(
    call: Call, here: Workspace, there: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CORES, "cpu1", CORES["cpu0"])
    slot(here, "cpu0")
    slot(there, "cpu1")
    done = call(here, "merge", bundled(there, there.root / "x.zip", "cpu1"))
    assert done.code == 2
    assert "cpu0 and cpu1 do not differ in cpu: both are cores 0-1 of " in done.error


def test_another_slot_in_its_place_is_never_overwritten_not_even_on_request(
    call: Call, here: Workspace, there: Workspace
) -> None:
    mine = slot(here, "cpu1", max_model_len=1)
    slot(there, "cpu1")
    before = files(here.root)
    done = call(here, "merge", bundled(there, there.root / "x.zip", "cpu1"), "--allow-mismatch")
    assert done.code == 2
    assert "figures/figure-11/cpu1 holds another slot, of node-of-cpu1 (" in done.error
    shutil.rmtree(mine)
    mine.symlink_to("/nonexistent")
    done = call(here, "merge", there.root / "x.zip")
    assert done.code == 2
    assert "its place is taken by something that is no slot" in done.error
    mine.unlink()
    assert {"figures/figure-11/cpu1/data.csv", "figures/figure-11/cpu1/manifest.json"} == {*before} - {
        *files(here.root)
    }


def test_an_only_slot_may_get_another_name(call: Call, here: Workspace, there: Workspace) -> None:
    slot(here, "node0", figure="2")
    other = slot(there, "node0", figure="2", max_model_len=4096)
    path = bundled(there, there.root / "x.zip", "node0", figure="2")
    assert "holds another slot" in call(here, "merge", path).error
    for _ in range(2):
        done = call(here, "merge", path, "--as", "node1")
        assert (done.code, done.err) == (0, "")
    assert "already there" in done.out
    renamed, original = read_slot(here.figure("2") / "node1"), read_slot(other)
    assert {row.slot for row in renamed.rows} == {renamed.manifest["slot"]} == {"node1"}
    assert [row.seconds for row in renamed.rows] == [row.seconds for row in original.rows]
    assert renamed.manifest["cases"] == original.manifest["cases"]


def test_a_table_of_a_later_version_travels_but_not_under_another_name(
    call: Call, here: Workspace, there: Workspace
) -> None:
    folder = slot(there, "node0", figure="2")
    with_table(folder, b"a,b\n1,2\n")
    path = bundled(there, there.root / "x.zip", "node0", figure="2")
    done = call(here, "merge", path, "--as", "node1")
    assert done.code == 2
    assert "node0: this version cannot rename later.csv" in done.error.replace("node1", "node0")
    assert call(here, "merge", path).code == 0
    assert (here.figure("2") / "node0" / "later.csv").read_bytes() == b"a,b\n1,2\n"


@pytest.mark.parametrize("content", [b"\xff\n", b'"' + b"x" * 200_000 + b'"\n'])
def test_a_table_that_nobody_can_read_does_not_travel(call: Call, there: Workspace, content: bytes) -> None:
    with_table(slot(there, "cpu0"), content)
    done = call(there, "bundle", "11")
    assert done.code == 2
    assert "a file that is not CSV" in done.error


def with_table(folder: Path, content: bytes) -> None:
    """Add a table that this version does not know."""
    (folder / "later.csv").write_bytes(content)
    document = json.loads((folder / "manifest.json").read_text())
    digest = hashlib.sha256(content).hexdigest()
    document["files"].append({"name": "later.csv", "columns": ["a", "b"], "units": {}, "sha256": digest})
    (folder / "manifest.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("names", "as_slot", "complaint"),
    [
        (["cpu0", "cpu1"], "cpu1", "--as cpu1 needs a single slot, these files hold 2: cpu0, cpu1"),
        (["cpu0"], "cpu7", "figure 11 has the slots cpu0 and cpu1; name one of them: --as SLOT"),
        (["node0"], None, "figure 11 has the slots cpu0 and cpu1; name one of them: --as SLOT"),
        (["cpu0"], "../x", "name one of them: --as SLOT"),
    ],
)
def test_a_name_that_the_figure_does_not_have_is_one_line(
    call: Call, here: Workspace, there: Workspace, names: list[str], as_slot: str | None, complaint: str
) -> None:
    for name in names:
        slot(there, name)
    path = bundled(there, there.root / "x.zip", *names)
    done = call(here, "merge", path, *(["--as", as_slot] if as_slot else []))
    assert done.code == 2
    assert complaint in done.error


@pytest.mark.parametrize("name", ["../x", "/tmp/x", ".x", "", "X", "a b"])
def test_no_name_leads_out_of_the_figures_folder(call: Call, here: Workspace, there: Workspace, name: str) -> None:
    slot(there, "node0", figure="2")
    path = bundled(there, there.root / "x.zip", "node0", figure="2")
    before = files(here.root)
    done = call(here, "merge", path, "--as", name)
    assert done.code == 2
    assert "no name for a slot" in done.error
    assert files(here.root) == before


def _unknown_figure(content: bytes) -> bytes:
    return pack(Bundle("99", unpack(content).slots))


def _other_figure(content: bytes) -> bytes:
    return pack(Bundle("2", {"node0": unpack(content).slots["cpu1"]}))


def _other_name(content: bytes) -> bytes:
    return pack(Bundle("11", {"cpu0": unpack(content).slots["cpu1"]}))


def _stray_file(content: bytes) -> bytes:
    return pack(Bundle("11", {"cpu1": {**unpack(content).slots["cpu1"], "more.csv": b"a\n"}}))


def _lost_file(content: bytes) -> bytes:
    return pack(Bundle("11", {"cpu1": {"manifest.json": unpack(content).slots["cpu1"]["manifest.json"]}}))


def _newer_slot(content: bytes) -> bytes:
    slots = unpack(content).slots["cpu1"]
    manifest = slots["manifest.json"].replace(b'"schema_version": 1', b'"schema_version": 9')
    return pack(Bundle("11", {"cpu1": {**slots, "manifest.json": manifest}}))


def _not_a_number(content: bytes) -> bytes:
    slots = unpack(content).slots["cpu1"]
    return pack(Bundle("11", {"cpu1": {**slots, "data.csv": slots["data.csv"].replace(b"0.", b"nan", 1)}}))


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda content: content[:-30], "not a bundle, or damaged on the way"),
        (lambda _: b"figure,slot\n", "not a bundle"),
        (lambda _: b"", "not a bundle"),
        (_unknown_figure, "unknown figure '99'; valid: 2, 11"),
        (_other_figure, "node0: a slot of figure 11 in a bundle of figure 2"),
        (_other_name, "cpu0: manifest.json says that it is slot cpu1"),
        (_stray_file, "cpu1: more.csv is not among the files of its manifest.json"),
        (_lost_file, "cpu1/data.csv: no such file"),
        (_newer_slot, "cpu1/manifest.json: schema_version 9 is newer than this program"),
        (_not_a_number, "cpu1/data.csv: changed since it was written"),
    ],
)
def test_a_bad_bundle_is_one_line_and_spoils_the_good_ones_with_it(
    call: Call,
    here: Workspace,
    there: Workspace,
    spoil: Callable[[bytes], bytes],
    complaint: str,
) -> None:
    slot(there, "cpu0")
    slot(there, "cpu1")
    good = bundled(there, there.root / "good.zip", "cpu0")
    bad = bundled(there, there.root / "bad.zip", "cpu1")
    bad.write_bytes(spoil(bad.read_bytes()))
    before = files(here.root)
    done = call(here, "merge", good, bad)
    assert done.code == 2
    assert complaint in done.error
    assert "bad.zip: " in done.error
    assert files(here.root) == before
    assert not list(here.figure("11").glob(".*"))


def test_what_is_no_file_is_one_line(call: Call, here: Workspace) -> None:
    os.mkfifo(here.root / "pipe.zip")
    (here.root / "loop.zip").symlink_to("loop.zip")
    for path in (here.root / "pipe.zip", here.root / "loop.zip", here.root, here.root / "nothing.zip"):
        done = call(here, "merge", path)
        assert done.code == 2
        assert str(path) in done.error


def test_two_files_with_different_slots_of_one_name_are_refused(call: Call, here: Workspace, there: Workspace) -> None:
    slot(there, "cpu0")
    one = bundled(there, there.root / "one.zip", "cpu0")
    shutil.rmtree(there.figure("11") / "cpu0")
    slot(there, "cpu0", max_model_len=1)
    other = bundled(there, there.root / "other.zip", "cpu0")
    done = call(here, "merge", one, other)
    assert done.code == 2
    assert done.error.endswith("are different slots of one name; merge one")


def test_bundles_of_several_figures_are_merged_together(call: Call, here: Workspace, there: Workspace) -> None:
    slot(there, "cpu0")
    slot(there, "node0", figure="2")
    paths = [bundled(there, there.root / "a.zip", "cpu0"), bundled(there, there.root / "b.zip", "node0", figure="2")]
    done = call(here, "merge", *paths)
    assert done.code == 0
    assert done.out.splitlines()[-2:] == [f"Redraw: python3 figures/figure-{number}/plot.py" for number in ("11", "2")]
    assert (here.figure("2") / "node0" / "manifest.json").is_file()


def test_a_damaged_slot_beside_the_place_is_named(call: Call, here: Workspace, there: Workspace) -> None:
    folder = slot(here, "cpu0")
    (folder / "data.csv").unlink()
    slot(there, "cpu1")
    done = call(here, "merge", bundled(there, there.root / "x.zip", "cpu1"))
    assert done.code == 2
    assert "cpu0/data.csv: no such file" in done.error
    assert not (here.figure("11") / "cpu1").exists()
