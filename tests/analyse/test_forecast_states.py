import random
from dataclasses import replace

import pytest

from harness.analyse.dataset import side_of_slot
from harness.analyse.forecast_phases import LOAD
from harness.analyse.forecast_starts import Start, starts_of
from harness.analyse.forecast_states import sort_starts
from harness.record.slot import Slot
from harness.record.slotfacts import AT_ONCE
from tests.paper_sweep import SWEEPS, paper_side, paper_sweep
from tests.synthetic_slot import synthetic

OTHER_STATE = {"granite4.0-h-3b", "granite4.0-h-32b"}


def cached(figure: str, slot: str = "node0") -> list[Start]:
    return [start for start in starts_of(paper_side(figure, slot)) if start.kind == "measured"]


def loaded_at(start: Start, bytes_per_s: float) -> Start:
    assert start.facts is not None
    return replace(start, seconds={**start.seconds, LOAD: start.facts.checkpoint_bytes / bytes_per_s})


def flagged(starts: list[Start]) -> set[str]:
    return {flag.model for flag in sort_starts(starts).flags if flag.whole}


def test_the_models_that_were_recorded_with_warm_weights_are_told_by_their_bandwidth() -> None:
    found = paper_sweep("17").found
    assert {flag.model for flag in found.flags} == OTHER_STATE
    assert all("storage state: 7.90 GB/s, the others 0.55 GB/s" in flag.reason for flag in found.flags)
    assert OTHER_STATE.isdisjoint(start.model for start in found.used)


def test_names_do_not_matter() -> None:
    starts = cached("17")
    labels = sorted({start.label for start in starts})
    mixed = dict(zip(labels, random.Random(3).sample(labels, len(labels)), strict=True))
    assert flagged([replace(start, label=mixed[start.label]) for start in starts]) == {
        mixed[one] for one in OTHER_STATE
    }


@pytest.mark.parametrize(("figure", "slot"), [sweep for sweep in SWEEPS if sweep[0] != "17"])
def test_no_model_is_flagged_where_all_were_recorded_alike(figure: str, slot: str) -> None:
    assert not [flag for flag in paper_sweep(figure, slot).found.flags if flag.whole]


@pytest.mark.parametrize(
    ("model", "factor"),
    [("qwen-0.5b", 0.07), ("llama3-3b", 0.07), ("llama3-3b", 0.3), ("qwen-14b", 0.4), ("qwen-14b", 3)],
)
def test_a_model_loaded_from_other_storage_is_flagged(model: str, factor: float) -> None:
    starts = [loaded_at(start, 8.1e9 * factor) if start.model == model else start for start in cached("10", "gpu0")]
    assert flagged(starts) == {model}


@pytest.mark.parametrize("factor", [0.4, 3, 15])
def test_a_model_that_loads_in_no_time_either_way_is_not_flagged(factor: float) -> None:
    small = "qwen-0.5b"  # 0.1 s of 20 s
    starts = [loaded_at(start, 8.1e9 * factor) if start.model == small else start for start in cached("10", "gpu0")]
    assert flagged(starts) == set()


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_other_state(seed: int) -> None:
    rng = random.Random(seed)
    starts = [loaded_at(start, (start.bytes_per_s or 0) * rng.gauss(1, 0.15)) for start in cached("17")]
    assert flagged(starts) == OTHER_STATE


def test_a_single_repeat_from_other_storage_is_left_out_and_its_model_kept() -> None:
    starts = cached("10", "gpu0")
    at = next(number for number, start in enumerate(starts) if start.model == "yi-9b")
    starts[at] = loaded_at(starts[at], 2e9)
    found = sort_starts(starts)
    (flag,) = found.flags
    assert (flag.model, flag.whole) == ("yi-9b", False)
    assert len([start for start in found.used if start.model == "yi-9b"]) == 4


def test_the_fixed_cost_of_a_small_checkpoint_is_no_other_state() -> None:
    starts = cached("10", "gpu0")
    tiny = [
        replace(start, label="tiny", facts=replace(start.facts, checkpoint_bytes=50_000_000))
        for start in starts
        if start.model == "qwen-0.5b" and start.facts
    ]
    assert flagged([*starts, *tiny]) == set()  # 0.4 GB/s, but 0.13 s


def test_a_model_that_is_not_in_models_yaml_is_flagged_and_the_others_are_used() -> None:
    starts = [replace(s, facts=None, label="mine") if s.model == "yi-6b" else s for s in cached("10", "gpu0")]
    found = sort_starts(starts)
    assert [(flag.model, flag.whole) for flag in found.flags] == [("mine", True)]
    assert "not in models.yaml" in found.flags[0].reason
    assert len({start.model for start in found.used}) == 10


def test_declared_levels_are_believed_before_any_bandwidth() -> None:
    starts = [replace(s, storage="ssd" if s.model in ("yi-6b", "yi-9b") else "ram") for s in cached("10", "gpu0")]
    assert flagged(starts) == {"yi-6b", "yi-9b"}


def test_starts_of_a_slot_are_told_apart_by_environment_and_by_having_been_made_at_once() -> None:
    rows, manifest = synthetic(measured=1, warmup=False)
    (case,) = manifest["cases"]
    case["environment"] = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "3"}  # which device: in the node
    case["parameters"] |= {"parallel": AT_ONCE}
    (start,) = starts_of(side_of_slot(Slot(tuple(rows), manifest), "mine", "a machine"))
    assert start.work == ("vLLM 0.32.0", "at once with another one", "OMP_NUM_THREADS=1")


def test_nothing_is_used_of_no_starts() -> None:
    assert sort_starts([]).main is None
