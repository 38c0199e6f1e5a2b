"""What each kind of retained state saves of a start: seconds, overall and by phase, and what the kinds save together.

    step         keeping one kind alone: a start that keeps nothing − one that keeps that kind
    total        keeping everything: a start that keeps nothing − one that keeps everything
    interaction  total − sum of the steps: above 0 the kinds together save more than each alone, below 0 they save the
                 same seconds twice

Each is a sum of the cases' means with whole weights, so the same holds for every phase, and its interval comes from all
cases that are in it. Starts are compared in rounds (Student's t) where every start that counts is of a round in which
all cases have one; else each case has its own spread (Welch, Satterthwaite), and nothing is left out.

As in a comparison (``compare.py``), the intervals of one quantity's phases hold together with 95 % probability.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analyse.dataset import MEASURED, CaseData
from harness.analyse.phases import COMPILE_LEAVES, UNATTRIBUTED
from harness.analyse.rungs import EVERYTHING, NOTHING, Rungs
from harness.analyse.stats import CONFIDENCE, Summary, half_width_of_sum, summarise

# Name → leaves; a leaf of one process before the leaf of all. What is not named is REST.
PHASES: dict[str, tuple[str, ...]] = {
    "interpreters, imports": ("launcher", "interpreter", "imports"),
    "model inspection": ("interpreter:inspect", "imports:inspect", "model_inspect"),
    "config and processes": (
        "plugins",
        "detect_platform",
        "config",
        "process_spawn",
        "device_init",
        "cuda_context",
        "dist_init",
        "nccl_init",
    ),
    "tokenizer": ("tokenizer_init", "renderer"),
    "weights": ("model_init", "load_weights", "weight_postprocess"),
    "Dynamo": ("dynamo_transform_time",),
    "compilation": COMPILE_LEAVES,
    "KV cache and warm-up": (
        "kv_cache_profiling",
        "kv_cache_alloc",
        "warmup",
        "kernel_warmup",
        "sampler_warmup",
        "graph_capturing",
    ),
}
REST = "rest"
INTERACTION = "interaction"
_PHASE_OF = {leaf: name for name, leaves in PHASES.items() for leaf in leaves} | {UNATTRIBUTED: UNATTRIBUTED}
ORDER = (*PHASES, REST, UNATTRIBUTED)

Weights = Mapping[str, int]  # of the cases' means in a sum
Sample = Sequence[Mapping[str, float]]  # starts: seconds by phase


@dataclass(frozen=True)
class Seconds:
    """A difference of starts, with half the width of its interval; None where a case has a single start."""

    seconds: float
    half_width: float | None

    @property
    def is_clear(self) -> bool:
        """Whether its interval does not hold 0."""
        return self.half_width is not None and abs(self.seconds) > self.half_width


@dataclass(frozen=True)
class Saved:
    """What is saved of a whole start, and of each of its phases."""

    start: Seconds
    by_phase: Mapping[str, Seconds]


@dataclass(frozen=True)
class Starts:
    """The measured starts of one state: seconds from exec to ready, and the mean of each phase."""

    ready: Summary
    by_phase: Mapping[str, float]


@dataclass(frozen=True)
class Ladder:
    """The states' starts, and what they say together. A sum that needs a state without a start is not there."""

    kinds: tuple[str, ...]
    starts: Mapping[str, Starts]  # by NOTHING, kind, EVERYTHING
    missing: tuple[str, ...]  # those without a start that counts
    phases: tuple[str, ...]  # in which any start spent time
    paired: bool
    steps: Mapping[str, Saved]
    total: Saved | None
    interaction: Saved | None
    ranked: tuple[str, ...]  # kinds with a step, the one that saves most first
    lead: Seconds | None  # of the first of them over the second

    @property
    def saved(self) -> dict[str, Saved]:
        """Steps by their kind, then INTERACTION, then the total as EVERYTHING; what is not there is absent."""
        sums = {INTERACTION: self.interaction, EVERYTHING: self.total}
        return {**self.steps, **{key: saved for key, saved in sums.items() if saved}}


