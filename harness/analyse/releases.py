"""A model's start-up over vLLM releases: seconds, the few steps they can be told apart into, and what is missing.

A patched pin's steps come from its spans. An unpatched release has no spans, and its log states some steps, or none:
what it does not state is ``UNSTATED``, so that the steps of every release sum to its mean exec→ready.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from packaging.version import InvalidVersion, Version

from harness.analyse.dataset import MEASURED, TOTAL, CaseData, Repeat, Side
from harness.analyse.paper_average import mean_seconds
from harness.analyse.phases import COMPILE_LEAVES, GROUPS, UNATTRIBUTED
from harness.analyse.stats import Summary

PAPER_QUANTITY = "start_s"  # what the paper's driver printed: creating the engine, imports not included
# The paper's log of this release is that of the one before, with another last line: nothing supports the number.
UNSUPPORTED = "0.7.0"

# The steps, in the order of a start.
IMPORTS, LOADING, COMPILE, WARM_UP, INIT = (
    "processes, imports, configuration",
    "model loading",
    "compilation",
    "KV cache, warm-up, capture",
    "compilation, KV cache, warm-up, capture",  # where they are not told apart
)
OTHER, UNSTATED = "other", "not stated by its log"
STEPS = (IMPORTS, LOADING, COMPILE, WARM_UP, INIT, OTHER, UNSTATED)

_COMPILING = ("dynamo_transform_time", *COMPILE_LEAVES)
_LEAVES = {
    IMPORTS: GROUPS["framework_bootstrap"],
    LOADING: (*GROUPS["model_loading"], "weight_postprocess"),
    COMPILE: _COMPILING,
    WARM_UP: tuple(leaf for leaf in GROUPS["init_engine"] if leaf not in _COMPILING),
}


@dataclass(frozen=True)
class Release:
    """One release: seconds over its measured starts and mean seconds of each step; or why it has none (``gap``)."""

    version: str
    seconds: Summary | None = None
    doubtful: bool = False
    steps: Mapping[str, float] = field(default_factory=dict)  # empty: only the whole is known
    source: Literal["span", "log"] | None = None  # of the steps
    gap: str | None = None


def releases(side: Side, model: str) -> list[Release]:
    """The model's releases from the oldest to the newest, gaps included; own starts are exec→ready."""
    quantity = PAPER_QUANTITY if side.whose == "paper" else TOTAL
    found = [
        Release(case.engine, seconds, side.whose == "paper" and case.engine == UNSUPPORTED, _steps(case), _source(case))
        for case in side.cases
        if case.model == model and (seconds := mean_seconds(case, quantity))
    ]
    shown = {release.version for release in found}
    found += [Release(version, gap=why) for version, why in side.gaps if version not in shown]
    return _comparable(sorted(found, key=lambda release: age(release.version)))


def age(version: str) -> tuple[int, Version, str]:
    """By this, releases are in the order of their numbers."""
    try:
        return (0, Version(version), version)
    except InvalidVersion:
        return (1, Version("0"), version)  # after all releases: what has no number is somebody's own build


def _source(case: CaseData) -> Literal["span", "log"] | None:
    repeats = _measured(case)
    if not any(repeat.span for repeat in repeats):
        return None  # the paper's: engine creation, which none of the log's steps are parts of
    return "log" if all(set(repeat.span) <= {UNATTRIBUTED} for repeat in repeats) else "span"


def _steps(case: CaseData) -> dict[str, float]:
    source, repeats = _source(case), _measured(case)
    if source is None:
        return {}
    each = [_span_steps(repeat.span) if source == "span" else _log_steps(repeat) for repeat in repeats]
    return {step: mean for step in STEPS if (mean := sum(steps.get(step, 0.0) for steps in each) / len(each)) > 0}


def _measured(case: CaseData) -> list[Repeat]:
    return [repeat for repeat in case.repeats if repeat.kind == MEASURED]


def _span_steps(span: Mapping[str, float]) -> dict[str, float]:
    steps = dict.fromkeys((*_LEAVES, OTHER), 0.0)
    for leaf, seconds in span.items():
        step = next((step for step, leaves in _LEAVES.items() if leaf.split(":")[0] in leaves), OTHER)
        steps[step] += seconds
    return steps


def _log_steps(repeat: Repeat) -> dict[str, float]:
    """What the log states. If that exceeds the start, none of it is believed.

    Where children are spawned, each writes the lines again that bound ``detect_platform`` and ``llm_imports``, and the
    last ones count: then these lie inside ``worker_init``, and ``get_model_info`` does not exist.
    """
    log, total = repeat.log, sum(repeat.span.values())
    compiling = _sum(log, "torch.compile", "graph_compile_cached")
    spawned = "worker_init" in log and "get_model_info" not in log
    stated = {
        IMPORTS: log.get("worker_init", 0.0) if spawned else _sum(log, "framework_bootstrap"),
        LOADING: _sum(log, "model_loading") or _sum(log, "model_init", "load_weights"),
    }
    if "init_engine" not in log:  # only some of its parts, if any
        stated |= {COMPILE: compiling, WARM_UP: _sum(log, "kv_cache_profiling", "graph_capturing")}
    elif compiling:
        stated |= {COMPILE: compiling, WARM_UP: log["init_engine"] - compiling}
    else:
        stated |= {INIT: log["init_engine"]}
    rest = total - sum(stated.values())
    if rest < 0 or min(stated.values()) < 0:
        return {UNSTATED: total}
    return stated | {UNSTATED: rest}


def _sum(log: Mapping[str, float], *names: str) -> float:
    return sum(log.get(name, 0.0) for name in names)


def _comparable(found: Sequence[Release]) -> list[Release]:
    """Where one release does not tell compilation from warm-up, none does: equal names must mean equal things."""
    if not any(INIT in release.steps for release in found):
        return list(found)
    return [_merged(release) for release in found]


def _merged(release: Release) -> Release:
    parts = {step: seconds for step, seconds in release.steps.items() if step in (COMPILE, WARM_UP, INIT)}
    steps = {**release.steps, **({INIT: sum(parts.values())} if parts else {})}
    return replace(release, steps={step: steps[step] for step in STEPS if step in steps.keys() - {COMPILE, WARM_UP}})


def by_source(found: Iterable[Release], source: Literal["span", "log"]) -> list[str]:
    """The versions whose steps come from there."""
    return [release.version for release in found if release.source == source]
