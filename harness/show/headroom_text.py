"""What the head-room figure says of its data: whose, which workloads, how many, intervals, clock, SLO and rules."""

from collections.abc import Sequence
from typing import Any

from harness.analyse.headroom_agreement import Tiers, agreement
from harness.analyse.headroom_choice import LEAVE_OUT_FROM, RULE
from harness.analyse.headroom_series import groups_of, slot_points
from harness.record.headroom_tables import MEMORY, POINTS, RECOMPUTE, SWAP
from harness.record.study_slot import StudySlot
from harness.record.tables import cells_of
from harness.show.headroom_memory_view import MOST_TRACED, traced_cases
from harness.show.study_command import StudySide

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def sweeps_caption(side: StudySide, model: str) -> list[str]:
    """Of the page with the original study's plots."""
    slot = side.slot
    return [
        _whose(side),
        _workloads(slot),
        f"Lines: means over {_seeds(slot)}; shaded: 95 % t interval over the seeds, of tokens/s that of the paired "
        "change against none (seeds differ more from each other), of counts that of the mean; dotted: none (vLLM as it "
        "is), in its mode's colour.",
        f"Output and input tokens/s: of all requests ÷ (last finish − first arrival), in virtual seconds. Operations: "
        f"preemptions, and in mode {SWAP} loads from CPU blocks. Blocks moved: in mode {RECOMPUTE} those that "
        f"preempted requests lost, in mode {SWAP} those loaded (stored are all that fill up, whatever is preempted: "
        "points.csv). Operations and blocks: logarithmic from 1 on.",
        _clock(slot, model),
        _cache(slot),
    ]


def tradeoff_caption(side: StudySide) -> list[str]:
    """Of the page with the Pareto fronts."""
    repeats = _most_repeats(side.slot)
    if repeats >= LEAVE_OUT_FROM:
        how = "chosen for each seed on the other seeds (leave one out), so that no luck is shown"
    else:
        how = "chosen on the seeds that are shown, so its luck is included"
    return [
        _whose(side),
        f"Every dot is one parameter, means over {_seeds(side.slot)}; throughput ÷ that of none on the same requests "
        "and in the same mode (geometric mean), so none (★) is at 1. Lines: settings that no other beats in one "
        "without losing in the other, of these means: with other seeds neighbours may change places. Preemptions: "
        "logarithmic from 1 on.",
        f"Costs: each policy at its best parameter, {how}; the rule: {RULE}. Bars: 95 % t interval of the "
        "paired seeds' log ratio.",
        _slo(side.slot),
        "Predicted and oracle are the probabilistic policy with a sequence model's and the true output lengths.",
    ]


def real_caption(side: StudySide, tiers: Tiers) -> list[str]:
    """Of the page that compares tiers."""
    found = agreement(tiers)
    sentences = [_whose(side)]
    if found.compared:
        sentences.append(
            f"By step: {found.equal} of {found.compared} points have all counts (preemptions, blocks, recomputed "
            "tokens) equal in both."
        )
    if errors := found.throughput_errors:
        worst = max(errors, key=abs)
        sentences.append(
            f"By the clock: simulated ÷ real throughput is off by {found.usual_throughput_error:.1%} in the median, "
            f"{worst:+.1%} at most (n={len(errors)} points, one run each, so no interval)."
        )
    if paced := found.paced_errors:
        sentences.append(
            f"Crosses: with step times scaled by how long the other points' steps took, {max(paced, key=abs):+.1%} at "
            "most: such a factor mends a machine of another pace than in its calibration, or a step-time model that is "
            "wrong for all of them alike. Real throughputs are one run each: not to compare policies by."
        )
    for model in _facts(side.slot, "step_time"):
        sentences += [*_held_out(side.slot, model), _clock(side.slot, model)]
    return sentences


def memory_caption(side: StudySide) -> list[str]:
    """Of the page with traced points."""
    cases = traced_cases(side.slot)
    tiers = {row["tier"] for row in cells_of(MEMORY, side.slot.tables[MEMORY.name])}
    sentences = [
        _whose(side),
        "Blocks in use: blocks that at least one request holds, mean and most of each interval; ticks at the bottom: "
        "intervals with a preemption. Above zero: blocks given to requests, free ones (allocated) and cached ones "
        "(hit); below: blocks that nobody holds any more (freed) and cached contents lost (evicted). First requests: a "
        "line from admission to finish of each.",
        f"One trace each ({', '.join(sorted(tiers))}), so no interval.",
    ]
    if len(cases) > MOST_TRACED:
        sentences.append(f"{len(cases) - MOST_TRACED} more traced points are in memory.csv.")
    return sentences