def ladder(rungs: Rungs, cases: Mapping[str, CaseData]) -> Ladder:
    """The ladder of one model. ``cases``: key of the state → its case, as ``Rungs.cases`` gives them."""
    found = {key: _sample(cases[key]) for key in rungs.states if key in cases}
    rounds = {key: [each for each, _ in starts] for key, starts in found.items() if starts}
    paired = _is_paired(list(rounds.values()))
    samples = {key: [phases for _, phases in sorted(found[key], key=_round)] for key in rounds}
    phases = tuple(name for name in ORDER if any(start[name] for sample in samples.values() for start in sample))

    def saved(weights: Weights) -> Saved | None:
        return _saved(weights, samples, phases, paired) if weights.keys() <= samples.keys() else None

    kinds = rungs.kinds
    steps = {kind: step for kind in kinds if (step := saved({NOTHING: 1, kind: -1}))}
    ranked = sorted(steps, key=lambda kind: -steps[kind].start.seconds)
    lead = saved({ranked[1]: 1, ranked[0]: -1}) if len(ranked) > 1 else None
    return Ladder(
        kinds=kinds,
        starts={key: _starts(sample, phases) for key, sample in samples.items()},
        missing=tuple(key for key in rungs.states if key not in samples),
        phases=phases,
        paired=paired,
        steps=steps,
        total=saved({NOTHING: 1, EVERYTHING: -1}),
        interaction=saved({NOTHING: 1 - len(kinds), **dict.fromkeys(kinds, 1), EVERYTHING: -1}),
        ranked=tuple(ranked),
        lead=lead.start if lead else None,
    )


def by_phase(leaves: Mapping[str, float]) -> dict[str, float]:
    """Seconds of each phase of ``ORDER``: 0 where the start spent none, so that they add up to the start."""
    parts: dict[str, list[float]] = {name: [] for name in ORDER}
    for leaf, seconds in leaves.items():
        parts[_PHASE_OF.get(leaf) or _PHASE_OF.get(leaf.partition(":")[0], REST)].append(seconds)
    return {name: math.fsum(seconds) for name, seconds in parts.items()}


def _sample(case: CaseData) -> list[tuple[str | None, dict[str, float]]]:
    """Round and phases of the measured starts."""
    return [(each.round, by_phase(each.span)) for each in case.repeats if each.kind == MEASURED and each.span]


def _round(start: tuple[str | None, object]) -> str:
    return start[0] or ""


def _is_paired(rounds: Sequence[Sequence[str | None]]) -> bool:
    """Whether all cases have one start each in the same rounds, two at least."""
    first = set(rounds[0]) if rounds else set()
    return len(first) >= 2 and None not in first and all(set(r) == first and len(r) == len(first) for r in rounds)


def _starts(sample: Sample, phases: Sequence[str]) -> Starts:
    ready = summarise(math.fsum(start.values()) for start in sample)
    assert ready is not None  # a sample has a start
    return Starts(ready, {name: math.fsum(start[name] for start in sample) / len(sample) for name in phases})


def _saved(weights: Weights, samples: Mapping[str, Sample], phases: Sequence[str], paired: bool) -> Saved:
    each = 1 - (1 - CONFIDENCE) / max(len(phases), 1)

    def seconds(names: Sequence[str], confidence: float) -> Seconds:
        terms = [
            (weight, [math.fsum(start[name] for name in names) for start in samples[key]])
            for key, weight in weights.items()
        ]
        mean = math.fsum(weight * math.fsum(values) / len(values) for weight, values in terms)
        return Seconds(mean, half_width_of_sum(terms, paired, confidence))

    return Saved(seconds(ORDER, CONFIDENCE), {name: seconds([name], each) for name in phases})
