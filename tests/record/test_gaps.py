"""What a figure over all versions would show if it could be had: it travels in the slot's manifest, with its reason."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness.analyse.dataset import side_of_slot
from harness.record.collect import CaseRuns, Gap, collect, failed_starts
from harness.record.slot import read_slot
from harness.record.slotcheck import MAX_CASES, SlotError
from harness.record.store import CaseStore
from tests.synthetic_run import certificate, make_run, put

CASE = "tiny-00000000"
GAP = Gap("vllm-0.12.0-cpu", "0.12.0", "not installed: ERROR: no matching distribution")


@pytest.fixture
def store(tmp_path: Path) -> CaseStore:
    store = CaseStore(tmp_path / "runs" / CASE)
    put(store, make_run("warmup-0"), make_run("1"))
    return store


def gaps_of(folder: Path, *gaps: Gap, store: CaseStore) -> list[dict[str, Any]]:
    """Of the slot as it was written."""
    collect("1", "node0", folder / "node0", [CaseRuns(CASE, store, "s1")], gaps)
    found: list[dict[str, Any]] = read_slot(folder / "node0").manifest.get("gaps", [])
    return found


def test_gaps_are_written_and_reach_what_is_drawn(store: CaseStore, tmp_path: Path) -> None:
    (gap,) = gaps_of(tmp_path, GAP, store=store)
    assert gap == {"engine": GAP.engine, "version": GAP.version, "reason": GAP.reason}
    side = side_of_slot(read_slot(tmp_path / "node0"), "mine", "a machine")
    assert side.gaps == (("0.12.0", GAP.reason),)


def test_a_slot_without_gaps_says_nothing_of_them(store: CaseStore, tmp_path: Path) -> None:
    assert gaps_of(tmp_path, store=store) == []
    assert "gaps" not in json.loads((tmp_path / "node0" / "manifest.json").read_text())


def test_a_reason_names_no_path_and_is_one_printable_line(store: CaseStore, tmp_path: Path) -> None:
    home = os.path.expanduser("~")
    reason = f"ERROR: [Errno 28] No space left: '{home}/engines/x/lib/torch.so'\n/srv/secret/place \x1b[2J"
    (gap,) = gaps_of(tmp_path, Gap("x", "1.0", reason), store=store)
    assert "engines" not in gap["reason"]
    assert "secret" not in gap["reason"]
    assert gap["reason"].isprintable()
    assert "torch.so" in gap["reason"]


@pytest.mark.parametrize(
    ("gaps", "said"),
    [
        ("none", "gaps must be list"),
        ([7], "gaps[0]: expected an object"),
        ([{"engine": "x", "version": "1.0"}], "gaps[0]: reason must be str (got nothing)"),
        ([{"engine": "x", "version": 1.0, "reason": ""}], "gaps[0]: version must be str"),
        ([{"engine": "x", "version": "1.0", "reason": "\x1b[2J"}], "cannot be printed"),
        ([{"engine": "x", "version": "1.0", "reason": "r"}] * (MAX_CASES + 1), "a slot has at most"),
    ],
)
def test_a_stranger_s_gaps_are_checked(gaps: Any, said: str, store: CaseStore, tmp_path: Path) -> None:
    collect("1", "node0", tmp_path / "node0", [CaseRuns(CASE, store, "s1")])
    path = tmp_path / "node0" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"gaps": gaps}))
    with pytest.raises(SlotError) as refused:
        read_slot(tmp_path / "node0")
    assert said in str(refused.value)


def failed(tmp_path: Path, **changes: Any) -> list[Gap]:
    """The gaps of a case whose only run is a warm-up with ``changes``."""
    store = CaseStore(tmp_path / "runs" / "other-00000000")
    put(store, make_run("warmup-0", **changes))
    return failed_starts([CaseRuns("other-00000000", store, "s1")])


def test_a_start_that_failed_is_a_gap_with_its_reason(tmp_path: Path) -> None:
    reason = "ImportError: libstdc++.so.6: version `GLIBCXX_3.4.32' not found"
    assert failed(tmp_path, status="failed", reason=reason) == [Gap("fake", "1.2.3", f"start failed: {reason}")]


def test_a_start_whose_state_was_not_as_declared_is_a_gap_too(tmp_path: Path) -> None:
    gaps = failed(tmp_path, certificate=certificate(holds=False))
    assert [gap.reason for gap in gaps] == ["start does not count: it compiled"]


def test_a_case_with_a_measured_start_is_no_gap_whatever_failed_besides(store: CaseStore) -> None:
    put(store, make_run("2", status="failed"))
    assert failed_starts([CaseRuns(CASE, store, "s1")]) == []
