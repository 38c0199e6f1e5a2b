"""What figure 2 says in words: titles, captions, and the rows of its log panel."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness.analyse.startup import GPU_DOMINANT, KINDS, MEASURED, PAPER_STEPS, WARMUP, StartUp
from harness.record.plain import printable
from harness.record.slot import Slot
from harness.show.caption import CAPTION_IN, CAPTION_PT
from harness.show.style import wrap

_LOG_STEPS = (*PAPER_STEPS, "init_engine", "actual_total_time")


@dataclass(frozen=True)
class LogStep:
    """One row of the log panel: means in seconds over the measured starts (the warm-up's where there are none)."""

    label: str
    log_s: float
    spans_s: float | None


def title(startup: StartUp) -> str:
    """Model and engine."""
    names = (startup.case["model"].get("name") or "?", startup.case["engine"].get("version") or "?")
    return "{} on vLLM {}".format(*(printable(str(name), 60) for name in names))


def label(startup: StartUp, name: str) -> str:
    """A phase's name, with the paper's mark where the GPU does most of it."""
    return f"{name} (GPU)" if name in GPU_DOMINANT and _on_gpu(startup) else name


def log_rows(startup: StartUp) -> tuple[list[LogStep], list[str]]:
    """The log panel's rows, and lines of text that say what is not there."""
    steps = []
    kind = MEASURED if any(line.by_kind[MEASURED] for line in startup.log) else WARMUP
    for line in startup.log:
        summary = line.by_kind[kind]
        if line.name in _LOG_STEPS and summary:
            spans = startup.spans_for_log.get(line.name)
            by_spans = spans.by_kind[kind] if spans else None
            steps.append(LogStep(label(startup, line.name), summary.mean, by_spans.mean if by_spans else None))
    notes = []
    if steps:
        which = "cached starts" if kind == MEASURED else "warm-up start"
        notes.append(f"Bar: log, {which}; diamond: spans of the same name. actual_total_time: first to last log line.")
    if startup.not_logged:
        notes.append("Not logged by this engine: " + ", ".join(startup.not_logged) + ".")
    return steps, [line for note in notes for line in wrap(note, CAPTION_PT, CAPTION_IN)]


def caption(slot: Slot, startup: StartUp, notes: Iterable[str] = ()) -> list[str]:
    """What was measured, on what, how often, and what failed, and ``notes``; wrapped to the column."""
    engine, model, node = startup.case["engine"], startup.case["model"], slot.manifest["node"]
    twin = ", structural twin (random weights)" if model.get("twin") else ""
    parts = [
        f"Start-up of {model.get('name') or '?'}{twin}; engine {engine.get('pin') or 'unpinned'}; {hardware(node)}.",
        _counts(startup),
    ]
    if parameters := _parameters(startup):
        parts.append(f"Parameters: {parameters}.")
    parts += _state(startup)
    if _on_gpu(startup):
        parts.append("(GPU): GPU-dominant step in the paper's marking; the others are CPU-dominant.")
    else:
        parts.append("CPU engine: every phase runs on the CPU.")
    parts.append("Blocks add up to exec→ready; black is time that no hook explains.")
    if has_first_token(startup):
        parts.append("After ready, in no block and no total: the time to the first token of the first request.")
    parts += [f"{note.rstrip('.')}." for note in notes]
    return wrap(" ".join(parts), CAPTION_PT, CAPTION_IN)


def has_first_token(startup: StartUp) -> bool:
    """Whether any start tells how long its first token took."""
    return any(startup.first_token.by_kind.values())


def hardware(node: dict[str, Any]) -> str:
    """The machine in a few words, from whatever facts the manifest has: GPUs, CPU, CPUs in use, memory."""
    facts = []
    gpus = [str(gpu) for gpu in node.get("gpus") or ["GPU" for _ in node.get("gpu_uuids") or []]]
    facts += [f"{gpus.count(name)}× {name}" for name in dict.fromkeys(gpus)]
    if cpu_model := node.get("cpu_model"):
        facts.append(str(cpu_model))
    if cpus := node.get("cpus"):
        facts.append(f"{len(cpus)} CPUs")
    if memory_bytes := node.get("memory_bytes"):
        facts.append(f"{memory_bytes / 2**30:.0f} GiB")
    return ", ".join(facts) or f"node {node['id']}"


def no_start(startup: StartUp, kind: str) -> str:
    """Why a bar is missing."""
    failed = startup.excluded[kind]
    return f"none of {failed} counts" if failed else "not measured"


def _counts(startup: StartUp) -> str:
    warmup, measured = (startup.total.by_kind[kind] for kind in KINDS)
    out = ["uncached: the warm-up start." if warmup else f"uncached: {no_start(startup, WARMUP)}."]
    if measured is None:
        out.append(f"cached: {no_start(startup, MEASURED)}.")
    elif measured.half_width is None:
        out.append("cached: n=1, so no interval.")
    else:
        cv = f", run-to-run CV {100 * measured.cv:.1f} %" if measured.cv is not None else ""
        out.append(f"cached: mean of n={measured.n} starts ± 95 % t interval{cv}.")
    for kind, noun in ((WARMUP, "warm-up"), (MEASURED, "measured")):
        if failed := startup.excluded[kind]:
            out.append(
                f"{failed} {noun} {'run' if failed == 1 else 'runs'} not averaged (failed, or its state did not hold)."
            )
    return " ".join(out)


def _parameters(startup: StartUp) -> str:
    stated = {name: value for name, value in startup.case["parameters"].items() if name != "storage"}
    plain = [(name, value) for name, value in stated.items() if isinstance(value, str | int | float)]
    return textwrap.shorten(", ".join(f"{key}={value}" for key, value in sorted(plain)), 160, placeholder=" …")


def _state(startup: StartUp) -> list[str]:
    """What every start began from; slots of older versions do not say it."""
    state = startup.case.get("state") or {}
    told = [f"weights {state['storage']}"] if "storage" in state else []
    told += [f"libraries {state['libraries']}"] if "libraries" in state else []
    return [f"Proved before each start: {', '.join(told)}."] if told else []


def _on_gpu(startup: StartUp) -> bool:
    return "cuda" in str(startup.case["engine"].get("pin"))
