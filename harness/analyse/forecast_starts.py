"""Starts as a forecast is trained on them: what was known before each, and the seconds of its phases."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from harness.analyse.dataset import MEASURED, CaseData, Repeat, Side
from harness.analyse.forecast_phases import LOAD, fault_of, seconds_by_phase
from harness.analyse.model_facts import ModelFacts, known_models, name_in_models_yaml
from harness.analyse.phases import COMPILING_LEAVES

# What the compile caches held: nothing (the start compiled), the graphs, or it did not matter (nothing is compiled).
Cache = Literal["warm", "empty", "off"]
DEFAULT_FORMAT = "safetensors"
_OFFLINE = "offline"  # mode
_AS_FOUND = "as found"  # an own start's storage: only looked at
_AUTOMATIC = ("auto", "hf")  # vLLM's names for "by the files", which are safetensors


@dataclass(frozen=True)
class Start:
    """One start. ``facts`` None: its model is not in models.yaml. ``storage`` None: nobody declared it.

    ``model`` is what is held out, an entry of models.yaml; ``label`` what the data calls it.
    """

    model: str
    label: str
    facts: ModelFacts | None
    twin: bool
    kind: str
    run: str
    seconds: dict[str, float]  # phase → s; sums to the total; empty with a fault
    cache: Cache
    storage: str | None
    load_format: str
    work: tuple[str, ...]  # what else makes starts incomparable, each in words: engine, mode, environment, …
    probe_bytes_per_s: float | None = None  # what the disk gave right before
    fault: str | None = None  # why its seconds teach nothing: an impossible one, or no total

    @property
    def total_s(self) -> float:
        """The whole start."""
        return sum(self.seconds.values())

    @property
    def bytes_per_s(self) -> float | None:
        """Achieved by loading; None if the model's bytes or the phase are not known."""
        load_s = self.seconds.get(LOAD, 0.0)
        return self.facts.checkpoint_bytes / load_s if self.facts and load_s > 0 else None


def starts_of(side: Side, entries: Mapping[str, str] | None = None) -> list[Start]:
    """Every start of a side, in order, those with a fault too. ``entries``: model → entry, if not by its name."""
    known = known_models()
    named = {case.model: name_in_models_yaml(case.model) for case in side.cases} | dict(entries or {})
    return [start for case in side.cases for start in _of_case(case, named[case.model], known)]


def _of_case(case: CaseData, name: str | None, known: Mapping[str, ModelFacts]) -> Iterable[Start]:
    facts = known.get(name or "")
    if facts:
        facts = _of_these_files(case, facts)
    for repeat in case.repeats:
        fault = fault_of(repeat)
        yield Start(
            model=name or case.model,
            label=case.model,
            facts=facts,
            twin=case.twin,
            kind=repeat.kind,
            run=repeat.run,
            seconds={} if fault else seconds_by_phase(repeat) or {},
            cache=cache_of(repeat),
            storage=None if (level := case.state.get("storage")) == _AS_FOUND else level,
            load_format=usual_format(case.parameters.get("load_format")),
            work=_work(case, repeat.kind),
            probe_bytes_per_s=repeat.loading.probe_bytes_per_s if repeat.loading else None,
            fault=fault,
        )


def _of_these_files(case: CaseData, facts: ModelFacts) -> ModelFacts | None:
    """The facts with the sizes of the files that were started; None for a twin, whose sizes are not the published ones,
    if they were not recorded.
    """
    proved = (repeat.loading.weight_bytes for repeat in case.repeats if repeat.loading)
    size = round(case.facts["checkpoint_mb"] * 1e6) if "checkpoint_mb" in case.facts else next(proved, None)
    if size is None:
        return None if case.twin else facts
    published = None if case.twin else facts.tokenizer_bytes
    tokenizer = round(case.facts["tokenizer_mb"] * 1e6) if "tokenizer_mb" in case.facts else published
    return replace(facts, checkpoint_bytes=size, tokenizer_bytes=tokenizer, twin=case.twin)


def cache_of(repeat: Repeat) -> Cache:
    """What the start found, by what it did (a folder's name or a plan may say something else)."""
    if repeat.span:
        if any(repeat.span.get(leaf, 0.0) > 0 for leaf in COMPILING_LEAVES):
            return "empty"
        return "warm" if {"graph_compile_cached", "dynamo_transform_time"} & repeat.span.keys() else "off"
    if repeat.log.get("graph_compile_general_shape", 0.0) > 0:
        return "empty"
    return "warm" if {"graph_compile_cached", "dynamo_transform_time"} & repeat.log.keys() else "off"


def usual_format(value: Any) -> str:
    """A load format as starts are compared by it; None: what vLLM takes by itself."""
    text = str(value or DEFAULT_FORMAT)
    return DEFAULT_FORMAT if text in _AUTOMATIC else text


def engine_words(version: str) -> str:
    """How ``Start.work`` names an engine."""
    return f"vLLM {version}"


def _work(case: CaseData, kind: str) -> tuple[str, ...]:
    """Empty for a start of the usual kind of an engine that was not named, in an environment that was not recorded."""
    graphs = case.facts.get("captured_sizes")  # there if a number was asked for
    libraries, contents = (
        case.state.get("libraries"),
        {case.state.get(part) for part in ("compile_cache", "model_info")},
    )
    parts = [
        engine_words(case.engine) if case.engine else "",
        f"mode {mode}" if (mode := case.parameters.get("mode", _OFFLINE)) != _OFFLINE else "",
        "" if graphs is None else f"{graphs:g} captured graphs",
        "at once with another one" if case.parameters.get("parallel") else "",
        f"libraries {libraries}" if libraries not in (None, "warm", _AS_FOUND) else "",
        "half of its caches empty" if len(contents) > 1 and kind == MEASURED else "",
        *(f"{name}={value}" for name, value in sorted(case.environment.items())),
    ]
    return tuple(part for part in parts if part)