def _whose(side: StudySide) -> str:
    pin = _facts(side.slot, "engine").get("pin")
    place = "on this machine" if side.whose == "mine" else f"on another machine ({side.node})"
    return f"Made {place} (slot {side.slot.manifest['slot']}) with the scheduler and block manager of {pin}."


def _workloads(slot: StudySlot) -> str:
    told = []
    for name, facts in _facts(slot, "workloads").items():
        if isinstance(facts, dict):
            blocks = f", {facts['num_blocks']} blocks" if facts.get("num_blocks") else ""
            load = f", load {facts['load']}" if facts.get("load") else ""
            told.append(f"{name} ({facts.get('kind', 'of unknown kind')}, {facts.get('requests', '?')} requests{load}"
                        f"{blocks})")  # fmt: skip
    return f"Workloads: {'; '.join(told)}." if told else "The workloads are not described."


def _held_out(slot: StudySlot, model: str) -> list[str]:
    """How well the step times predict steps that they were not fitted to: all of them, not the rows of a table."""
    names = ("steps", "median_abs_pct_error", "total_pct_error")
    numbers = _numbers(slot, model, [f"held_out_{name}" for name in names])
    if numbers is None:
        return []
    steps, usual, total = numbers
    return [
        f"Step times of {model}: {steps:,} held-out steps (of points by the clock, if there are any) are off by "
        f"{usual / 100:.1%} in the median, their sum by {total / 100:+.1%}."
    ]


def _numbers(slot: StudySlot, model: str, names: Sequence[str]) -> list[float] | None:
    """What the manifest says of a model's step times; None: not all of these."""
    facts = _facts(slot, "step_time").get(model)
    given = [facts.get(name) for name in names] if isinstance(facts, dict) else []
    numbers = [value for value in given if isinstance(value, int | float)]
    return numbers if len(numbers) == len(names) else None


def _clock(slot: StudySlot, model: str) -> str:
    numbers = _numbers(slot, model, ("base_s", "prefill_token_s", "decode_seq_s", "context_token_s"))
    if numbers is None:
        return f"The step-time model of {model} is not recorded."
    base, prefill, decode, context = numbers
    twin = _facts(slot, "models").get(model)
    of_twin = isinstance(twin, dict) and twin.get("twin")
    engine = "a real engine of this model's structural twin (random weights)" if of_twin else "the real engine"
    r2 = _numbers(slot, model, ["r2"])
    quality = f", R² {r2[0]:.3f}" if r2 else ""
    return (
        f"Simulated seconds of {model}: {_time(base)} + {_time(prefill)} per prefill token + {_time(decode)} per "
        f"decoding sequence + {_time(context)} per token of context, calibrated on steps of {engine}{quality}."
    )


def _time(seconds: float) -> str:
    scale, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return f"{seconds / scale:.3g} {unit}"


def _cache(slot: StudySlot) -> str:
    rows = cells_of(POINTS, slot.tables[POINTS.name], metric="requests")
    sizes = sorted({row["block_size"] for row in rows})
    cpu = sorted({row["cpu_blocks"] for row in rows if row["mode"] == SWAP})
    text = f"Blocks of {', '.join(map(str, sizes))} tokens"
    return f"{text}; mode {SWAP}: {' or '.join(map(str, cpu))} CPU blocks." if cpu else f"{text}."


def _slo(slot: StudySlot) -> str:
    facts = _facts(slot, "slo")
    return (
        f"Goodput: requests/s with TTFT ≤ {facts.get('ttft')} × and TPOT ≤ {facts.get('tpot')} × what the workload's "
        "mean request takes alone. More is good for throughput and goodput, bad for times. Changes: logarithmic beyond "
        "± 1 %."
    )


def _seeds(slot: StudySlot) -> str:
    counts = _repeats(slot)
    if not counts or max(counts) == 1:
        return "n=1 seed (exact replays, so no interval)"
    least, most = min(counts), max(counts)
    return f"n={most} seeds" if least == most else f"n={least} to {most} seeds"


def _most_repeats(slot: StudySlot) -> int:
    return max(_repeats(slot), default=0)


def _repeats(slot: StudySlot) -> list[int]:
    points = slot_points(slot)
    return [
        max(len(metrics.get("requests", {})) for setting, metrics in points.items() if setting.group == group)
        for group in groups_of(points)
    ]


def _facts(slot: StudySlot, name: str) -> dict[str, Any]:
    """A part of the manifest; empty if it is not there, or no object: a slot comes from anywhere."""
    found = slot.manifest.get(name)
    return found if isinstance(found, dict) else {}
