from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.phases import LEAVES, UNATTRIBUTED
from harness.analyse.startup import KINDS, MEASURED, WARMUP, StartUp, merge_small, startups
from harness.record.slot import Slot
from tests.synthetic_slot import CASE, synthetic


def startup(**options: object) -> StartUp:
    rows, manifest = synthetic(**options)  # type: ignore[arg-type]
    (only,) = startups(Slot(tuple(rows), manifest))
    return only


def mean(line_kind: object) -> float:
    assert line_kind is not None
    return line_kind.mean  # type: ignore[attr-defined, no-any-return]


def test_the_means_of_the_leaves_add_up_to_the_mean_total() -> None:
    made = startup(measured=5)
    for kind in KINDS:
        leaves = [leaf.by_kind[kind] for leaf in made.leaves]
        assert sum(mean(leaf) for leaf in leaves) == pytest.approx(mean(made.total.by_kind[kind]), rel=1e-12)
        assert sum(made.share(leaf, kind) or 0 for leaf in made.leaves) == pytest.approx(1)


def test_a_run_that_did_not_end_ok_is_counted_and_never_averaged() -> None:
    clean, with_bad = startup(measured=3), startup(measured=3, bad=["failed", "timeout", "killed"])
    assert with_bad.excluded == {WARMUP: 0, MEASURED: 3}
    assert with_bad.total == clean.total


def test_an_ok_run_whose_state_did_not_hold_is_counted_as_excluded() -> None:
    rows, manifest = synthetic(measured=2)
    manifest["runs"].append({**manifest["runs"][-1], "run": "3", "counts": False})
    (made,) = startups(Slot(tuple(rows), manifest))
    assert made.excluded == {WARMUP: 0, MEASURED: 1}
    assert made.total.by_kind[MEASURED] == startup(measured=2).total.by_kind[MEASURED]


def test_the_warm_up_is_not_part_of_the_measured_mean() -> None:
    assert startup(warmup=False).total.by_kind[WARMUP] is None
    assert startup(measured=0).total.by_kind[MEASURED] is None
    assert mean(startup(measured=4).total.by_kind[MEASURED]) < 40 < mean(startup().total.by_kind[WARMUP])


def test_a_leaf_absent_from_one_run_took_no_time_in_it() -> None:
    rows, manifest = synthetic(measured=2)
    rows = [row for row in rows if (row.run, row.phase) != ("2", "renderer")]
    (made,) = startups(Slot(tuple(rows), manifest))
    leaf = next(leaf for leaf in made.leaves if leaf.name == "renderer")
    first = next(row.seconds for row in rows if (row.run, row.phase) == ("1", "renderer"))
    assert mean(leaf.by_kind[MEASURED]) == first / 2


def test_a_log_quantity_absent_from_one_run_is_not_taken_as_zero() -> None:
    rows, manifest = synthetic(measured=2)
    rows = [row for row in rows if (row.run, row.phase, row.source) != ("2", "tokenizer_init", "log")]
    (made,) = startups(Slot(tuple(rows), manifest))
    line = next(line for line in made.log if line.name == "tokenizer_init")
    assert line.by_kind[MEASURED] is not None
    assert line.by_kind[MEASURED].n == 1
    assert mean(line.by_kind[MEASURED]) > 1


def test_leaves_come_in_the_order_of_a_start_with_unattributed_last() -> None:
    names = [leaf.name for leaf in startup().leaves]
    assert names[:3] == ["interpreter:main", "imports:main", "interpreter:inspect"]
    assert names[-1] == UNATTRIBUTED
    known = [name for name in names if name in LEAVES]
    assert known == [name for name in LEAVES if name in known]


def test_small_leaves_become_one_block_and_unattributed_never_does() -> None:
    made = startup()
    drawn = merge_small(made)
    block = drawn[-2]
    assert block.name == f"{len(block.members)} smaller phases"
    assert drawn[-1].name == UNATTRIBUTED
    assert UNATTRIBUTED not in block.members
    for leaf in made.leaves:
        small = all((made.share(leaf, kind) or 0) < 0.01 for kind in KINDS) and leaf.name != UNATTRIBUTED
        assert (leaf.name in block.members) == small
        assert (leaf in drawn) != small


@given(st.floats(min_value=0, max_value=1))
def test_merging_keeps_the_total(below: float) -> None:
    made = startup()
    for kind in KINDS:
        drawn = sum(mean(line.by_kind[kind]) for line in merge_small(made, below))
        assert drawn == pytest.approx(mean(made.total.by_kind[kind]), rel=1e-12)


def test_one_small_leaf_alone_keeps_its_name() -> None:
    rows, manifest = synthetic()
    rows = [row for row in rows if row.source == "log" or row.phase in ("imports:main", "plugins", UNATTRIBUTED)]
    (made,) = startups(Slot(tuple(rows), manifest))
    assert [line.name for line in merge_small(made)] == ["imports:main", "plugins", UNATTRIBUTED]


def test_the_spans_beside_a_log_quantity_are_the_leaf_or_group_of_that_name() -> None:
    made = startup()
    by_name = {leaf.name: leaf for leaf in made.leaves}
    assert made.spans_for_log["tokenizer_init"].by_kind == by_name["tokenizer_init"].by_kind
    assert "imports:worker" in made.spans_for_log["framework_bootstrap"].members
    assert "actual_total_time" not in made.spans_for_log


def test_steps_of_the_paper_that_no_log_states_are_named() -> None:
    assert startup().not_logged[:2] == ("detect_platform", "llm_imports")
    assert "tokenizer_init" not in startup().not_logged


def test_a_slot_without_any_ok_run_has_an_empty_table() -> None:
    made = startup(measured=0, warmup=False, bad=["failed"])
    assert made.leaves == made.log == made.not_logged == ()
    assert made.total.by_kind == dict.fromkeys(KINDS)


def test_each_case_of_a_slot_has_its_own_table() -> None:
    rows, manifest = synthetic()
    other = {**manifest["cases"][0], "case": "other"}
    manifest["cases"].append(other)
    manifest["runs"] += [{**run, "case": "other"} for run in manifest["runs"]]
    rows += [replace(row, case="other", seconds=2 * row.seconds) for row in rows]
    one, two = startups(Slot(tuple(rows), manifest))
    assert (one.case["case"], two.case["case"]) == (CASE, "other")
    assert mean(two.total.by_kind[WARMUP]) == pytest.approx(2 * mean(one.total.by_kind[WARMUP]))
