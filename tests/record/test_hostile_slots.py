"""A stranger's slot: whatever manifest and rows say, it is refused in one line, or can be told and drawn."""

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from harness.analyse.startup import startups
from harness.record.facts import facts_of_slot
from harness.record.rows import to_csv
from harness.record.slot import Slot, read_slot, write_slot
from harness.record.slotcheck import MAX_CASES, MAX_MARK, MAX_MARKS, SlotError
from harness.show.startup import draw
from harness.show.startup_print import tables
from tests.mutations import mutated
from tests.synthetic_slot import synthetic

fuzz = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
AWKWARD = "\x1b[2J[red]$x^{2}$ [link=http://x]y[/link] \u202eabc 模型 " + "z" * 300


def printed(slot: Slot) -> str:
    console = Console(width=100, file=io.StringIO(), force_terminal=False)
    for startup in startups(slot):
        console.print(tables(slot, startup))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slots") / "node0"
    write_slot(folder, *synthetic(measured=1))
    return folder


@fuzz
@given(data=st.data())
def test_a_mutated_manifest_is_refused_in_one_line_or_can_be_told(made: Path, tmp_path: Path, data: Any) -> None:
    manifest = json.loads((made / "manifest.json").read_text())
    (tmp_path / "data.csv").write_bytes((made / "data.csv").read_bytes())
    (tmp_path / "manifest.json").write_text(data.draw(mutated(manifest)))
    try:
        slot = read_slot(tmp_path)
    except SlotError as error:
        complaint = str(error)
    else:
        told = printed(slot)
        assert all(line.isprintable() for line in told.splitlines())
        for case in slot.manifest["cases"]:
            facts_of_slot(slot.manifest, case)
        return
    assert complaint.isprintable()
    assert complaint.startswith(str(tmp_path))
    assert len(complaint) < 800


@fuzz
@given(
    cuts=st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=8)), min_size=1, max_size=3),
    sealed=st.booleans(),
)
def test_damaged_rows_are_refused_in_one_line_or_can_be_told(
    made: Path, tmp_path: Path, cuts: list[tuple[int, bytes]], sealed: bool
) -> None:
    content = (made / "data.csv").read_bytes()
    for at, text in cuts:
        at %= len(content)
        content = content[:at] + text + content[at + len(text) :]
    manifest = json.loads((made / "manifest.json").read_text())
    if sealed:
        manifest["files"][0]["sha256"] = hashlib.sha256(content).hexdigest()
    (tmp_path / "data.csv").write_bytes(content)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    complaint = ""
    try:
        printed(read_slot(tmp_path))
    except SlotError as error:
        complaint = str(error)
    assert complaint.isprintable()


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        (("node", "cpus"), 2, "node: cpus must be list (got int)"),
        (("node", "memory_bytes"), "8 GiB", "node: memory_bytes must be int (got str)"),
        (("node", "gpus"), {"a": 1}, "node: gpus must be list (got dict)"),
        (("node", "cpu_model"), "a\nb", "holds text that cannot be printed: a\\nb"),
        (("node", "id"), "", "'' is no name"),
        (("node", "id"), "../../escaped", "node: '../../escaped' is no node's id"),
        (("node", "id"), ".hidden", "is no node's id"),
        (("node", "id"), "n" * 101, "is no node's id"),
        (("cases", 0, "model", "name"), 7, "cases[0].model: name must be str (got int)"),
        (("cases", 0, "engine", "version"), ["0.32"], "cases[0].engine: version must be str (got list)"),
        (("cases", 0, "parameters"), {"\x1b": 1}, "holds text that cannot be printed: \\x1b"),
        (("runs", 0, "counts"), "no", "runs[0]: counts must be bool (got str)"),
        (("runs", 0, "graph"), {"nodes": 1}, "runs[0].graph must have nodes and code_bytes"),
        (("runs", 0, "graph"), [3], "runs[0]: graph must be dict (got list)"),
        (("runs", 0, "marks"), "cpu: busy", "runs[0]: marks must be list (got str)"),
        (("runs", 0, "marks"), ["cpu: busy", 7], "runs[0].marks must be short lines (got 7)"),
        (("runs", 0, "marks"), [["cpu"]], "runs[0].marks must be short lines (got ['cpu'])"),
        (("runs", 0, "marks"), [""], "runs[0].marks must be short lines (got '')"),
        (("runs", 0, "marks"), ["cpu: " + "x" * MAX_MARK], "runs[0].marks must be short lines"),
        (("runs", 0, "marks"), ["cpu: \x1b[2J"], "holds text that cannot be printed"),
        (("runs", 0, "marks"), ["cpu: busy"] * (MAX_MARKS + 1), "runs[0].marks: 33 of them, a run has at most 32"),
        (("runs", 0, "output"), {"token_ids": []}, "runs[0].output must have token_ids, a list of numbers"),
        (("runs", 0, "output"), {"token_ids": [True]}, "runs[0].output must have token_ids"),
        (("runs", 0, "output"), {"token_ids": [1], "text": "x"}, "runs[0].output must have token_ids"),
        (("runs", 0, "output"), [3], "runs[0]: output must be dict (got list)"),
        (("certificates",), {"x": "y" * 20_000}, "holds text that cannot be printed"),
        (("schema_version",), True, "schema_version must be"),
        (("cases",), [{}] * (MAX_CASES + 1), "65 cases, a slot has at most 64"),
    ],
)
def test_facts_that_a_figure_could_not_tell_are_refused(
    made: Path, tmp_path: Path, place: tuple[Any, ...], value: Any, complaint: str
) -> None:
    manifest = json.loads((made / "manifest.json").read_text())
    inner = manifest
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SlotError) as refused:
        read_slot(tmp_path)
    assert complaint in str(refused.value)


def test_awkward_names_are_written_harmless_printed_as_they_are_and_drawn(tmp_path: Path) -> None:
    rows, manifest = synthetic(measured=1)
    manifest["node"]["cpu_model"] = AWKWARD
    manifest["cases"][0]["model"]["name"] = AWKWARD
    manifest["cases"][0]["engine"]["version"] = "[bold]1"
    manifest["cases"][0]["parameters"]["note"] = AWKWARD
    leaf = "[red]$x^{2}$ 模型"
    rows = [replace(row, phase=leaf) if row.phase == "config" else row for row in rows]
    write_slot(tmp_path / "node0", rows, manifest)
    slot = read_slot(tmp_path / "node0")
    told = printed(slot)
    assert "\x1b" not in told
    assert leaf in told
    assert "on vLLM [bold]1" in told
    figure = draw([(slot, startups(slot))])
    figure.savefig(io.BytesIO(), format="png", dpi=50)  # a missing glyph or a bad formula would be an error here


def test_what_no_rows_could_hold_is_not_written() -> None:
    rows, _ = synthetic(measured=1)
    for change in ({"phase": "x" * 301}, {"seconds": -1.0}, {"phase": "a\x1bb"}):
        with pytest.raises(SlotError) as refused:
            to_csv([replace(rows[0], **change)])  # type: ignore[arg-type]
        assert str(refused.value).isprintable()
