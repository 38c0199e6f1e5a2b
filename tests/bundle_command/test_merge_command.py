"""``merge``: slots reach another checkout, or nothing changes there and one line says why."""

import os
import shutil
from collections.abc import Callable

import pytest

from harness.record.bundle import Bundle, pack, unpack
from harness.record.slot import read_slot
from harness.workspace import Workspace
from tests.bundle_command.slots import CORES, bundled, files, slot, with_table
from tests.checkout import Call


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
