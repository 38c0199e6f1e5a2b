"""What the anatomy figure says of its data: whose, how many, intervals, definitions, and what may not be concluded."""

from typing import Any

from harness.analyse.anatomy_series import CaseSplit
from harness.record.anatomy_tables import CPU, NOTHING, TWIN
from harness.record.plain import printable
from harness.record.study_slot import StudySlot
from harness.show.failed_runs import failed_run_sentences
from harness.show.study_command import StudySide

_LONGEST = 60  # characters of a value
SENTENCE = "API server 33 %, scheduling 29 %, GPU execution 38 %"


def share_caption(side: StudySide, data: CaseSplit) -> list[str]:
    """Of the page with both definitions."""
    return [
        *whose(side, data),
        _count(data),
        "(a) API server: all CPU of its process. Scheduling: CPU of the engine core but its spinning waits, and host "
        "work of the worker's main thread (inputs, replies). Execution: the worker's forward, logits and sampling, and "
        "its other threads if it computes with several. What tracing cost is taken off.",
        "(b) Exclusive cover of the intervals in which all processes were seen: execution before worker host work, "
        "before schedule and update, before the API server, before the rest of an engine step. It adds up to 100 %; "
        "shares of busy time would not, because the processes overlap.",
        f'* Not measured here: "{SENTENCE}", the authors\' profile of Llama-3-8B on one H100 with the engine before '
        "v0.6.0 (vLLM's blog, 2024-09-05), of one process's wall clock.",
        *_verdict(data),
        *_not_concluded(data),
        *_parameters(side.slot, data),
        *_failed(data),
    ]


def stage_caption(side: StudySide, data: CaseSplit) -> list[str]:
    """Of the page with stages."""
    return [
        *whose(side, data),
        _count(data),
        "Stages are docs/anatomy.md's; own time of their spans, without spin and tracing. Event loop: CPU of the API "
        "server's main thread that no hook covers; threads, uncovered: CPU without spans. The API server's stages are "
        "those of short samples, scaled to its whole CPU.",
        "Attributed: CPU of the main thread's spans ÷ its CPU (goal 98 %; the rest of the API server's is the event "
        "loop), also without its spinning waits, which may be most of it; wall clock: share of the load within spans "
        "of the engine core's main thread. Added: traced calls × the CPU of one, of all CPU of the process (goals 1 %, "
        "API server 3 %), and of its work without spin.",
        *_not_concluded(data),
        *_failed(data),
    ]


def timeline_caption(side: StudySide, data: CaseSplit) -> list[str]:
    """Of the page with steps."""
    run = f"repeat {data.timeline[0]['repeat']}" if data.timeline else "no run"
    return [
        *whose(side, data),
        f"One piece of one run ({run}, n=1), so no interval; the first steps of a sample in the middle of the load. "
        "Spans within spans lie on top of them; grey: waits, of which those for the other side's answer spin.",
        *_not_concluded(data),
        *_failed(data),
    ]


def request_caption(side: StudySide, data: CaseSplit) -> list[str]:
    """Of the page with TTFT and TPOT."""
    lost = sum(over.mean * over.n for (_, metric), over in data.levels.items() if metric == "not_followed")
    clipped = sum(over.mean * over.n for (_, metric), over in data.levels.items() if metric == "clipped")
    return [
        *whose(side, data),
        _count(data),
        "Means over the requests that were followed all the way, then over repeats; the parts of each request add up "
        "to its TTFT or TPOT, as the client sees them.",
        "Prefill: from the first step that has the request to its first token; in it, and in TPOT, each instant "
        "belongs to the first that is busy of execution, sampling, worker host work, schedule, update; steps of other "
        "requests count. To API server: until the API server takes up the output.",
        f"{lost:,.0f} answered requests could not be followed; {clipped:,.0f} instants contradicted their neighbours "
        "and were moved to them.",
        *_not_concluded(data),
        *_parameters(side.slot, data),
        *_failed(data),
    ]


def alarm(data: CaseSplit) -> str:
    """How many runs and requests failed; empty if none did."""
    said = []
    if runs := len(data.failed_runs):
        said.append(f"{runs} run{'s' if runs > 1 else ''} failed and {'are' if runs > 1 else 'is'} not drawn.")
    failed = sum(over.mean * over.n for (_, metric), over in data.levels.items() if metric == "failed")
    if failed:
        said.append(f"Client errors: {failed:,.0f} requests failed.")
    return " ".join(said)


def whose(side: StudySide, data: CaseSplit) -> list[str]:
    """Whose data, which engine, and of which model."""
    place = "on this machine" if side.whose == "mine" else "on another machine"
    said = [f"Measured {place} (slot {side.slot.manifest['slot']}; {side.node}) with {_pin(side.slot)}."]
    for model in dict.fromkeys(run["model"] for run in data.runs):
        is_twin = any(run["weights"] == TWIN for run in data.runs if run["model"] == model)
        said.append(f"Structural twin (random weights, narrow) of {model}." if is_twin else f"Model: {model}.")
    return said


def sentence(data: CaseSplit) -> str:
    """The old sentence's verdict."""
    claim = data.claim
    if claim is None:
        return f'"{SENTENCE}": not run.'
    at = f" at {claim['concurrency']} requests at once" if claim["concurrency"] else ""
    return f'"{SENTENCE}": {claim["verdict"]}{at}: {str(claim["reason"]).rstrip(".")}.'


def _verdict(data: CaseSplit) -> list[str]:
    return [sentence(data)]


def _count(data: CaseSplit) -> str:
    n = len(data.ok_runs)
    if n == 1:
        return "n=1 run, so no interval."
    return f"Means of n={n} runs ± 95 % t interval of the mean."


def _not_concluded(data: CaseSplit) -> list[str]:
    """What a CPU engine and a twin cannot say."""
    devices = {run["device"] for run in data.ok_runs}
    twins = any(run["weights"] == TWIN for run in data.ok_runs)
    limits = [*(["a CPU engine"] if CPU in devices else []), *(["a twin"] if twins else [])]
    if not limits:
        return []
    return [
        f"This is {' with '.join(limits)}: how large execution is beside the rest is not that of the original on a "
        "GPU; what the rest is made of may carry over."
    ]


def _parameters(slot: StudySlot, data: CaseSplit) -> list[str]:
    """What the case's entry in the manifest says of it, and the environment."""
    cases = slot.manifest.get("cases")
    named = [each for each in cases if each.get("case") == data.case] if isinstance(cases, list) else []
    found = named[0].get("parameters") if named else None
    told: dict[str, Any] = dict(found) if isinstance(found, dict) else {}
    for name in ("server", "prompts"):  # one level down
        inner = told.pop(name, None)
        told |= inner if isinstance(inner, dict) else {}
    levels = told.pop("levels", None)
    if isinstance(levels, list):
        told["requests"] = "/".join(str(each.get("requests")) for each in levels if isinstance(each, dict))
    plain = [
        f"{printable(str(name), _LONGEST)}={printable(str(value), _LONGEST)}"
        for name, value in told.items()
        if isinstance(value, str | int | float)
    ]
    return [f"Parameters: {', '.join(plain)}."] if plain else ["The parameters are not recorded."]


def _pin(slot: StudySlot) -> str:
    engine = slot.manifest.get("engine")
    return str((engine.get("pin") if isinstance(engine, dict) else None) or "an engine of no name")


def _failed(data: CaseSplit) -> list[str]:
    """Failed runs with their reason."""
    return failed_run_sentences(data.failed_runs, NOTHING, lambda run: f"Run {run['repeat']}")
